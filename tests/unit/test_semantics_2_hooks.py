"""Hooks at the end of a container, and the kinds of end that have them: semantics §2."""

from __future__ import annotations

from typing import Any

import pytest

from podrun.api.pod import Container, Pod
from podrun.pod.actions import KillContainer, RunHook, SignalContainer, StartContainer, StopSandbox
from podrun.pod.facts import Facts
from podrun.pod.hooks import forget_unfinished
from podrun.pod.rounds import request_restart
from tests.unit.podsim import PENDING, T0, Node, container, hooks, pod, probe, with_image


def stopping(name: str, *, sidecar: bool = False) -> Container:
    """With a preStop hook."""
    return container(name, sidecar=sidecar, lifecycle=hooks("pre_stop"))


def running(it: Pod, *pending: str) -> Node:
    """Settled; the preStop hooks of ``pending`` do not end by themselves."""
    node = Node(it)
    node.hooks = {(name, "preStop"): PENDING for name in pending}
    node.settle()
    return node


def pre_stop(name: str, timeout: float, why: str = "Deleted") -> RunHook:
    return RunHook(name, "preStop", timeout, why)


def test_2_the_hook_comes_first_and_the_stop_signal_after_it() -> None:
    node = running(pod(stopping("a")), "a")
    node.is_deleted(grace=30)
    assert node.settle() == [pre_stop("a", 30)]
    assert node.wait(10) == []
    node.hook_ends("a", "preStop")
    assert node.settle() == [SignalContainer("a", "", "Deleted")]
    assert node.plan().wake_at == T0 + 30, "the time it took is gone from the grace"
    assert node.wait(20)[0] == KillContainer("a", "Deleted")


def test_2_hooks_of_all_containers_run_in_parallel() -> None:
    node = running(pod(stopping("a"), stopping("b"), "c"), "a", "b")
    node.is_deleted()
    done = node.settle()
    assert done == [pre_stop("a", 30), pre_stop("b", 30), SignalContainer("c", "", "Deleted")]


def test_2_a_hook_as_long_as_the_grace_leaves_two_seconds() -> None:
    node = running(pod(stopping("a")), "a")
    node.is_deleted(grace=10)
    node.settle()
    assert node.plan().wake_at == T0 + 10
    assert node.wait(10) == [SignalContainer("a", "", "Deleted")], "whether or not it has ended"
    assert node.plan().wake_at == T0 + 12
    assert node.wait(2)[0] == KillContainer("a", "Deleted")


def test_2_a_hook_that_leaves_less_than_two_seconds_is_followed_by_two() -> None:
    node = running(pod(stopping("a")), "a")
    node.is_deleted(grace=10)
    node.settle()
    node.now += 9.5
    node.hook_ends("a", "preStop")
    node.settle()
    assert node.wait(1) == []
    assert node.wait(1)[0] == KillContainer("a", "Deleted")


def test_2_a_grace_of_one_second_runs_the_hook_for_one_second() -> None:
    node = running(pod(stopping("a")), "a")
    node.is_deleted(grace=1)
    assert node.settle() == [pre_stop("a", 1)]
    assert node.wait(1) == [SignalContainer("a", "", "Deleted")]
    assert node.wait(2)[0] == KillContainer("a", "Deleted")


def test_2_the_hook_does_not_run_with_grace_zero() -> None:
    node = running(pod(stopping("a")))
    node.is_deleted(grace=0)
    assert node.plan().actions == (KillContainer("a", "Deleted"),)


def test_2_the_hook_does_not_run_when_the_container_exits_by_itself() -> None:
    node = running(pod(stopping("a"), policy="Never"))
    node.exits("a", 0)
    assert node.settle() == [StopSandbox()]


def test_2_the_hook_runs_once_and_its_failure_changes_nothing() -> None:
    node = running(pod(stopping("a")))
    node.hooks["a", "preStop"] = "exit code 7"
    node.is_deleted()
    assert node.settle() == [pre_stop("a", 30), SignalContainer("a", "", "Deleted")]


