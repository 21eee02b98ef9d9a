"""``podrun describe`` of objects that are no pods. What a Secret holds is never shown."""

from __future__ import annotations

import base64
from collections.abc import Callable, Mapping
from typing import Any

from podrun.agent.podstore import PodStore
from podrun.api.kinds import CLAIM
from podrun.api.objects import AnyObject
from podrun.cli.block import NONE, Value, block, pairs
from podrun.cli.objects import ObjectReader
from podrun.cli.objecttable import TABLES
from podrun.cli.width import columns
from podrun.pod.references import references


def describe_object(reader: ObjectReader, thing: AnyObject) -> list[str]:
    """Lines without newline."""
    from podrun.cli.describe import when

    meta = thing.metadata
    values: dict[str, Value] = {
        "Name": meta.name,
        "Namespace": meta.namespace,
        "UID": meta.uid,
        "Created": when(meta.creation_timestamp),
        "Labels": pairs(meta.labels),
        "Annotations": pairs(meta.annotations, ": "),
    }
    if meta.deletion_timestamp:
        values["Terminating"] = f"since {when(meta.deletion_timestamp)}"
    values |= _OF_KIND[thing.kind](reader, thing)
    return list(block(values, columns=columns()))


def _config_map(reader: ObjectReader, thing: Any) -> dict[str, Value]:
    data: dict[str, Value] = {key: text.splitlines() for key, text in thing.data.items()}
    binary = _sizes(thing.binary_data)
    return {
        **_immutable(thing),
        "Data": data or NONE,
        "BinaryData": binary or NONE,
    }


def _secret(reader: ObjectReader, thing: Any) -> dict[str, Value]:
    return {"Type": thing.type, **_immutable(thing), "Data": _sizes(thing.data) or NONE}


def _immutable(thing: Any) -> dict[str, Value]:
    return {"Immutable": "true"} if thing.immutable else {}


def _sizes(data: Mapping[str, str]) -> dict[str, Value]:
    return {key: f"{len(base64.b64decode(text))} bytes" for key, text in data.items()}


def _claim(reader: ObjectReader, thing: Any) -> dict[str, Value]:
    status, meta = thing.status, thing.metadata
    return {
        "StorageClass": thing.spec.storage_class_name or "",
        "Status": status.phase if status else "Pending",
        "Volume": thing.spec.volume_name,
        "Capacity": (status.capacity.get("storage", "") if status else "") or NONE,
        "Access Modes": ", ".join(thing.spec.access_modes),
        "VolumeMode": thing.spec.volume_mode,
        "Path": str(reader.paths.claims / meta.namespace / meta.name),
        "Used By": _users(reader, meta.namespace, meta.name) or NONE,
    }


def _users(reader: ObjectReader, namespace: str, claim: str) -> str:
    pods = [each.pod for each in PodStore(reader.paths).list() if each.key[0] == namespace]
    return "\n".join(sorted(p.metadata.name for p in pods if (CLAIM, claim) in references(p)))


def _workload(reader: ObjectReader, thing: Any) -> dict[str, Value]:
    """What the table tells of it, and more."""
    import time

    from podrun.cli.describeworkload import describe_workload

    found = TABLES[thing.kind]
    cells = found.cells(thing, time.time())
    short = {name.capitalize(): cell for name, cell in zip(found.header, cells, strict=True)}
    return {**short, **describe_workload(reader, thing)}


_OF_KIND: dict[str, Callable[[ObjectReader, Any], dict[str, Value]]] = {
    "ConfigMap": _config_map,
    "Secret": _secret,
    "PersistentVolumeClaim": _claim,
    "Job": _workload,
    "Deployment": _workload,
    "DaemonSet": _workload,
}
