"""A lost sandbox and a changed definition: semantics §1.7 and §1.8."""

from __future__ import annotations

import pytest

from podrun.pod.actions import CreateSandbox, SignalContainer, StartContainer, StopSandbox
from podrun.pod.facts import Run
from podrun.pod.outcome import phase
from tests.unit.podsim import Node, container, pod, with_image


def test_1_7_a_lost_sandbox_first_ends_the_containers() -> None:
    node = Node(pod("app"))
    node.settle()
    node.loses_sandbox()
    assert node.settle() == [SignalContainer("app", "", "SandboxChanged")]
    node.exits("app", 143)
    assert node.settle() == [StopSandbox(), CreateSandbox(1), StartContainer("app", 1)]


def test_1_7_with_never_a_lost_sandbox_is_not_replaced_once_a_container_was_created() -> None:
    node = Node(pod("app", policy="Never"))
    node.settle()
    node.loses_sandbox()
    node.exits("app", 137)
    assert node.settle() == [StopSandbox()]
    assert phase(node.pod, node.facts) == "Failed"


def test_1_7_with_never_a_sandbox_lost_between_two_containers_ends_the_pod() -> None:
    node = Node(pod("app", init=["one"], policy="Never"))
    node.settle()
    node.exits("one")
    node.loses_sandbox()
    node.settle()
    assert phase(node.pod, node.facts) == "Failed"
    assert node.starts() == ["one"] and node.plan().actions == ()


def test_1_7_with_never_a_lost_sandbox_is_replaced_before_any_container() -> None:
    node = Node(pod("app", policy="Never"))
    node.carry_out(node.due()[0])
    node.loses_sandbox()
    assert node.settle() == [StopSandbox(), CreateSandbox(1), StartContainer("app", 0)]


def test_1_7_with_never_a_container_with_a_policy_of_its_own_gets_its_new_sandbox() -> None:
    node = Node(pod("a", container("b", restart_policy="Always"), policy="Never"))
    node.settle()
    node.exits("a", 0)
    node.loses_sandbox()
    node.exits("b", 137)
    assert node.settle() == [StopSandbox(), CreateSandbox(1), StartContainer("b", 1)]


def test_1_7_on_failure_what_succeeded_is_not_restarted_in_the_new_sandbox() -> None:
    node = Node(pod("a", "b", policy="OnFailure"))
    node.settle()
    node.exits("a", 0)
    node.loses_sandbox()
    node.exits("b", 137)
    assert node.settle() == [StopSandbox(), CreateSandbox(1), StartContainer("b", 1)]


def test_1_7_on_failure_no_sandbox_is_made_when_everything_has_succeeded() -> None:
    node = Node(pod("app", policy="OnFailure"))
    node.settle()
    node.exits("app", 0)
    node.loses_sandbox()
    assert node.settle() == [StopSandbox()]
    assert phase(node.pod, node.facts) == "Succeeded"


@pytest.mark.parametrize("policy", ["Always", "OnFailure", "Never"])
def test_1_8_a_changed_definition_restarts_that_container_whatever_the_policy(policy: str) -> None:
    node = Node(pod("a", "b", policy=policy))
    node.settle()
    node.pod = with_image(node.pod, "a", "nginx")
    assert node.settle() == [SignalContainer("a", "", "SpecChanged")]
    node.exits("a", 0)
    assert node.settle() == [StartContainer("a", 1)]
    assert node.run("a").image == "nginx" and node.run("b").attempt == 0


def test_1_8_a_changed_container_that_ignores_the_stop_signal_is_killed_after_the_grace() -> None:
    node = Node(pod("a", grace=7))
    node.settle()
    node.pod = with_image(node.pod, "a", "nginx")
    node.settle()
    assert node.plan().wake_at == node.now + 7
    node.wait(7)
    assert node.run("a").image == "nginx"


def test_1_8_an_ended_container_is_not_revived_by_a_change() -> None:
    node = Node(pod("a", "b", policy="Never"))
    node.settle()
    node.exits("a", 0)
    node.pod = with_image(node.pod, "a", "nginx")
    assert node.settle() == []


def test_1_8_changing_a_regular_init_container_after_init_does_nothing() -> None:
    node = Node(pod("app", init=["one"]))
    node.settle()
    node.exits("one")
    node.settle()
    node.pod = with_image(node.pod, "one", "nginx")
    assert node.settle() == []


def test_1_8_a_running_init_container_is_left_alone_by_a_change() -> None:
    node = Node(pod("app", init=["one"]))
    node.settle()
    node.pod = with_image(node.pod, "one", "nginx")
    assert node.settle() == []


def test_1_8_a_changed_sidecar_is_replaced() -> None:
    node = Node(pod("app", init=[container("proxy", sidecar=True)]))
    node.settle()
    node.pod = with_image(node.pod, "proxy", "nginx")
    assert node.settle() == [SignalContainer("proxy", "", "SpecChanged")]


def test_1_8_a_run_without_process_is_left_to_its_start() -> None:
    node = Node(pod("app"))
    node.settle()
    run: Run = node.run("app")
    run.started_at, run.spec_hash = None, "old"
    assert node.plan().actions == ()