def test_2_a_container_that_ends_during_its_hook_is_gone() -> None:
    node = running(pod(stopping("a")), "a")
    node.is_deleted()
    node.settle()
    node.exits("a", 0)
    assert node.settle()[0] == StopSandbox()


def test_2_the_stop_signal_is_the_lifecycles_own() -> None:
    quitting = container("a", lifecycle=hooks(signal="SIGQUIT"))
    node = running(pod(quitting))
    node.is_deleted()
    assert node.settle() == [SignalContainer("a", "SIGQUIT", "Deleted")]


# who is ended with a hook


def test_2_a_liveness_kill_runs_the_hook() -> None:
    dying = container("a", lifecycle=hooks("pre_stop"), liveness_probe=probe(failure=1))
    node = running(pod(dying))
    node.try_probe("a", "liveness", "failure")
    assert node.settle() == [pre_stop("a", 30, "Unhealthy"), SignalContainer("a", "", "Unhealthy")]


@pytest.mark.parametrize(("own", "expected"), [(7, 7), (90, 90), (None, 30)])
@pytest.mark.parametrize("kind", ["liveness", "startup"])
def test_2_a_probes_own_grace_goes_before_the_pods(
    kind: str, own: int | None, expected: int
) -> None:
    limits = {"failure": 1} if own is None else {"failure": 1, "termination": own}
    fields: dict[str, Any] = {f"{kind}_probe": probe(**limits)}
    node = running(pod(container("a", **fields)))
    node.try_probe("a", kind, "failure")
    node.settle()
    assert node.plan().wake_at == T0 + expected
    assert node.wait(expected)[:2] == [KillContainer("a", "Unhealthy"), StartContainer("a", 1)]


def test_2_a_failed_post_start_hook_runs_the_pre_stop_hook() -> None:
    node = Node(pod(container("a", lifecycle=hooks("post_start", "pre_stop"))))
    node.hooks["a", "postStart"] = "no"
    assert node.settle()[-2:] == [
        pre_stop("a", 30, "FailedPostStartHook"),
        SignalContainer("a", "", "FailedPostStartHook"),
    ]


def test_2_a_changed_definition_runs_the_hook() -> None:
    node = running(pod(stopping("a")), "a")
    node.pod = with_image(node.pod, "a", "nginx")
    assert node.settle() == [pre_stop("a", 30, "SpecChanged")]
    node.now += 4
    node.hook_ends("a", "preStop")
    assert node.settle() == [SignalContainer("a", "", "SpecChanged")]
    assert node.plan().wake_at == T0 + 30


def test_2_the_active_deadline_runs_the_hook() -> None:
    node = running(pod(stopping("a"), deadline=5))
    assert node.wait(5)[1] == pre_stop("a", 30, "DeadlineExceeded")


def test_2_a_lost_sandbox_runs_no_hook() -> None:
    node = running(pod(stopping("a")))
    node.loses_sandbox()
    assert node.settle() == [SignalContainer("a", "", "SandboxChanged")]


# sidecars


def test_2_hooks_of_sidecars_start_with_everyone_elses() -> None:
    node = running(pod(stopping("a"), init=[stopping("proxy", sidecar=True)]), "a")
    node.is_deleted()
    assert node.settle() == [pre_stop("proxy", 30), pre_stop("a", 30)]
    node.hook_ends("a", "preStop")
    assert node.settle() == [SignalContainer("a", "", "Deleted")]
    node.exits("a", 143)
    assert node.settle() == [SignalContainer("proxy", "", "Deleted")]


def test_2_a_sidecar_whose_turn_it_is_still_waits_for_its_hook() -> None:
    node = running(pod("a", init=[stopping("proxy", sidecar=True)]), "proxy")
    node.is_deleted()
    node.settle()
    node.exits("a", 143)
    assert node.settle() == []
    node.hook_ends("proxy", "preStop")
    assert node.settle() == [SignalContainer("proxy", "", "Deleted")]


