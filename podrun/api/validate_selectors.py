"""The API server's rules for fieldRef and resourceFieldRef, in the environment and in volumes."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator

from podrun.api import names, quantity
from podrun.api.hugepages import is_pages
from podrun.api.problem import Problem
from podrun.api.selectors import ObjectFieldSelector, ResourceFieldSelector
from podrun.api.validate_rules import choice, invalid, required

_VOLUME_FIELDS = (
    "metadata.annotations", "metadata.labels", "metadata.name", "metadata.namespace",
    "metadata.uid",
)  # fmt: skip
_ENV_FIELDS = (
    "metadata.name", "metadata.namespace", "metadata.uid", "spec.nodeName",
    "spec.serviceAccountName", "status.hostIP", "status.hostIPs", "status.podIP", "status.podIPs",
)  # fmt: skip
_SUBSCRIPT = re.compile(r"(metadata\.(?:labels|annotations))\['([^']*)'\]")
_RESOURCES = ("cpu", "memory", "ephemeral-storage")
_CPU_DIVISORS = ("1", "1m")
_BYTE_DIVISORS = (
    "1", "1k", "1M", "1G", "1T", "1P", "1E", "1Ki", "1Mi", "1Gi", "1Ti", "1Pi", "1Ei",
)  # fmt: skip


def env_field_ref(path: str, ref: ObjectFieldSelector) -> Iterator[Problem]:
    yield from _field_ref(path, ref, _ENV_FIELDS)


def volume_field_ref(path: str, ref: ObjectFieldSelector) -> Iterator[Problem]:
    yield from _field_ref(path, ref, _VOLUME_FIELDS)


def _field_ref(path: str, ref: ObjectFieldSelector, allowed: Collection[str]) -> Iterator[Problem]:
    if ref.api_version not in ("", "v1"):
        why = f'fieldPath: no kind "Pod" is registered for version "{ref.api_version}"'
        yield invalid(f"{path}.apiVersion", ref.api_version, why)
    if not ref.field_path:
        yield required(f"{path}.fieldPath")
    elif found := _SUBSCRIPT.fullmatch(ref.field_path):
        key = found[2].lower() if found[1].endswith("annotations") else found[2]
        if why := names.qualified_name(key):
            yield invalid(f"{path}.fieldPath", ref.field_path, why)
    elif "[" in ref.field_path:
        yield invalid(f"{path}.fieldPath", ref.field_path, "error converting fieldPath")
    else:
        yield from choice(f"{path}.fieldPath", ref.field_path, tuple(allowed))


def resource_field_ref(
    path: str, ref: ResourceFieldSelector, containers: Collection[str], *, volume: bool
) -> Iterator[Problem]:
    """``containers`` are the pod's; in a volume one of them must be named."""
    if volume and not ref.container_name:
        yield required(f"{path}.containerName")
    elif ref.container_name and ref.container_name not in containers:
        yield invalid(f"{path}.containerName", ref.container_name, "no such container in the pod")
    if not ref.resource:
        yield required(f"{path}.resource")
        return
    kind, _, resource = ref.resource.partition(".")
    if kind not in ("limits", "requests") or not (resource in _RESOURCES or is_pages(resource)):
        known = [f"{kind}.{each}" for kind in ("limits", "requests") for each in _RESOURCES]
        yield from choice(f"{path}.resource", ref.resource, known)
        return
    yield from _divisor(f"{path}.divisor", ref.divisor, cpu=resource == "cpu")


def _divisor(path: str, text: str, *, cpu: bool) -> Iterator[Problem]:
    if not text:
        return
    try:
        unit = quantity.parse(text).nanos
    except ValueError as error:
        yield invalid(path, text, str(error))
        return
    allowed = _CPU_DIVISORS if cpu else _BYTE_DIVISORS
    if unit and unit not in {quantity.parse(each).nanos for each in allowed}:
        what = "cpu" if cpu else "memory"
        yield invalid(
            path,
            text,
            f"only divisor's values {', '.join(allowed)} are supported with the {what} resource",
        )
