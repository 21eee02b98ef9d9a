"""What a pod needs and may use (semantics §7): requests, limits, QoS class, cgroup figures."""

from __future__ import annotations

import msgspec

from podrun.api.amounts import RESOURCES, Amounts, amounts, effective
from podrun.api.hugepages import is_pages, page_bytes
from podrun.api.pod import Container, Pod
from podrun.api.qos import qos_class
from podrun.pod.runs import is_sidecar

GUARANTEED, BURSTABLE, BEST_EFFORT = "Guaranteed", "Burstable", "BestEffort"
MIN_SHARES, MAX_SHARES = 2, 262144
QUOTA_PERIOD, MIN_QUOTA = 100_000, 1_000  # microseconds

__all__ = ["RESOURCES", "Amounts", "amounts", "limits", "qos_class", "requests"]


class Figures(msgspec.Struct, frozen=True):
    """For a cgroup. ``cpu_quota_us`` (per 100 ms) and ``memory_limit`` None: no limit."""

    cpu_shares: int
    cpu_quota_us: int | None
    memory_limit: int | None


def requests(pod: Pod) -> Amounts:
    """The effective request: what a scheduler must find free."""
    whole = pod.spec.resources
    own = amounts(whole.requests) if whole is not None else {}
    return effective(pod.spec, lambda container: amounts(container.requests)) | own


def limits(pod: Pod) -> Amounts:
    """The effective limits; of a resource which some container leaves open, no limit follows."""
    return effective(pod.spec, lambda container: amounts(container.limits)) | _whole_limits(pod)


def _whole_limits(pod: Pod) -> Amounts:
    return amounts(pod.spec.resources.limits) if pod.spec.resources is not None else {}


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
    """A limit is set for the pod where it has one as a whole, or all its containers declare it."""
    allowed, whole = limits(pod), _whole_limits(pod)
    for resource in RESOURCES:
        if resource not in whole and not all(
            resource in amounts(c.limits) for c in pod.spec.all_containers
        ):
            allowed.pop(resource, None)
    milli_cpu = 0 if qos_class(pod) == BEST_EFFORT else requests(pod).get("cpu", 0)
    return _figures(milli_cpu, allowed)


def container_pages(pod: Pod, container: Container) -> dict[int, int]:
    """Page size → bytes of huge pages it may have: its limit, else the pod's as a whole."""
    return _pages(_whole_limits(pod) | amounts(container.limits))


def pod_pages(pod: Pod) -> dict[int, int]:
    return _pages(limits(pod))


def _pages(allowed: Amounts) -> dict[int, int]:
    return {page_bytes(name): amount for name, amount in allowed.items() if is_pages(name)}


def oom_score_adj(pod: Pod, container: Container, capacity: int) -> int:
    """−997 … 1000: who dies first when the machine's ``capacity`` bytes run out.

    A sidecar is no likelier to be killed than the app containers it serves.
    """
    share = _share_of_whole(pod)
    asked = amounts(container.requests).get("memory", 0)
    own = _oom_score_adj(pod, asked + share, capacity)
    if not is_sidecar(pod, container) or not pod.spec.containers:
        return own
    smallest = min(amounts(c.requests).get("memory", 0) for c in pod.spec.containers)
    return min(own, _oom_score_adj(pod, smallest + share, capacity))


def _share_of_whole(pod: Pod) -> int:
    """Of the memory the pod asks for beyond its containers' requests, the part of each of them."""
    whole = pod.spec.resources
    asked = amounts(whole.requests).get("memory", 0) if whole is not None else 0
    containers = pod.spec.all_containers
    rest = asked - sum(amounts(c.requests).get("memory", 0) for c in containers)
    return max(rest, 0) // max(len(containers), 1)


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