def test_2_one_grace_is_shared_by_hooks_app_containers_and_sidecars() -> None:
    sidecars = [stopping("one", sidecar=True), container("two", sidecar=True)]
    node = running(pod("a", init=sidecars), "one")
    node.is_deleted(grace=10)
    node.settle()
    assert node.plan().wake_at == T0 + 10
    assert node.wait(10)[:3] == [
        SignalContainer("one", "", "Deleted"),
        SignalContainer("two", "", "Deleted"),
        KillContainer("a", "Deleted"),
    ]
    assert node.plan().wake_at == T0 + 12
    assert node.wait(2)[:2] == [KillContainer("one", "Deleted"), KillContainer("two", "Deleted")]


def test_2_the_sidecars_of_a_finished_pod_run_their_hooks_at_once() -> None:
    sidecars = [stopping("one", sidecar=True), stopping("two", sidecar=True)]
    node = running(pod("a", init=sidecars, policy="Never"), "one", "two")
    node.exits("a", 0)
    assert node.settle() == [pre_stop("one", 30, "Finished"), pre_stop("two", 30, "Finished")]


# a second delete, another agent


def test_2_a_second_delete_with_a_shorter_grace_shortens_it() -> None:
    node = running(pod(stopping("a")), "a")
    node.is_deleted(grace=100)
    node.settle()
    node.now += 5
    node.is_deleted(grace=3)
    assert node.settle() == [] and node.plan().wake_at == T0 + 8
    assert node.wait(3) == [SignalContainer("a", "", "Deleted")]
    assert node.wait(2)[0] == KillContainer("a", "Deleted")


def test_2_a_forced_delete_kills_in_the_middle_of_the_hook() -> None:
    node = running(pod(stopping("a"), init=[container("proxy", sidecar=True)]), "a")
    node.is_deleted(grace=100)
    node.settle()
    node.is_deleted(grace=0)
    assert node.settle()[:2] == [KillContainer("proxy", "Deleted"), KillContainer("a", "Deleted")]


def test_2_another_agent_runs_an_unfinished_hook_again_with_the_full_grace() -> None:
    node = running(pod(stopping("a")), "a")
    node.is_deleted(grace=10)
    node.settle()
    node.now += 6
    forget_unfinished(node.facts)
    node.is_deleted(grace=10)  # what the new agent makes of the old request
    assert node.settle() == [pre_stop("a", 10)]


def test_2_another_agent_leaves_finished_hooks_alone() -> None:
    node = Node(pod(container("a", lifecycle=hooks("post_start", "pre_stop"))))
    forget_unfinished(Facts(accepted_at=T0))
    node.settle()
    node.is_deleted()
    node.settle()
    forget_unfinished(node.facts)
    assert node.settle() == []


def test_2_another_agent_runs_an_unfinished_post_start_hook_again() -> None:
    node = Node(pod(container("a", lifecycle=hooks("post_start"))))
    node.hooks["a", "postStart"] = PENDING
    node.settle()
    forget_unfinished(node.facts)
    assert node.plan().actions == (RunHook("a", "postStart"),)


# a restart that somebody asks for


def test_2_a_restart_on_request_ends_gracefully_and_starts_at_once() -> None:
    node = running(pod(stopping("a"), "b"), "a")
    assert request_restart(node.pod, node.facts, ["a"], node.now) == ("a",)
    assert node.settle() == [pre_stop("a", 30, "RestartRequested")]
    node.hook_ends("a", "preStop")
    assert node.settle() == [SignalContainer("a", "", "RestartRequested")]
    node.exits("a", 0)
    assert node.settle() == [StartContainer("a", 1)]
    assert node.run("b").attempt == 0
