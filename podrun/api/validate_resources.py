"""The rules for requests and limits, of containers and of the pod as a whole."""

from __future__ import annotations

from collections.abc import Iterator

from podrun.api import quantity
from podrun.api.amounts import RESOURCES, STORAGE, amounts, as_quantity, effective
from podrun.api.container import Container, ResourceRequirements
from podrun.api.hugepages import is_pages, page_bytes
from podrun.api.pod import PodSpec
from podrun.api.problem import Problem
from podrun.api.validate_rules import forbidden, invalid, required


def container_resources(path: str, container: Container) -> Iterator[Problem]:
    yield from _requirements(path, container, "containers")


def whole_resources(path: str, spec: PodSpec) -> Iterator[Problem]:
    """The containers must fit into what the pod has as a whole."""
    whole = spec.resources
    if whole is None:
        return
    found = list(_requirements(path, whole, "pods"))
    yield from found
    if found:
        return
    try:
        asked = effective(spec, lambda container: amounts(container.requests))
        own, most = amounts(whole.requests), amounts(whole.limits)
        each = [amounts(container.limits) for container in spec.all_containers]
    except ValueError:
        return  # reported at the container
    for name, amount in asked.items():
        if name in own and own[name] < amount:
            together = as_quantity(name, amount)
            why = f"must be greater than or equal to aggregate container requests of {together}"
            yield invalid(f"{path}.requests[{name}]", whole.requests[name], why)
    for container, limits in zip(spec.all_containers, each, strict=True):
        for name, amount in limits.items():
            if name in most and amount > most[name]:
                why = f"must be less than or equal to pod limits of {whole.limits[name]}"
                at = f"{_path(spec, container)}.resources.limits[{name}]"
                yield invalid(at, container.limits[name], why)


def _path(spec: PodSpec, container: Container) -> str:
    if container in spec.containers:
        return f"spec.containers[{spec.containers.index(container)}]"
    return f"spec.initContainers[{spec.init_containers.index(container)}]"


def _requirements(
    path: str, its: Container | ResourceRequirements, owner: str
) -> Iterator[Problem]:
    for name, text in its.limits.items():
        yield from _resource(f"{path}.limits[{name}]", name, text, owner)
    for name, text in its.requests.items():
        if its.limits.get(name) != text:  # else it is only the limit's default
            yield from _resource(f"{path}.requests[{name}]", name, text, owner)
    for name in its.limits.keys() & its.requests.keys():
        limit, request = _nanos(its.limits[name]), _nanos(its.requests[name])
        if limit is None or request is None or request == limit:
            continue
        if request > limit or is_pages(name):
            must = "equal to" if is_pages(name) else "less than or equal to"
            why = f"must be {must} {name} limit of {its.limits[name]}"
            yield invalid(f"{path}.requests[{name}]", its.requests[name], why)
    yield from _pages(path, its)


def _pages(path: str, its: Container | ResourceRequirements) -> Iterator[Problem]:
    """Huge pages are never promised twice: no request without its limit."""
    named = its.limits | its.requests
    if any(is_pages(name) for name in its.requests.keys() - its.limits.keys()):
        yield required(f"{path}.limits", "Limit must be set for non overcommitable resources")
    if any(map(is_pages, named)) and not any(name in named for name in RESOURCES):
        yield forbidden(path, "HugePages require cpu or memory")


def _resource(path: str, name: str, text: str, owner: str) -> Iterator[Problem]:
    known = (*RESOURCES, STORAGE) if owner == "containers" else RESOURCES
    if "/" in name:
        yield Problem(path, "podrun does not support this resource yet")
    elif is_pages(name):
        yield from _whole_pages(path, name, text)
    elif name not in known:
        listed = ", ".join(known)
        yield invalid(path, name, f"must be a standard resource for {owner}: {listed}")
    yield from amount(path, text)


def _whole_pages(path: str, name: str, text: str) -> Iterator[Problem]:
    try:
        divisible = quantity.nanos(text) % (page_bytes(name) * 10**9) == 0
    except ValueError:
        divisible = _nanos(text) is None  # reported as an amount
    if not divisible:
        yield invalid(path, text, f"{text} is not positive integer multiple of {name}")


def amount(path: str, text: str) -> Iterator[Problem]:
    value = _nanos(text)
    if value is None:
        yield invalid(path, text, "must be a quantity such as 250m, 1.5 or 64Mi")
    elif value < 0:
        yield invalid(path, text, "must be greater than or equal to 0")


def _nanos(text: str) -> int | None:
    try:
        return quantity.nanos(text)
    except ValueError:
        return None
