"""Requests and limits as whole numbers, and what containers ask for together (semantics §7)."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from podrun.api import quantity
from podrun.api.container import Container
from podrun.api.hugepages import is_pages
from podrun.api.pod import PodSpec

RESOURCES = ("cpu", "memory")
STORAGE = "ephemeral-storage"  # limited by eviction (``podrun.pod.storage``), not by a cgroup

# cpu in thousandths, memory and huge pages in bytes; a resource that is not named is absent.
Amounts = dict[str, int]


def amounts(quantities: dict[str, str]) -> Amounts:
    """ValueError for what is no quantity."""
    # Zero is as good as absent, in Kubernetes' QoS rules and in a cgroup.
    names = [name for name in RESOURCES if name in quantities]
    names += sorted(filter(is_pages, quantities))
    read = {"cpu": quantity.milli_cpu}
    found = {name: read.get(name, quantity.bytes)(quantities[name]) for name in names}
    return {name: amount for name, amount in found.items() if amount > 0}


def effective(spec: PodSpec, of: Callable[[Container], Amounts]) -> Amounts:
    """max(app containers + sidecars, each init container + the sidecars started before it)."""
    sidecars: Amounts = {}
    highest: Amounts = {}
    for container in spec.init_containers:
        step = _sum((sidecars, of(container)))
        if container.restart_policy == "Always":
            sidecars = step
        highest = {name: max(highest.get(name, 0), step.get(name, 0)) for name in highest | step}
    together = _sum((sidecars, *(of(container) for container in spec.containers)))
    return {name: max(highest.get(name, 0), together.get(name, 0)) for name in highest | together}


def as_quantity(resource: str, amount: int) -> str:
    return quantity.canonical(f"{amount}m" if resource == "cpu" else str(amount))


def _sum(parts: Iterable[Amounts]) -> Amounts:
    total: Amounts = {}
    for part in parts:
        for name, amount in part.items():
            total[name] = total.get(name, 0) + amount
    return total
