"""What an applied Pod changes of the one that runs."""

from __future__ import annotations

import enum
from collections.abc import Iterator
from typing import Any

import msgspec

from podrun.api.hugepages import is_pages
from podrun.api.pod import Container, Pod, ResourceRequirements
from podrun.api.qos import qos_class


class Effect(enum.IntEnum):
    """What a change needs; a greater one includes the smaller ones."""

    UNCHANGED = 0
    IN_PLACE = 1  # a new record, nothing restarts
    RESIZE = 2  # these containers get other cgroup figures, nothing restarts
    CONTAINERS = 3  # these containers start again, in the same sandbox
    RECREATE = 4  # the pod is replaced by a new one


class Change(msgspec.Struct, frozen=True):
    """``containers`` are to restart (CONTAINERS only), ``resized`` not, but their cgroups are to be
    written (RESIZE and CONTAINERS), each by name; ``paths`` is all that differs.
    """

    effect: Effect
    containers: tuple[str, ...] = ()
    resized: tuple[str, ...] = ()
    paths: tuple[str, ...] = ()


_IN_PLACE = frozenset(
    (
        "metadata.labels",
        "metadata.annotations",
        "spec.activeDeadlineSeconds",
        "spec.terminationGracePeriodSeconds",
        "spec.enableServiceLinks",
        "spec.readinessGates",
        "spec.imagePullSecrets",
        "spec.os",
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


def compare(old: Pod, new: Pod) -> Change:
    """``old`` and ``new`` both valid, with defaults, and of the same namespace and name.

    What podrun fills in (uid, timestamps, nodeName, status) is not compared. CONTAINERS and RESIZE
    may name init containers too: whether one that has done its work runs again is for the caller
    to decide.
    """
    paths = (*_metadata(old, new), *_spec(old, new))
    effect = max(map(_effect, paths), default=Effect.UNCHANGED)
    if effect >= Effect.RESIZE and _shape(old) != _shape(new):
        effect = Effect.RECREATE
    if effect not in (Effect.RESIZE, Effect.CONTAINERS):
        return Change(effect, paths=paths)
    pairs = list(zip(old.spec.all_containers, new.spec.all_containers, strict=True))
    restarted = tuple(after.name for before, after in pairs if _fixed(before) != _fixed(after))
    different = (after.name for before, after in pairs if before.resources != after.resources)
    resized = tuple(name for name in different if name not in restarted)
    return Change(effect, restarted, resized, paths)


def _effect(path: str) -> Effect:
    if path in _IN_PLACE:
        return Effect.IN_PLACE
    if path.startswith(("spec.containers[", "spec.initContainers[")):
        field = path.rpartition(".")[2]
        # The sandbox offers the ports of all containers.
        by_field = {
            "resources": Effect.RESIZE,
            "resizePolicy": Effect.IN_PLACE,
            "ports": Effect.RECREATE,
        }
        return by_field.get(field, Effect.CONTAINERS)
    return Effect.RECREATE


def _shape(pod: Pod) -> tuple[str, list[bool], list[dict[str, str]]]:
    """What is settled for a pod's life: its QoS class is its cgroup's place, which of the init
    containers are sidecars decides the order of all, and volumes are made of its huge pages.
    """
    sidecars = [each.restart_policy == "Always" for each in pod.spec.init_containers]
    limits = [each.limits for each in pod.spec.all_containers]
    pages = [{name: text for name, text in each.items() if is_pages(name)} for each in limits]
    return qos_class(pod), sidecars, pages


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


def _fixed(container: Container) -> Container:
    """``container`` without what can change while it runs."""
    return msgspec.structs.replace(container, resources=ResourceRequirements(), resize_policy=())


def spec_hash(container: Container) -> str:
    """16 hexadecimal digits that change when the container must start again, and only then.

    That is: with every field but ``resources`` and ``resizePolicy``. The order of mapping keys does
    not count, nor do fields that are absent or at their zero.
    """
    import hashlib

    text = msgspec.json.encode(msgspec.to_builtins(_fixed(container)), order="sorted")
    return hashlib.sha256(text).hexdigest()[:16]
