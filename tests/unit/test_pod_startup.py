"""Start-up order, init containers and sidecars (semantics §1)."""

from __future__ import annotations

import pytest

from podrun.pod.actions import CreateSandbox, SignalContainer, StartContainer, StopSandbox
from podrun.pod.facts import Run
from podrun.pod.outcome import phase
from tests.unit.podsim import Node, container, pod, with_image


def test_the_sandbox_comes_before_any_container() -> None:
    node = Node(pod("app"))
    assert node.settle()[:2] == [CreateSandbox(0), StartContainer("app", 0)]


def test_nothing_happens_while_the_pod_replaces_another() -> None:
    node = Node(pod("app"))
    node.facts.replaces = "old"
    assert node.plan().actions == () and node.plan().wake_at is None


def test_a_sandbox_that_fails_is_tried_again_after_1_2_4_8_and_10_seconds() -> None:
    node = Node(pod("app"))
    node.sandbox_fails = True
    pauses = []
    node.settle()
    for _ in range(6):
        wake = node.plan().wake_at
        assert wake is not None
        pauses.append(wake - node.now)
        node.now = wake
        node.settle()
    assert pauses == [1, 2, 4, 8, 10, 10]


def test_init_containers_run_strictly_one_after_another() -> None:
    node = Node(pod("app", init=["one", "two"]))
    node.settle()
    assert node.live() == ["one"]
    node.exits("one")
    node.settle()
    assert node.live() == ["two"]
    node.exits("two")
    node.settle()
    assert node.live() == ["app"]


def test_an_init_container_that_fails_is_tried_again_with_the_backoff() -> None:
    node = Node(pod("app", init=["one"]))
    node.settle()
    node.exits("one", 1)
    node.settle()
    node.exits("one", 1)
    assert node.settle() == []
    assert node.plan().wake_at == node.now + 10
    assert node.wait(10) == [StartContainer("one", 2)]


def test_an_init_container_killed_for_memory_has_failed_even_with_code_0() -> None:
    node = Node(pod("app", init=["one"]))
    node.settle()
    node.exits("one", 0, oom=True)
    assert node.settle() == [StartContainer("one", 1)]


def test_with_never_a_failed_init_container_fails_the_pod() -> None:
    node = Node(pod("app", init=["one"], policy="Never"))
    node.settle()
    node.exits("one", 1)
    assert node.settle() == [StopSandbox()]
    assert phase(node.pod, node.facts) == "Failed"
    assert node.starts() == ["one"]


def test_with_always_an_init_container_that_succeeded_is_not_run_again() -> None:
    node = Node(pod("app", init=["one"]))
    node.settle()
    node.exits("one")
    node.settle()
    assert node.starts() == ["one", "app"]


def test_a_sidecar_opens_the_way_once_it_has_started() -> None:
    node = Node(pod("app", init=[container("proxy", sidecar=True), "one"]))
    node.settle()
    assert node.live() == ["proxy", "one"]


def test_nothing_else_is_started_while_a_start_is_on_its_way() -> None:
    node = Node(pod("a", "b"))
    node.carry_out(node.plan().actions[0])
    node.carry_out(node.plan().actions[0])
    node.run("a").started_at = None
    assert node.plan().actions == ()
    node.run("a").started_at = node.now
    assert node.plan().actions == (StartContainer("b", 0),)


def test_app_containers_are_started_in_the_order_of_the_spec() -> None:
    node = Node(pod("c", "a", "b"))
    node.settle()
    assert node.starts() == ["c", "a", "b"]


def test_a_plan_starts_one_container() -> None:
    node = Node(pod("a", "b"))
    node.carry_out(node.plan().actions[0])
    assert node.plan().actions == (StartContainer("a", 0),)


def test_a_container_that_cannot_be_created_does_not_hold_up_the_next_one() -> None:
    node = Node(pod("a", "b"))
    node.failing["a"] = "CreateContainerConfigError"
    node.settle()
    assert node.live() == ["b"]
    assert node.plan().wake_at == node.now + 10


def test_a_sidecar_is_restarted_while_a_later_init_container_runs() -> None:
    node = Node(pod("app", init=[container("proxy", sidecar=True), "one"]))
    node.settle()
    node.exits("proxy", 0)
    assert node.settle() == [StartContainer("proxy", 1)]
    assert node.live() == ["proxy", "one"]


@pytest.mark.parametrize("policy", ["Always", "OnFailure", "Never"])
def test_a_sidecar_is_restarted_whatever_the_pods_policy(policy: str) -> None:
    node = Node(pod("app", init=[container("proxy", sidecar=True)], policy=policy))
    node.settle()
    node.exits("proxy", 0)
    assert node.settle() == [StartContainer("proxy", 1)]


def test_the_restart_of_a_sidecar_does_not_rerun_init_containers() -> None:
    node = Node(pod("app", init=[container("proxy", sidecar=True), "one"]))
    node.settle()
    node.exits("one")
    node.settle()
    node.exits("proxy", 1)
    node.settle()
    assert node.starts() == ["proxy", "one", "app", "proxy"]


def test_a_sidecar_is_not_restarted_once_all_app_containers_are_finished() -> None:
    node = Node(pod("app", init=[container("proxy", sidecar=True)], policy="Never"))
    node.settle()
    node.exits("app")
    node.exits("proxy")
    assert node.settle() == [StopSandbox()]


