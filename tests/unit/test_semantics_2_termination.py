"""Termination, deadlines, and what becomes of a finished pod: semantics §2 without hooks."""

from __future__ import annotations

import pytest

from podrun.pod.actions import (
    KillContainer,
    PassVerdict,
    ReleasePod,
    RunHook,
    SignalContainer,
    StartContainer,
    StopSandbox,
)
from podrun.pod.facts import Trouble, Verdict
from podrun.pod.outcome import phase
from podrun.pod.plan import DEADLINE_MESSAGE
from podrun.pod.progress import is_finished
from tests.unit.podsim import PENDING, T0, Node, container, hooks, pod


def running(
    *apps: str, init: tuple[str, ...] = (), policy: str = "Always", grace: int = 30
) -> Node:
    """A node with everything started; ``init`` names sidecars."""
    sidecars = [container(name, sidecar=True) for name in init]
    node = Node(pod(*apps, init=sidecars, policy=policy, grace=grace))
    node.settle()
    return node


def test_2_app_containers_are_stopped_in_parallel() -> None:
    node = running("a", "b")
    node.is_deleted()
    assert node.plan().actions == (
        SignalContainer("a", "", "Deleted"),
        SignalContainer("b", "", "Deleted"),
    )


def test_2_the_stop_signal_is_sent_once() -> None:
    node = running("a")
    node.is_deleted()
    assert len(node.settle()) == 1
    assert node.wait(5) == []


def test_2_whoever_is_left_is_killed_when_the_grace_is_over() -> None:
    node = running("a", "b")
    node.is_deleted(grace=10)
    node.settle()
    assert node.plan().wake_at == node.now + 10
    assert node.wait(10)[:2] == [KillContainer("a", "Deleted"), KillContainer("b", "Deleted")]


def test_2_the_grace_is_never_shorter_than_two_seconds() -> None:
    node = running("a")
    node.is_deleted(grace=1)
    node.settle()
    assert node.wait(1.5) == []
    assert node.wait(0.5)[0] == KillContainer("a", "Deleted")


def test_2_a_stop_signal_sent_late_still_leaves_two_seconds() -> None:
    node = running("a")
    node.is_deleted(grace=3)
    node.now += 2.5
    node.settle()
    assert node.plan().wake_at == node.now + 2


def test_2_grace_zero_kills_at_once() -> None:
    node = running("a", init=("proxy",))
    node.is_deleted(grace=0)
    assert node.plan().actions == (KillContainer("proxy", "Deleted"), KillContainer("a", "Deleted"))


def test_2_after_the_containers_the_sandbox_goes_and_then_the_pod() -> None:
    node = running("a")
    node.is_deleted()
    node.settle()
    node.exits("a", 143)
    assert node.settle() == [StopSandbox(), ReleasePod()]


def test_2_sidecars_wait_for_the_app_containers_and_then_go_in_reverse_order() -> None:
    node = running("a", "b", init=("one", "two"))
    node.is_deleted()
    node.settle()
    node.exits("a")
    assert node.settle() == []
    node.exits("b")
    assert node.settle() == [SignalContainer("two", "", "Deleted")]
    node.exits("two")
    assert node.settle() == [SignalContainer("one", "", "Deleted")]
    node.exits("one")
    assert node.settle() == [StopSandbox(), ReleasePod()]


def test_2_sidecars_share_the_grace_and_have_two_seconds_at_its_end() -> None:
    node = running("a", init=("one", "two"))
    node.is_deleted(grace=10)
    node.settle()
    done = node.wait(10)
    assert done[:3] == [
        SignalContainer("one", "", "Deleted"),
        SignalContainer("two", "", "Deleted"),
        KillContainer("a", "Deleted"),
    ]
    assert node.plan().wake_at == node.now + 2
    assert node.wait(2)[:2] == [KillContainer("one", "Deleted"), KillContainer("two", "Deleted")]


