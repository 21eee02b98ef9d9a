"""The conditions of a pod: semantics §5."""

from __future__ import annotations

import pytest

from podrun.pod.when import rfc3339
from tests.unit.podsim import T0, Node, condition, container, pod, settled


def test_5_without_init_containers_a_pod_is_initialized_before_its_sandbox_exists() -> None:
    node = Node(pod())
    assert condition(node, "Initialized").status == "True"
    assert condition(node, "PodReadyToStartContainers").status == "False"


def test_5_initialized_names_the_incomplete_ones_and_turns_when_the_last_is_done() -> None:
    node = settled(pod("app", init=[container("proxy", sidecar=True), "one"]))
    found = condition(node, "Initialized")
    assert (found.status, found.reason) == ("False", "ContainersNotInitialized")
    assert found.message == "containers with incomplete status: [one]"
    node.now += 5
    node.exits("one")
    assert condition(node, "Initialized").status == "True"
    assert condition(node, "Initialized").last_transition_time == rfc3339(T0 + 5)


def test_5_initialized_stays_true_while_a_sidecar_restarts() -> None:
    node = settled(pod("app", init=[container("proxy", sidecar=True)]))
    before = condition(node, "Initialized")
    node.now += 9
    node.exits("proxy", 1)
    assert condition(node, "Initialized") == before
    node.settle()
    assert condition(node, "Initialized") == before


def test_5_ready_needs_every_app_container_and_sidecar() -> None:
    node = settled(pod("a", "b", init=[container("proxy", sidecar=True)]))
    assert condition(node, "Ready").status == "True"
    node.now += 3
    node.exits("b", 1)
    for type in ("Ready", "ContainersReady"):
        found = condition(node, type)
        assert (found.status, found.reason) == ("False", "ContainersNotReady")
        assert found.message == "containers with unready status: [b]"
        assert found.last_transition_time == rfc3339(T0 + 3)
    node.now += 2
    node.settle()
    assert condition(node, "Ready").last_transition_time == rfc3339(T0 + 5)


@pytest.mark.parametrize(("code", "reason"), [(0, "PodCompleted"), (1, "PodFailed")])
def test_5_an_ended_pod_is_not_ready_and_says_why(code: int, reason: str) -> None:
    node = settled(pod(policy="Never"))
    node.exits("app", code)
    for type in ("Ready", "ContainersReady"):
        assert (condition(node, type).status, condition(node, type).reason) == ("False", reason)
    assert condition(node, "Initialized").status == "True"
    assert condition(node, "Initialized").reason == ("PodCompleted" if code == 0 else "")


def test_5_a_lost_sandbox_is_not_ready_to_start_containers() -> None:
    node = settled(pod())
    assert condition(node, "PodReadyToStartContainers").status == "True"
    node.now += 4
    node.loses_sandbox()
    found = condition(node, "PodReadyToStartContainers")
    assert (found.status, found.last_transition_time) == ("False", rfc3339(T0 + 4))
