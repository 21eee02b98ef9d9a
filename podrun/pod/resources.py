"""What a pod needs and may use (semantics §7): requests, limits, QoS class, cgroup figures."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import msgspec

from podrun.api import quantity
from podrun.api.pod import Container, Pod
from podrun.pod.runs import is_sidecar

GUARANTEED, BURSTABLE, BEST_EFFORT = "Guaranteed", "Burstable", "BestEffort"
MIN_SHARES, MAX_SHARES = 2, 262144
QUOTA_PERIOD, MIN_QUOTA = 100_000, 1_000  # microseconds
RESOURCES = ("cpu", "memory")

# cpu in thousandths, memory in bytes; a resource that is not named is absent.
Amounts = dict[str, int]


class Figures(msgspec.Struct, frozen=True):
    """For a cgroup. ``cpu_quota_us`` (per 100 ms) and ``memory_limit`` None: no limit."""

    cpu_shares: int
    cpu_quota_us: int | None
    memory_limit: int | None


def requests(pod: Pod) -> Amounts:
    """The effective request: what a scheduler must find free."""
    return _effective(pod, lambda container: amounts(container.requests))


def limits(pod: Pod) -> Amounts:
    """The effective limits; of a resource which some container leaves open, no limit follows."""
    return _effective(pod, lambda container: amounts(container.limits))


def qos_class(pod: Pod) -> str:
    """Init containers count like all others."""
    containers = pod.spec.all_containers
    if not any(amounts(c.requests) or amounts(c.limits) for c in containers):
        return BEST_EFFORT
    return GUARANTEED if all(_is_guaranteed(c) for c in containers) else BURSTABLE


def cpu_shares(milli_cpu: int) -> int:
    return max(MIN_SHARES, min(MAX_SHARES, milli_cpu * 1024 // 1000))


def cpu_quota(milli_cpu: int) -> int:
    """Microseconds of CPU time in each period of 100 ms."""
    return max(MIN_QUOTA, milli_cpu * QUOTA_PERIOD // 1000)


def container_figures(container: Container) -> Figures:
    asked, allowed = amounts(container.requests), amounts(container.limits)
    # A limit without a request is the request too, also before defaults were filled in.
    return _figures(asked.get("cpu", allowed.get("cpu", 0)), allowed)


def resources_hash(container: Container) -> str:
    """Changes when the container's cgroup, or what it was granted, must: ``Run.resources_hash`` is
    that of what it has.
    """
    figures = container_figures(container)
    granted = amounts(container.requests).get("memory", 0)  # has no figure of its own
    quota, memory = figures.cpu_quota_us or 0, figures.memory_limit or 0
    return f"{figures.cpu_shares}/{quota}/{memory}/{granted}"


def pod_figures(pod: Pod) -> Figures:
    """A limit is set for the pod only where every one of its containers declares it."""
    allowed = limits(pod)
    for resource in RESOURCES:
        if not all(resource in amounts(c.limits) for c in pod.spec.all_containers):
            allowed.pop(resource, None)
    milli_cpu = 0 if qos_class(pod) == BEST_EFFORT else requests(pod).get("cpu", 0)
    return _figures(milli_cpu, allowed)


def oom_score_adj(pod: Pod, container: Container, capacity: int) -> int:
    """−997 … 1000: who dies first when the machine's ``capacity`` bytes run out.

    A sidecar is no likelier to be killed than the app containers it serves.
    """
    own = _oom_score_adj(pod, amounts(container.requests).get("memory", 0), capacity)
    if not is_sidecar(pod, container) or not pod.spec.containers:
        return own
    smallest = min(amounts(c.requests).get("memory", 0) for c in pod.spec.containers)
    return min(own, _oom_score_adj(pod, smallest, capacity))


def _oom_score_adj(pod: Pod, memory_request: int, capacity: int) -> int:
    qos = qos_class(pod)
    if qos != BURSTABLE:
        return -997 if qos == GUARANTEED else 1000
    return max(3, min(999, 1000 - 1000 * memory_request // max(capacity, 1)))


def _figures(milli_cpu: int, allowed: Amounts) -> Figures:
    quota = allowed.get("cpu")
    return Figures(
        cpu_shares=cpu_shares(milli_cpu),
        cpu_quota_us=None if not quota else cpu_quota(quota),
        memory_limit=allowed.get("memory"),
    )


def _effective(pod: Pod, amounts: Callable[[Container], Amounts]) -> Amounts:
    """max(app containers + sidecars, each init container + the sidecars started before it)."""
    sidecars: Amounts = {}
    highest: Amounts = {}
    for container in pod.spec.init_containers:
        step = _sum((sidecars, amounts(container)))
        if is_sidecar(pod, container):
            sidecars = step
        highest = {name: max(highest.get(name, 0), step.get(name, 0)) for name in highest | step}
    together = _sum((sidecars, *(amounts(container) for container in pod.spec.containers)))
    return {name: max(highest.get(name, 0), together.get(name, 0)) for name in highest | together}


def _sum(parts: Iterable[Amounts]) -> Amounts:
    total: Amounts = {}
    for part in parts:
        for name, amount in part.items():
            total[name] = total.get(name, 0) + amount
    return total


def amounts(quantities: dict[str, str]) -> Amounts:
    # Zero is as good as absent, in Kubernetes' QoS rules and in a cgroup.
    read = {"cpu": quantity.milli_cpu, "memory": quantity.bytes}
    found = {name: read[name](quantities[name]) for name in RESOURCES if name in quantities}
    return {name: amount for name, amount in found.items() if amount > 0}


def _is_guaranteed(container: Container) -> bool:
    asked, allowed = amounts(container.requests), amounts(container.limits)
    return all(
        name in allowed and asked.get(name, allowed[name]) == allowed[name] for name in RESOURCES
    )
