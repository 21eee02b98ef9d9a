"""Every kind of object as one: its type, its defaults, its rules. Imports all of them."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

import msgspec

from podrun.api import (
    defaults,
    defaults_objects,
    defaults_workload,
    validate,
    validate_objects,
    validate_workload,
)
from podrun.api.configuration import ConfigMap, PersistentVolumeClaim, Secret
from podrun.api.kinds import BY_NAME, Kind
from podrun.api.meta import ObjectMeta
from podrun.api.pod import Pod
from podrun.api.problem import Problem
from podrun.api.workload import DaemonSet, Deployment, Job

AnyObject = Pod | ConfigMap | Secret | PersistentVolumeClaim | Job | Deployment | DaemonSet


class Handling(NamedTuple):
    """``defaults`` gets the object with its namespace; ``problems`` with its defaults;
    ``update_problems`` the stored one and the new one, both with defaults."""

    type: type[Any]
    defaults: Callable[[Any], Any]
    problems: Callable[[Any], Iterable[Problem]]
    update_problems: Callable[[Any, Any], Iterable[Problem]] = lambda old, new: ()


HANDLING = {
    "ConfigMap": Handling(
        ConfigMap,
        defaults_objects.config_map,
        validate_objects.config_map,
        validate_objects.immutable_update,
    ),
    "Secret": Handling(
        Secret,
        defaults_objects.secret,
        validate_objects.secret,
        validate_objects.immutable_update,
    ),
    "PersistentVolumeClaim": Handling(
        PersistentVolumeClaim,
        defaults_objects.claim,
        validate_objects.claim,
        validate_objects.claim_update,
    ),
    "Pod": Handling(Pod, defaults.with_defaults, validate.validate),
    "Job": Handling(
        Job, defaults_workload.job, validate_workload.job, validate_workload.update_problems
    ),
    "Deployment": Handling(
        Deployment,
        defaults_workload.deployment,
        validate_workload.deployment,
        validate_workload.update_problems,
    ),
    "DaemonSet": Handling(
        DaemonSet,
        defaults_workload.daemon_set,
        validate_workload.daemon_set,
        validate_workload.update_problems,
    ),
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


def update_problems(old: AnyObject, new: AnyObject) -> list[Problem]:
    """Why ``new`` cannot take the place of ``old``, both with their defaults."""
    return list(HANDLING[new.kind].update_problems(old, new))


def describe(thing: AnyObject) -> str:
    """``configmap/web``: as results and messages name it."""
    return f"{thing.kind.lower()}/{thing.metadata.name}"