def test_2_a_sidecar_that_dies_before_its_turn_is_started_again() -> None:
    node = running("a", init=("one", "two"))
    node.is_deleted()
    node.settle()
    node.exits("one", 1)
    assert node.settle() == [StartContainer("one", 1)]
    node.exits("one", 1)  # its back-off: 10 s from here
    assert node.settle() == []
    assert node.plan().wake_at == node.now + 10
    assert node.wait(10) == [StartContainer("one", 2)]
    node.exits("a")
    assert node.settle() == [SignalContainer("two", "", "Deleted")]
    node.exits("one", 1)  # nobody but sidecars is left
    assert node.settle() == []
    node.exits("two")
    assert node.settle() == [StopSandbox(), ReleasePod()]


def test_2_a_sidecar_started_again_is_ended_when_the_grace_is_over() -> None:
    node = running("a", init=("one",), grace=10)
    node.is_deleted(grace=10)
    node.settle()
    node.wait(3)
    node.exits("one", 1)
    assert node.settle() == [StartContainer("one", 1)]
    assert node.plan().wake_at == T0 + 10
    assert SignalContainer("one", "", "Deleted") in node.wait(7)


def test_2_a_sidecar_started_again_has_its_hooks_when_it_is_time() -> None:
    proxy = container("proxy", sidecar=True, lifecycle=hooks("post_start", "pre_stop"))
    node = Node(pod("a", init=[proxy]))
    node.settle()
    node.hooks["proxy", "preStop"] = PENDING
    node.is_deleted()
    assert RunHook("proxy", "preStop", 30, "Deleted") in node.settle()
    node.exits("proxy", 1)  # it was asked to go, and went
    assert node.wait(1) == []

    node = Node(pod("a", init=[proxy]))
    node.settle()
    node.now += 5
    node.facts.verdict = Verdict("DeadlineExceeded", "too long", node.now)
    node.exits("proxy", 1)
    node.now += 1
    assert node.settle() == [
        SignalContainer("a", "", "DeadlineExceeded"),
        StartContainer("proxy", 1),
        RunHook("proxy", "postStart"),
    ]
    node.exits("a", 143)
    done = node.settle()
    assert [type(each) for each in done[:2]] == [RunHook, SignalContainer]


def test_2_no_sidecar_is_started_again_without_a_sandbox_grace_or_need() -> None:
    node = running("a", init=("one",))
    node.is_deleted(grace=0)
    node.exits("one", 1)
    assert not any(isinstance(each, StartContainer) for each in node.settle())

    node = running("a", init=("one",))
    node.facts.verdict = Verdict("Evicted", "no space", node.now)
    node.exits("one", 1)
    assert not any(isinstance(each, StartContainer) for each in node.settle())

    node = running("a", init=("one",))
    node.loses_sandbox()
    node.settle()
    node.exits("one", 1)
    assert node.settle() == []

    node = running("a", init=("one",), policy="Never")
    node.exits("a", 0)
    node.exits("one", 1)
    assert node.settle() == [StopSandbox()]


def test_2_a_running_init_container_is_stopped_with_the_first() -> None:
    node = Node(pod("app", init=[container("proxy", sidecar=True), "one"]))
    node.settle()
    node.is_deleted()
    assert node.settle() == [SignalContainer("one", "", "Deleted")]


def test_2_a_deleted_pod_starts_nothing() -> None:
    node = running("a")
    node.exits("a", 1)
    node.is_deleted()
    assert node.settle() == [StopSandbox(), ReleasePod()]


@pytest.mark.parametrize("replaces", ["", "old"])
def test_2_a_pod_deleted_before_anything_started_is_released_at_once(replaces: str) -> None:
    node = Node(pod("a"))
    node.facts.replaces = replaces
    node.is_deleted()
    assert node.settle() == [ReleasePod()]


def test_2_trouble_of_the_creation_does_not_delay_a_deletion() -> None:
    node = Node(pod("a"))
    node.sandbox_fails = True
    node.settle()
    node.is_deleted()
    assert node.settle() == [ReleasePod()]


