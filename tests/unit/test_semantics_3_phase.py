"""The phase of a pod: semantics §3."""

from __future__ import annotations

import pytest

from podrun.pod.rounds import request_restart
from tests.unit.podsim import (
    PENDING,
    Node,
    app,
    container,
    hooks,
    pod,
    probe,
    rule,
    settled,
    shown,
    waiting,
)


def test_3_phase_is_pending_until_every_app_container_has_run() -> None:
    node = Node(pod("a", "b"))
    assert shown(node).phase == "Pending"
    node.failing["b"] = "CreateContainerConfigError"
    node.settle()
    assert shown(node).phase == "Pending"
    node.failing.clear()
    node.wait(10)
    assert shown(node).phase == "Running"


def test_3_phase_in_crash_loop_is_running() -> None:
    node = settled(pod())
    for _ in range(2):
        node.exits("app", 1)
        node.settle()
    assert waiting(node) == "CrashLoopBackOff" and shown(node).phase == "Running"


def test_3_phase_in_a_crash_loop_of_an_init_container_is_pending() -> None:
    node = settled(pod("app", init=["one"]))
    for _ in range(2):
        node.exits("one", 1)
        node.settle()
    assert waiting(node, "one") == "CrashLoopBackOff" and shown(node).phase == "Pending"


def test_3_phase_stays_running_while_a_sidecar_restarts() -> None:
    node = settled(pod("app", init=[container("proxy", sidecar=True)]))
    for _ in range(2):
        node.exits("proxy", 1)
        node.settle()
    assert waiting(node, "proxy") == "CrashLoopBackOff" and shown(node).phase == "Running"


@pytest.mark.parametrize(("codes", "expected"), [((0, 0), "Succeeded"), ((0, 3), "Failed")])
def test_3_phase_of_an_ended_pod_follows_the_exit_codes(
    codes: tuple[int, int], expected: str
) -> None:
    node = settled(pod("a", "b", policy="Never"))
    node.exits("a", codes[0])
    assert shown(node).phase == "Running"
    node.exits("b", codes[1])
    assert shown(node).phase == expected


def test_3_the_exit_code_of_a_sidecar_does_not_matter() -> None:
    node = settled(pod("app", init=[container("proxy", sidecar=True)], policy="Never"))
    node.exits("app", 0)
    assert shown(node).phase == "Running"  # the sidecar still runs
    node.exits("proxy", 143)
    assert shown(node).phase == "Succeeded"


@pytest.mark.parametrize(("code", "expected"), [(0, "Succeeded"), (143, "Failed")])
def test_3_a_deleted_pod_ends_by_its_exit_codes_whatever_the_policy(
    code: int, expected: str
) -> None:
    node = settled(pod())
    node.is_deleted()
    assert shown(node).phase == "Running"
    node.exits("app", code)
    assert shown(node).phase == expected
    assert app(node).state.terminated is not None


def test_3_on_failure_a_failed_container_keeps_the_pod_running() -> None:
    node = settled(pod("a", "b", policy="OnFailure"))
    node.exits("a", 0)
    node.exits("b", 1)
    assert shown(node).phase == "Running"


def test_3_phase_and_reason_of_a_verdict_show_when_everything_has_stopped() -> None:
    node = settled(pod(deadline=5))
    node.wait(5)
    assert (shown(node).phase, shown(node).reason) == ("Running", "")
    node.exits("app", 0)
    node.settle()
    assert (shown(node).phase, shown(node).reason) == ("Failed", "DeadlineExceeded")
    assert shown(node).message == "Pod was active on the node longer than the specified deadline"


def test_3_a_sidecar_that_is_not_started_keeps_the_pod_pending() -> None:
    node = settled(pod("app", init=[container("proxy", sidecar=True, startup_probe=probe())]))
    assert shown(node).phase == "Pending"
    node.try_probe("proxy", "startup", "success")
    node.settle()
    assert shown(node).phase == "Running"


def test_3_phase_does_not_wait_for_probes_or_hooks_of_app_containers() -> None:
    app = container("app", startup_probe=probe(), lifecycle=hooks("post_start"))
    node = Node(pod(app))
    node.hooks["app", "postStart"] = PENDING
    node.settle()
    assert shown(node).phase == "Running"


@pytest.mark.parametrize("action", ["Restart", "RestartAllContainers"])
def test_3_an_exit_that_a_rule_restarts_is_not_the_end(action: str) -> None:
    app = container("app", restart_policy="Never", restart_policy_rules=(rule(action, "In", 3),))
    node = settled(pod(app, policy="Never"))
    node.exits("app", 3)
    assert shown(node).phase == "Running"
    node.settle()
    node.exits("app", 4)
    assert shown(node).phase == "Failed"


def test_3_phase_stays_running_while_all_containers_restart() -> None:
    node = settled(pod("app", init=["one"]))
    node.exits("one", 0)
    node.settle()
    request_restart(node.pod, node.facts, [], node.now)
    node.settle()
    node.exits("app", 143)
    node.settle()
    assert node.live() == ["one"] and shown(node).phase == "Running"