def test_a_running_app_container_proves_initialisation_without_init_records() -> None:
    node = Node(pod("app", init=["one"]))
    node.settle()
    node.exits("one")
    node.settle()
    del node.facts.containers["one"]
    node.exits("app", 1)
    assert node.settle() == [StartContainer("app", 1)]


def test_an_init_container_whose_record_is_gone_is_not_run_again_behind_a_later_one() -> None:
    node = Node(pod("app", init=["one", "two"]))
    node.settle()
    node.exits("one")
    node.settle()
    del node.facts.containers["one"]
    node.exits("two", 1)
    assert node.settle() == [StartContainer("two", 1)]


def test_init_containers_run_again_in_a_new_sandbox() -> None:
    node = Node(pod("app", init=["one"]))
    node.settle()
    node.exits("one")
    node.settle()
    node.loses_sandbox()
    node.exits("app", 137)
    assert node.settle() == [StopSandbox(), CreateSandbox(1), StartContainer("one", 1)]
    node.exits("one")
    assert node.settle() == [StartContainer("app", 1)]


def test_a_lost_sandbox_first_ends_the_containers() -> None:
    node = Node(pod("app"))
    node.settle()
    node.loses_sandbox()
    assert node.settle() == [SignalContainer("app", "", "SandboxChanged")]
    node.exits("app", 143)
    assert node.settle() == [StopSandbox(), CreateSandbox(1), StartContainer("app", 1)]


def test_with_never_a_lost_sandbox_is_not_replaced_once_a_container_was_created() -> None:
    node = Node(pod("app", policy="Never"))
    node.settle()
    node.loses_sandbox()
    node.exits("app", 137)
    assert node.settle() == [StopSandbox()]
    assert phase(node.pod, node.facts) == "Failed"


def test_with_never_a_sandbox_lost_between_two_containers_ends_the_pod() -> None:
    node = Node(pod("app", init=["one"], policy="Never"))
    node.settle()
    node.exits("one")
    node.loses_sandbox()
    node.settle()
    assert phase(node.pod, node.facts) == "Failed"
    assert node.starts() == ["one"] and node.plan().actions == ()


def test_with_never_a_lost_sandbox_is_replaced_before_any_container() -> None:
    node = Node(pod("app", policy="Never"))
    node.carry_out(node.plan().actions[0])
    node.loses_sandbox()
    assert node.settle() == [StopSandbox(), CreateSandbox(1), StartContainer("app", 0)]


def test_on_failure_what_succeeded_is_not_restarted_in_the_new_sandbox() -> None:
    node = Node(pod("a", "b", policy="OnFailure"))
    node.settle()
    node.exits("a", 0)
    node.loses_sandbox()
    node.exits("b", 137)
    assert node.settle() == [StopSandbox(), CreateSandbox(1), StartContainer("b", 1)]


def test_on_failure_no_sandbox_is_made_when_everything_has_succeeded() -> None:
    node = Node(pod("app", policy="OnFailure"))
    node.settle()
    node.exits("app", 0)
    node.loses_sandbox()
    assert node.settle() == [StopSandbox()]
    assert phase(node.pod, node.facts) == "Succeeded"


@pytest.mark.parametrize("policy", ["Always", "OnFailure", "Never"])
def test_a_changed_definition_restarts_that_container_whatever_the_policy(policy: str) -> None:
    node = Node(pod("a", "b", policy=policy))
    node.settle()
    node.pod = with_image(node.pod, "a", "nginx")
    assert node.settle() == [SignalContainer("a", "", "SpecChanged")]
    node.exits("a", 0)
    assert node.settle() == [StartContainer("a", 1)]
    assert node.run("a").image == "nginx" and node.run("b").attempt == 0


def test_a_changed_container_that_ignores_the_stop_signal_is_killed_after_the_grace() -> None:
    node = Node(pod("a", grace=7))
    node.settle()
    node.pod = with_image(node.pod, "a", "nginx")
    node.settle()
    assert node.plan().wake_at == node.now + 7
    node.wait(7)
    assert node.run("a").image == "nginx"


def test_an_ended_container_is_not_revived_by_a_change() -> None:
    node = Node(pod("a", "b", policy="Never"))
    node.settle()
    node.exits("a", 0)
    node.pod = with_image(node.pod, "a", "nginx")
    assert node.settle() == []


def test_changing_a_regular_init_container_after_init_does_nothing() -> None:
    node = Node(pod("app", init=["one"]))
    node.settle()
    node.exits("one")
    node.settle()
    node.pod = with_image(node.pod, "one", "nginx")
    assert node.settle() == []


def test_a_running_init_container_is_left_alone_by_a_change() -> None:
    node = Node(pod("app", init=["one"]))
    node.settle()
    node.pod = with_image(node.pod, "one", "nginx")
    assert node.settle() == []


def test_a_changed_sidecar_is_replaced() -> None:
    node = Node(pod("app", init=[container("proxy", sidecar=True)]))
    node.settle()
    node.pod = with_image(node.pod, "proxy", "nginx")
    assert node.settle() == [SignalContainer("proxy", "", "SpecChanged")]


def test_a_run_without_process_is_left_to_its_start() -> None:
    node = Node(pod("app"))
    node.settle()
    run: Run = node.run("app")
    run.started_at, run.spec_hash = None, "old"
    assert node.plan().actions == ()