def test_2_a_release_that_fails_is_repeated_after_one_and_at_last_every_ten_seconds() -> None:
    node = Node(pod("a"))
    node.is_deleted()
    pauses = []
    for after in (0.1, 4, 60):
        at = T0 + after
        node.facts.sandbox_trouble = Trouble("KillPodSandboxError", "busy", at)
        node.now = at
        wake = node.plan().wake_at
        assert node.plan().actions == () and wake is not None
        pauses.append(round(wake - at, 3))
    assert pauses == [1, 4, 10]


def test_2_a_container_that_was_created_but_never_started_is_killed_not_asked() -> None:
    node = running("a")
    node.run("a").started_at = None
    node.is_deleted()
    assert node.plan().actions == (KillContainer("a", "Deleted"),)


def test_2_a_kill_without_effect_is_repeated() -> None:
    node = running("a")
    node.is_deleted(grace=0)
    node.run("a").kill_sent_at = node.now
    assert node.plan().actions == () and node.plan().wake_at == node.now + 5
    node.now += 5
    assert node.plan().actions == (KillContainer("a", "Deleted"),)


def test_2_a_container_already_told_to_stop_is_not_told_again_when_the_pod_is_deleted() -> None:
    node = running("a")
    node.run("a").stop_sent_at = node.now
    node.is_deleted(grace=5)
    assert node.settle() == []
    assert node.wait(5)[0] == KillContainer("a", "Deleted")


def test_2_the_active_deadline_fails_the_pod_with_the_kubelets_words() -> None:
    node = Node(pod("a", deadline=60))
    node.settle()
    assert node.plan().wake_at == T0 + 60
    assert node.wait(60)[:2] == [
        PassVerdict("DeadlineExceeded", DEADLINE_MESSAGE),
        SignalContainer("a", "", "DeadlineExceeded"),
    ]
    assert phase(node.pod, node.facts) == "Running"
    node.exits("a", 0)
    assert node.settle() == [StopSandbox()]
    assert phase(node.pod, node.facts) == "Failed"


def test_2_the_active_deadline_includes_initialisation() -> None:
    node = Node(pod("a", init=["one"], deadline=60))
    node.settle()
    assert node.wait(60)[1] == SignalContainer("one", "", "DeadlineExceeded")


def test_2_a_pod_that_ended_in_time_has_no_deadline() -> None:
    node = Node(pod("a", deadline=60, policy="Never"))
    node.settle()
    node.exits("a")
    node.settle()
    assert node.plan().wake_at is None and node.wait(100) == []


def test_2_a_finished_pod_stops_its_sidecars_in_reverse_order_and_its_sandbox_once() -> None:
    node = running("a", init=("one", "two"), policy="Never", grace=10)
    node.exits("a")
    assert node.settle() == [SignalContainer("two", "", "Finished")]
    assert not is_finished(node.pod, node.facts)
    node.exits("two", 143)
    assert node.settle() == [SignalContainer("one", "", "Finished")]
    node.exits("one", 143)
    assert node.settle() == [StopSandbox()]
    assert is_finished(node.pod, node.facts) and node.settle() == []
    assert phase(node.pod, node.facts) == "Succeeded"


def test_2_a_finished_pod_that_is_deleted_is_released() -> None:
    node = running("a", policy="Never")
    node.exits("a")
    node.settle()
    node.is_deleted()
    assert node.settle() == [ReleasePod()]


def test_2_the_end_of_the_grace_is_looked_at_even_if_nobody_is_to_be_killed_then() -> None:
    node = running("a", init=("proxy",))
    node.is_deleted(grace=3)
    node.now += 2.5
    assert node.settle() == [SignalContainer("a", "", "Deleted")]
    assert node.plan().wake_at == T0 + 3  # the app container has until T0 + 4.5
    assert node.wait(0.5) == [SignalContainer("proxy", "", "Deleted")]
