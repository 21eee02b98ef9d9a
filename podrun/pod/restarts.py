"""What becomes of a container that has ended (semantics §1, §4): it runs again, or never.

restartPolicyRules ──the first that fits the code──► Restart | RestartAllContainers
  └─none─► the container's restartPolicy ──none─► the pod's ──► Always | OnFailure | Never
"""

from __future__ import annotations

from podrun.api.pod import Container, Pod
from podrun.pod.facts import Facts, Run
from podrun.pod.runs import (
    RESIZED,
    SPEC_CHANGED,
    init_succeeded,
    is_init,
    is_outdated,
    is_sidecar,
)

ALWAYS, ON_FAILURE, NEVER = "Always", "OnFailure", "Never"
RESTART, RESTART_ALL = "Restart", "RestartAllContainers"


def runs_again(pod: Pod, facts: Facts, container: Container, run: Run) -> bool:
    """Whether the ended ``run`` gets a successor, were the pod to go on."""
    return is_outdated(facts, run) or restarts_after(pod, container, run)


def restarts_after(pod: Pod, container: Container, run: Run) -> bool:
    """Whether policy gives the ended ``run`` a successor (§1.2, §1.4, §1.8).

    A regular init container treats Always as OnFailure; it also runs anew in a new sandbox, which
    is not asked here.
    """
    assert run.exit is not None
    if run.stop_reason in (SPEC_CHANGED, RESIZED) or run.restart_requested_at is not None:
        return True
    if is_sidecar(pod, container):
        return True
    regular_init = is_init(pod, container)
    if regular_init and init_succeeded(run.exit):
        return False
    if rule_action(container, run.exit.code):
        return True
    policy = restart_policy(pod, container)
    if policy == NEVER:
        return False
    return regular_init or policy == ALWAYS or run.exit.code != 0 or _was_ended_as_failed(run)


def restart_policy(pod: Pod, container: Container) -> str:
    """The container's own, else the pod's."""
    return container.restart_policy or pod.spec.restart_policy or ALWAYS


def restarts_when_failed(pod: Pod, container: Container) -> bool:
    """What can be said of a failed container before its exit code is known."""
    return is_sidecar(pod, container) or restart_policy(pod, container) != NEVER


def rule_action(container: Container, code: int) -> str:
    """Restart or RestartAllContainers by the first rule that fits ``code``; "" without one."""
    for rule in container.restart_policy_rules:
        codes = rule.exit_codes
        if codes is not None and (code in codes.values) == (codes.operator == "In"):
            return rule.action
    return ""


def _was_ended_as_failed(run: Run) -> bool:
    # Probes and hooks find failures that the code of a process told to stop does not show.
    return run.unhealthy is not None or (run.post_start is not None and bool(run.post_start.error))
