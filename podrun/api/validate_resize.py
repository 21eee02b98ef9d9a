"""The rules for resizePolicy (KEP-1287)."""

from __future__ import annotations

from collections.abc import Iterator

from podrun.api.container import Container
from podrun.api.problem import Problem
from podrun.api.validate_rules import choice, duplicates, forbidden, invalid

RESOURCES = ("cpu", "memory")


def resizes(
    path: str, container: Container, *, pod_policy: str, plain_init: bool
) -> Iterator[Problem]:
    """``pod_policy`` is the pod's restartPolicy; a plain init container is never resized."""
    at = f"{path}.resizePolicy"
    policies = container.resize_policy
    if plain_init and policies:
        yield forbidden(at, "must not be set for init containers")
    for index, each in enumerate(policies):
        yield from choice(f"{at}[{index}].resourceName", each.resource_name, RESOURCES)
        allowed = ("NotRequired", "RestartContainer")
        yield from choice(f"{at}[{index}].restartPolicy", each.restart_policy, allowed)
        if pod_policy == "Never" and each.restart_policy == "RestartContainer":
            why = "must be 'NotRequired' when `restartPolicy` is 'Never'"
            yield invalid(f"{at}[{index}].restartPolicy", each.restart_policy, why)
    names = ((f"{at}[{i}].resourceName", each.resource_name) for i, each in enumerate(policies))
    yield from duplicates(names)
