"""Pods as a table, or as objects: what ``ps`` and ``get pods`` print, once or again and again."""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence

import click
import msgspec

from podrun.agent.podstore import StoredPod
from podrun.api.pod import Pod
from podrun.cli.names import DEFAULT_NAMESPACE
from podrun.cli.output import Output, show
from podrun.cli.pods import Reader
from podrun.cli.table import line, table, widths_of
from podrun.cli.wake import wake_agent
from podrun.cli.width import columns
from podrun.errors import NotFound
from podrun.pod.printing import row

Cells = tuple[str, ...]


class Listing(msgspec.Struct, frozen=True):
    """What is asked for. ``namespace`` "" is the default one."""

    names: tuple[str, ...] = ()
    namespace: str = ""
    everywhere: bool = False
    selector: str = ""
    output: Output = Output()
    containers: bool = False
    headers: bool = True
    sort: str = ""  # a JSONPath; "": by name
    labels: bool = False

    @property
    def wide(self) -> bool:
        return self.output.format == "wide"


def show_pods(listing: Listing, *, watch: bool = False) -> None:
    reader = Reader(addresses=listing.output.format != "" or listing.sort != "")
    pods = _select(reader, listing)
    if not listing.output.is_table:
        single = len(listing.names) == 1
        show([reader.present(each) for each in pods], listing.output, single=single)
    elif pods or watch:
        _print(reader, listing, pods)
    else:
        nothing_found(listing.namespace, listing.everywhere)
    wake_agent(reader.config)
    if watch:
        _watch(reader, listing, pods)


def present_pods(listing: Listing) -> list[Pod]:
    """As objects."""
    reader = Reader()
    return [reader.present(each) for each in _select(reader, listing)]


def nothing_found(namespace: str, everywhere: bool) -> None:
    where = "" if everywhere else f" in {namespace or DEFAULT_NAMESPACE} namespace"
    click.echo(f"No resources found{where}.", err=True)


def _select(reader: Reader, listing: Listing) -> list[StoredPod]:
    found = reader.select(
        listing.names,
        namespace=listing.namespace,
        everywhere=listing.everywhere,
        selector=listing.selector,
    )
    if not listing.sort:
        return found
    from podrun.cli.sorting import sorted_by

    return sorted_by(listing.sort, found, lambda each: msgspec.to_builtins(reader.present(each)))


def header(listing: Listing) -> Cells:
    cells: Cells = ("NAME", "READY", "STATUS", "RESTARTS", "AGE")
    if listing.containers:
        cells = ("POD", "CONTAINER", "READY", "STATE", "RESTARTS", "IMAGE")
        return ("NAMESPACE", *cells) if listing.everywhere else cells
    if listing.wide:
        cells = (*cells, "IP", "NODE", "QOS")
    if listing.labels:
        cells = (*cells, "LABELS")
    return ("NAMESPACE", *cells) if listing.everywhere else cells


def rows(reader: Reader, listing: Listing, stored: StoredPod, now: float) -> list[Cells]:
    """The lines of one pod."""
    start = (stored.key[0],) if listing.everywhere else ()
    if listing.containers:
        from podrun.cli.containertable import container_rows

        pod = reader.present(stored, now)
        return [(*start, *cells) for cells in container_rows(pod)]
    found = row(reader.present(stored, now), now)
    cells: Cells = (found.name, found.ready, found.status, found.restarts, found.age)
    if listing.wide:
        cells = (*cells, found.ip, found.node, found.qos)
    if listing.labels:
        labels = stored.pod.metadata.labels
        cells = (*cells, ",".join(f"{name}={text}" for name, text in labels.items()) or "<none>")
    return [(*start, *cells)]


def _print(reader: Reader, listing: Listing, pods: Sequence[StoredPod]) -> None:
    now = time.time()
    lines = [cells for stored in pods for cells in rows(reader, listing, stored, now)]
    width = columns() if listing.containers else None  # the image may go below its line
    sys.stdout.write(table(header(listing), lines, headers=listing.headers, width=width))


def _watch(reader: Reader, listing: Listing, pods: Sequence[StoredPod]) -> None:
    """Until interrupted: a line for each pod that came, changed or went.

    The age always changes, and so does "(5s ago)": they alone are no reason for a line.
    """
    from podrun.cli.watch import changes

    known = {_uid(stored): stored for stored in pods}
    shown = {uid: _telling(reader, listing, stored) for uid, stored in known.items()}
    widths = widths_of(
        [header(listing), *(c for s in pods for c in rows(reader, listing, s, time.time()))]
    )
    for _ in changes(reader.paths):
        present = {_uid(stored): stored for stored in _present(reader, listing)}
        for uid, stored in present.items():
            telling = _telling(reader, listing, stored)
            if shown.get(uid) != telling:
                _append(reader, listing, stored, widths)
            shown[uid] = telling
        for uid in known.keys() - present.keys():
            if not listing.output.is_table:
                continue
            _append(reader, listing, known[uid], widths)
            del shown[uid]
        known = present


def _append(reader: Reader, listing: Listing, stored: StoredPod, widths: list[int]) -> None:
    if not listing.output.is_table:
        show([reader.present(stored)], listing.output, single=True)
    for cells in rows(reader, listing, stored, time.time()) if listing.output.is_table else ():
        widths[:] = [max(w, len(c)) for w, c in zip(widths, cells, strict=True)]
        sys.stdout.write(line(cells, widths))
    sys.stdout.flush()


def _present(reader: Reader, listing: Listing) -> list[StoredPod]:
    try:
        return _select(reader, listing)
    except NotFound:
        return []  # it has gone since; it may come back


def _telling(reader: Reader, listing: Listing, stored: StoredPod) -> list[Cells]:
    """The lines without what changes by itself."""
    names = header(listing)
    return [
        tuple(
            cell.partition(" ")[0] if name == "RESTARTS" else cell
            for name, cell in zip(names, cells, strict=True)
            if name != "AGE"
        )
        for cells in rows(reader, listing, stored, time.time())
    ]


def _uid(stored: StoredPod) -> str:
    return stored.pod.metadata.uid
