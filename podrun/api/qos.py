"""The QoS class of a Pod, from the requests and limits of all its containers (defaults filled in).

Zero is as good as absent (k8s.io/kubernetes pkg/apis/core/v1/helper/qos).
"""

from __future__ import annotations

from podrun.api import quantity
from podrun.api.container import Container, ResourceRequirements
from podrun.api.pod import Pod

_RESOURCES = ("cpu", "memory")


def qos_class(pod: Pod) -> str:
    """Guaranteed, Burstable or BestEffort. Raises ValueError for what is no quantity.

    Resources of the pod as a whole, if it has any, decide instead of its containers'.
    """
    whole = pod.spec.resources
    if whole is not None and (_amounts(whole.requests) or _amounts(whole.limits)):
        return "Guaranteed" if _is_guaranteed(whole) else "Burstable"
    containers = pod.spec.all_containers
    if not any(_amounts(each.requests) or _amounts(each.limits) for each in containers):
        return "BestEffort"
    return "Guaranteed" if all(map(_is_guaranteed, containers)) else "Burstable"


def _amounts(quantities: dict[str, str]) -> dict[str, int]:
    found = {name: quantity.nanos(quantities[name]) for name in _RESOURCES if name in quantities}
    return {name: amount for name, amount in found.items() if amount > 0}


def _is_guaranteed(its: Container | ResourceRequirements) -> bool:
    limits = _amounts(its.limits)
    return len(limits) == len(_RESOURCES) and {**limits, **_amounts(its.requests)} == limits
