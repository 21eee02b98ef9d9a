"""Objects that are no pods as a table: the columns of each kind, as kubectl has them."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import msgspec

from podrun.api.kinds import Kind
from podrun.api.objects import AnyObject
from podrun.cli.objects import ObjectReader
from podrun.cli.output import show
from podrun.cli.podtable import Listing, nothing_found
from podrun.cli.table import line, table, widths_of
from podrun.errors import NotFound
from podrun.pod.when import epoch, human_duration

Cells = tuple[str, ...]

_MODES = {
    "ReadWriteOnce": "RWO",
    "ReadOnlyMany": "ROX",
    "ReadWriteMany": "RWX",
    "ReadWriteOncePod": "RWOP",
}


class Columns(NamedTuple):
    """Between NAME and AGE; ``wide`` ones come behind it. ``cells`` gets the object, and now."""

    header: Cells
    cells: Callable[[Any, float], Cells]
    wide_header: Cells = ()
    wide: Callable[[Any], Cells] = lambda thing: ()


# ── what each kind tells ────────────────────────────────────────────────────────────────────────


def _config_map(thing: Any, now: float) -> Cells:
    return (str(len(thing.data) + len(thing.binary_data)),)


def _secret(thing: Any, now: float) -> Cells:
    return thing.type, str(len(thing.data))


def _claim(thing: Any, now: float) -> Cells:
    status = thing.status
    modes = ",".join(_MODES.get(mode, mode) for mode in (status.access_modes if status else ()))
    capacity = status.capacity.get("storage", "") if status else ""
    phase = status.phase if status else "Pending"
    return phase, thing.spec.volume_name, capacity, modes, thing.spec.storage_class_name or ""


def _job(thing: Any, now: float) -> Cells:
    spec, status = thing.spec, thing.status
    succeeded = status.succeeded if status else 0
    parallelism = spec.parallelism if spec.parallelism is not None else 1
    wanted = str(spec.completions) if spec.completions is not None else "1"
    if spec.completions is None and parallelism > 1:
        wanted = f"1 of {parallelism}"
    return _job_status(thing), f"{succeeded}/{wanted}", _job_duration(thing, now)


def _job_status(thing: Any) -> str:
    if thing.metadata.deletion_timestamp:
        return "Terminating"
    holding = _holding(thing)
    known = ("Complete", "Failed", "Suspended", "FailureTarget", "SuccessCriteriaMet")
    return next((word for word in known if word in holding), "Running")


def _job_duration(thing: Any, now: float) -> str:
    start = epoch(thing.status.start_time) if thing.status else None
    if start is None:
        return ""
    failed = _holding(thing).get("Failed", "")
    end = epoch(thing.status.completion_time or failed)
    return human_duration((now if end is None else end) - start)


def _holding(thing: Any) -> dict[str, str]:
    """Conditions that hold → since when."""
    conditions = thing.status.conditions if thing.status else ()
    return {each.type: each.last_transition_time for each in conditions if each.status == "True"}


def _deployment(thing: Any, now: float) -> Cells:
    status = thing.status
    wanted = 1 if thing.spec.replicas is None else thing.spec.replicas
    ready = f"{status.ready_replicas if status else 0}/{wanted}"
    return (
        ready,
        str(status.updated_replicas if status else 0),
        str(status.available_replicas if status else 0),
    )


def _daemon_set(thing: Any, now: float) -> Cells:
    status = thing.status
    numbers = (
        (
            status.desired_number_scheduled,
            status.current_number_scheduled,
            status.number_ready,
            status.updated_number_scheduled,
            status.number_available,
        )
        if status
        else (0,) * 5
    )
    return *map(str, numbers), pairs_of(thing.spec.template.spec.node_selector)


def _template(thing: Any) -> Cells:
    containers = thing.spec.template.spec.containers
    selector = getattr(thing.spec, "selector", None)
    return (
        ",".join(each.name for each in containers),
        ",".join(each.image for each in containers),
        pairs_of(selector.match_labels if selector else {}),
    )


def pairs_of(labels: dict[str, str]) -> str:
    return ",".join(f"{name}={text}" for name, text in labels.items()) or "<none>"


_TEMPLATE = ("CONTAINERS", "IMAGES", "SELECTOR")
TABLES = {
    "ConfigMap": Columns(("DATA",), _config_map),
    "Secret": Columns(("TYPE", "DATA"), _secret),
    "PersistentVolumeClaim": Columns(
        ("STATUS", "VOLUME", "CAPACITY", "ACCESS MODES", "STORAGECLASS"),
        _claim,
        ("VOLUMEMODE",),
        lambda thing: (thing.spec.volume_mode,),
    ),
    "Job": Columns(("STATUS", "COMPLETIONS", "DURATION"), _job, _TEMPLATE, _template),
    "Deployment": Columns(("READY", "UP-TO-DATE", "AVAILABLE"), _deployment, _TEMPLATE, _template),
    "DaemonSet": Columns(
        ("DESIRED", "CURRENT", "READY", "UP-TO-DATE", "AVAILABLE", "NODE SELECTOR"),
        _daemon_set,
        _TEMPLATE,
        _template,
    ),
}


# ── the table ───────────────────────────────────────────────────────────────────────────────────


def show_objects(kind: Kind, listing: Listing, *, watch: bool = False) -> None:
    reader = ObjectReader()
    found = select(reader, kind, listing)
    if not listing.output.is_table:
        show(found, listing.output, single=len(listing.names) == 1)
    elif found or watch:
        lines = [row(kind, listing, each, time.time()) for each in found]
        sys.stdout.write(table(header(kind, listing), lines, headers=listing.headers))
    else:
        nothing_found(listing.namespace, listing.everywhere)
    if watch:
        _watch(reader, kind, listing, found)


def select(reader: ObjectReader, kind: Kind, listing: Listing) -> list[AnyObject]:
    found = reader.select(
        kind,
        listing.names,
        namespace=listing.namespace,
        everywhere=listing.everywhere,
        selector=listing.selector,
    )
    if not listing.sort:
        return found
    from podrun.cli.sorting import sorted_by

    return sorted_by(listing.sort, found, msgspec.to_builtins)


def header(kind: Kind, listing: Listing) -> Cells:
    columns = TABLES[kind.name]
    start = ("NAMESPACE", "NAME") if listing.everywhere else ("NAME",)
    wide = columns.wide_header if listing.wide else ()
    labels = ("LABELS",) if listing.labels else ()
    return (*start, *columns.header, "AGE", *wide, *labels)


def row(kind: Kind, listing: Listing, thing: AnyObject, now: float) -> Cells:
    columns, meta = TABLES[kind.name], thing.metadata
    start = (meta.namespace, meta.name) if listing.everywhere else (meta.name,)
    wide = columns.wide(thing) if listing.wide else ()
    labels = (pairs_of(meta.labels),) if listing.labels else ()
    return (*start, *columns.cells(thing, now), _age(thing, now), *wide, *labels)


def _age(thing: AnyObject, now: float) -> str:
    since = epoch(thing.metadata.creation_timestamp)
    return "<unknown>" if since is None else human_duration(now - since)


def _watch(reader: ObjectReader, kind: Kind, listing: Listing, found: Sequence[AnyObject]) -> None:
    """Until interrupted: a line for each object that came or changed."""
    from podrun.cli.watch import changes

    head = header(kind, listing)
    widths = widths_of([head, *(row(kind, listing, each, time.time()) for each in found)])
    known = {each.metadata.uid: each for each in found}
    for _ in changes(reader.paths):
        present = {each.metadata.uid: each for each in _present(reader, kind, listing)}
        for uid, each in present.items():
            if known.get(uid) == each:
                continue
            if listing.output.is_table:
                cells = row(kind, listing, each, time.time())
                widths[:] = [max(w, len(c)) for w, c in zip(widths, cells, strict=True)]
                sys.stdout.write(line(cells, widths))
            else:
                show([each], listing.output, single=True)
        sys.stdout.flush()
        known = present


def _present(reader: ObjectReader, kind: Kind, listing: Listing) -> list[AnyObject]:
    try:
        return select(reader, kind, listing)
    except NotFound:
        return []
