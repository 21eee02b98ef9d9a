"""What an applied Pod changes of the one that runs."""

from __future__ import annotations

import enum
from collections.abc import Iterator
from typing import Any

import msgspec

from podrun.api.pod import Container, Pod


class Effect(enum.IntEnum):
    """What a change needs; a greater one includes the smaller ones."""

    UNCHANGED = 0
    IN_PLACE = 1  # a new record, nothing restarts
    CONTAINERS = 2  # these containers start again, in the same sandbox
    RECREATE = 3  # the pod is replaced by a new one


class Change(msgspec.Struct, frozen=True):
    """``containers`` are the names to restart (CONTAINERS only); ``paths`` all that differs."""

    effect: Effect
    containers: tuple[str, ...] = ()
    paths: tuple[str, ...] = ()


_IN_PLACE = frozenset(
    (
        "metadata.labels",
        "metadata.annotations",
        "spec.activeDeadlineSeconds",
        "spec.terminationGracePeriodSeconds",
        "spec.enableServiceLinks",
        "spec.automountServiceAccountToken",
        "spec.serviceAccountName",
        "spec.serviceAccount",
        "spec.nodeSelector",
        "spec.affinity",
        "spec.tolerations",
        "spec.topologySpreadConstraints",
        "spec.schedulerName",
        "spec.priority",
        "spec.priorityClassName",
        "spec.preemptionPolicy",
    )
)


# Fields of a container that reach beyond it: the sandbox offers its ports, the pod's cgroup and
# QoS class follow from its resources, and whether it is a sidecar decides the order of all.
_OF_THE_POD = ("ports", "resources", "restartPolicy")


def compare(old: Pod, new: Pod) -> Change:
    """``old`` and ``new`` both with defaults, and of the same namespace and name.

    What podrun fills in (uid, timestamps, nodeName, status) is not compared. CONTAINERS may name
    init containers too: whether one that has done its work runs again is for the caller to decide.
    """
    paths = (*_metadata(old, new), *_spec(old, new))
    effect = max(map(_effect, paths), default=Effect.UNCHANGED)
    if effect is not Effect.CONTAINERS:
        return Change(effect, (), paths)
    pairs = zip(old.spec.all_containers, new.spec.all_containers, strict=True)
    changed = tuple(after.name for before, after in pairs if before != after)
    return Change(effect, changed, paths)


def _effect(path: str) -> Effect:
    if path in _IN_PLACE:
        return Effect.IN_PLACE
    if path.startswith(("spec.containers[", "spec.initContainers[")):
        beyond = path.rpartition(".")[2] in _OF_THE_POD
        return Effect.RECREATE if beyond else Effect.CONTAINERS
    return Effect.RECREATE


def _metadata(old: Pod, new: Pod) -> Iterator[str]:
    if old.metadata.labels != new.metadata.labels:
        yield "metadata.labels"
    if old.metadata.annotations != new.metadata.annotations:
        yield "metadata.annotations"


def _spec(old: Pod, new: Pod) -> Iterator[str]:
    before, after = _plain(old.spec), _plain(new.spec)
    for name in dict.fromkeys((*before, *after)):
        if name == "nodeName" or before.get(name) == after.get(name):
            continue
        if name in ("containers", "initContainers"):
            yield from _containers(f"spec.{name}", before.get(name, []), after.get(name, []))
        else:
            yield f"spec.{name}"


def _containers(path: str, before: list[Any], after: list[Any]) -> Iterator[str]:
    """The fields that differ; the list itself when containers came, went or moved."""
    if [each.get("name") for each in before] != [each.get("name") for each in after]:
        yield path
        return
    for index, (old, new) in enumerate(zip(before, after, strict=True)):
        for name in dict.fromkeys((*old, *new)):
            if old.get(name) != new.get(name):
                yield f"{path}[{index}].{name}"


def _plain(value: msgspec.Struct) -> dict[str, Any]:
    plain: dict[str, Any] = msgspec.to_builtins(value)
    return plain


def spec_hash(container: Container) -> str:
    """16 hexadecimal digits that change when the definition does, and only then.

    The order of mapping keys does not count, nor do fields that are absent or at their zero.
    """
    import hashlib

    text = msgspec.json.encode(msgspec.to_builtins(container), order="sorted")
    return hashlib.sha256(text).hexdigest()[:16]
