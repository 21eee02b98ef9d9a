"""The rules for volumeMounts: where a container has the pod's volumes."""

from __future__ import annotations

from collections.abc import Iterator

from podrun.api.container import Container, VolumeMount
from podrun.api.pod import PodSpec
from podrun.api.problem import Problem
from podrun.api.validate_rules import choice, forbidden, invalid, not_found, required

_PROPAGATIONS = ("Bidirectional", "HostToContainer", "None")
_RECURSIVE = ("Disabled", "Enabled", "IfPossible")


def mounts(path: str, container: Container, spec: PodSpec) -> Iterator[Problem]:
    declared = {volume.name for volume in spec.volumes}
    seen: set[str] = set()
    context = container.security_context
    privileged = context is not None and bool(context.privileged)
    for index, mount in enumerate(container.volume_mounts):
        at = f"{path}[{index}]"
        if not mount.name:
            yield required(f"{at}.name")
        elif mount.name not in declared:
            yield not_found(f"{at}.name", mount.name)
        yield from _mount_path(f"{at}.mountPath", mount.mount_path)
        if mount.mount_path and mount.mount_path in seen:
            yield invalid(f"{at}.mountPath", mount.mount_path, "must be unique")
        seen.add(mount.mount_path)
        yield from _sub_path(f"{at}.subPath", mount.sub_path)
        yield from _sub_path(f"{at}.subPathExpr", mount.sub_path_expr)
        if mount.sub_path and mount.sub_path_expr:
            why = "subPathExpr and subPath are mutually exclusive"
            yield invalid(f"{at}.subPathExpr", mount.sub_path_expr, why)
        yield from _propagation(f"{at}.mountPropagation", mount, privileged=privileged)
        yield from _recursive(f"{at}.recursiveReadOnly", mount)


def _propagation(path: str, mount: VolumeMount, *, privileged: bool) -> Iterator[Problem]:
    if mount.mount_propagation:
        yield from choice(path, mount.mount_propagation, _PROPAGATIONS)
    if mount.mount_propagation == "Bidirectional" and not privileged:
        why = "Bidirectional mount propagation is available only to privileged containers"
        yield forbidden(path, why)


def _recursive(path: str, mount: VolumeMount) -> Iterator[Problem]:
    if not mount.recursive_read_only:
        return
    yield from choice(path, mount.recursive_read_only, _RECURSIVE)
    if mount.recursive_read_only not in ("Enabled", "IfPossible"):
        return
    if not mount.read_only:
        yield forbidden(path, "may only be specified when readOnly is true")
    if mount.mount_propagation not in ("", "None"):
        why = "may only be specified when mountPropagation is None or not specified"
        yield forbidden(path, why)


def _mount_path(path: str, value: str) -> Iterator[Problem]:
    if not value:
        yield required(path)
    elif ":" in value:
        yield invalid(path, value, "must not contain ':'")
    elif "\0" in value or ".." in value.split("/"):
        yield invalid(path, value, "must not contain '..' or a null character")


def _sub_path(path: str, value: str) -> Iterator[Problem]:
    if value.startswith("/"):
        yield invalid(path, value, "must be a relative path")
    if ".." in value.split("/"):
        yield invalid(path, value, "must not contain '..'")
    if "\0" in value:
        yield invalid(path, value, "must not contain a null character")
