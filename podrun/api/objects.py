"""Every kind of object as one: its type, its defaults, its rules. Imports all of them."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

import msgspec

from podrun.api import defaults, validate
from podrun.api.configuration import ConfigMap, PersistentVolumeClaim, Secret
from podrun.api.kinds import BY_NAME, Kind
from podrun.api.meta import ObjectMeta
from podrun.api.pod import Pod
from podrun.api.problem import Problem
from podrun.api.workload import DaemonSet, Deployment, Job

AnyObject = Pod | ConfigMap | Secret | PersistentVolumeClaim | Job | Deployment | DaemonSet


class Handling(NamedTuple):
    """``defaults`` gets the object with its namespace; ``problems`` with its defaults."""

    type: type[Any]
    defaults: Callable[[Any], Any]
    problems: Callable[[Any], Iterable[Problem]]


HANDLING = {
    "Pod": Handling(Pod, defaults.with_defaults, validate.validate),
}


def kind_of(thing: AnyObject) -> Kind:
    return BY_NAME[thing.kind]


def convert(data: dict[str, Any]) -> AnyObject:
    """An object of plain data that says its kind. Raises msgspec.ValidationError, KeyError."""
    found: AnyObject = msgspec.convert(data, HANDLING[data["kind"]].type)
    return found


def with_defaults(thing: AnyObject, namespace: str = "") -> AnyObject:
    """``namespace`` is for one that names none; "default" without. Never raises."""
    metadata = thing.metadata
    metadata = msgspec.structs.replace(
        metadata, namespace=metadata.namespace or namespace or "default"
    )
    found: AnyObject = HANDLING[thing.kind].defaults(with_metadata(thing, metadata))
    return found


def with_metadata(thing: AnyObject, metadata: ObjectMeta) -> AnyObject:
    return msgspec.structs.replace(thing, metadata=metadata)


def problems(thing: AnyObject) -> list[Problem]:
    """All that is wrong with an object that has its defaults."""
    return list(HANDLING[thing.kind].problems(thing))


def describe(thing: AnyObject) -> str:
    """``configmap/web``: as results and messages name it."""
    return f"{thing.kind.lower()}/{thing.metadata.name}"
