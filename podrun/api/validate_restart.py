"""The rules for a container's own restartPolicy and restartPolicyRules (Kubernetes 1.34 on)."""

from __future__ import annotations

from collections.abc import Iterator

from podrun.api.container import Container, ContainerRestartRule
from podrun.api.problem import Problem
from podrun.api.validate_rules import choice, required, too_many

_MAX_RULES, _MAX_VALUES = 20, 255


def restarts(path: str, container: Container) -> Iterator[Problem]:
    """For every kind of container; Always on an init container makes it a sidecar."""
    policy, rules = container.restart_policy, container.restart_policy_rules
    if policy:
        yield from choice(f"{path}.restartPolicy", policy, ("Always", "Never", "OnFailure"))
    elif rules:
        why = "must specify restartPolicy when restart rules are used"
        yield required(f"{path}.restartPolicy", why)
    yield from too_many(f"{path}.restartPolicyRules", len(rules), _MAX_RULES)
    for index, rule in enumerate(rules):
        yield from _rule(f"{path}.restartPolicyRules[{index}]", rule)


def _rule(path: str, rule: ContainerRestartRule) -> Iterator[Problem]:
    yield from choice(f"{path}.action", rule.action, ("Restart", "RestartAllContainers"))
    if rule.exit_codes is None:
        yield required(f"{path}.exitCodes", "must be specified")
        return
    yield from choice(f"{path}.exitCodes.operator", rule.exit_codes.operator, ("In", "NotIn"))
    yield from too_many(f"{path}.exitCodes.values", len(rule.exit_codes.values), _MAX_VALUES)
