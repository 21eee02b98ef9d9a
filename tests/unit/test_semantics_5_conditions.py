"""The conditions of a pod: semantics §5."""

from __future__ import annotations

import msgspec
import pytest

from podrun.pod.facts import Gate
from podrun.pod.rounds import request_restart
from podrun.pod.when import rfc3339
from tests.unit.podsim import T0, Node, condition, container, pod, probe, settled, with_gates


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


def test_5_initialized_waits_for_a_sidecars_startup_probe() -> None:
    node = settled(pod("app", init=[container("proxy", sidecar=True, startup_probe=probe())]))
    found = condition(node, "Initialized")
    assert found.message == "containers with incomplete status: [proxy]"
    node.now += 7
    node.try_probe("proxy", "startup", "success")
    assert condition(node, "Initialized").status == "True"
    assert condition(node, "Initialized").last_transition_time == rfc3339(T0 + 7)


def test_5_ready_turns_with_the_readiness_probe() -> None:
    node = settled(pod(container("app", readiness_probe=probe(failure=1)), "other"))
    assert condition(node, "Ready").status == "False"
    assert condition(node, "Ready").last_transition_time == rfc3339(T0)
    times = []
    for result in ("success", "failure", "success", "success"):
        node.now += 10
        node.try_probe("app", "readiness", result)
        found = condition(node, "ContainersReady")
        assert found.status == ("True" if result == "success" else "False")
        assert found == msgspec.structs.replace(condition(node, "Ready"), type="ContainersReady")
        times.append(found.last_transition_time)
    assert times == [rfc3339(T0 + at) for at in (10, 20, 30, 30)]


def test_5_ready_turns_when_the_startup_probe_succeeds() -> None:
    node = settled(pod(container("app", startup_probe=probe())))
    node.now += 4
    node.try_probe("app", "startup", "success")
    assert condition(node, "Ready").last_transition_time == rfc3339(T0 + 4)


def test_5_a_restart_that_never_gets_ready_does_not_move_the_time() -> None:
    node = settled(pod(container("app", readiness_probe=probe())))
    node.try_probe("app", "readiness", "success")
    node.now += 5
    node.exits("app", 1)
    for _ in range(3):
        node.advance(0)
        node.answers["app", "readiness"] = "failure"
        node.advance(60)
        assert condition(node, "Ready").last_transition_time == rfc3339(T0 + 5)
        if node.live():
            node.exits("app", 1)


def test_5_unready_containers_that_take_turns_are_one_unready_time() -> None:
    node = settled(pod("a", "b"))
    node.failing = {"a": "ErrImagePull"}
    node.now += 10
    node.exits("a", 1)
    node.settle()
    node.now += 2
    node.failing["b"] = "ErrImagePull"
    node.exits("b", 1)
    node.settle()
    del node.failing["a"]
    node.wait(8)  # a is back, b is not
    assert condition(node, "Ready").message == "containers with unready status: [b]"
    assert condition(node, "Ready").last_transition_time == rfc3339(T0 + 10)


def test_5_readiness_gates_keep_ready_back() -> None:
    node = settled(with_gates(pod(), "example.com/a", "example.com/b"))
    assert condition(node, "ContainersReady").status == "True"
    found = condition(node, "Ready")
    assert (found.status, found.reason) == ("False", "ReadinessGatesNotReady")
    assert found.message == (
        'corresponding condition of pod readiness gate "example.com/a" does not exist., '
        'corresponding condition of pod readiness gate "example.com/b" does not exist.'
    )
    node.facts.gates = {
        "example.com/a": Gate(True, T0 + 3),
        "example.com/b": Gate(False, T0 + 4),
    }
    found = condition(node, "Ready")
    assert (
        found.message == 'the status of pod readiness gate "example.com/b" is not "True", but False'
    )
    assert condition(node, "example.com/b").status == "False"
    node.facts.gates["example.com/b"] = Gate(True, T0 + 9)
    assert condition(node, "Ready").status == "True"
    assert condition(node, "Ready").last_transition_time == rfc3339(T0 + 9)
    node.now += 20
    node.exits("app", 1)
    assert condition(node, "Ready").reason == "ContainersNotReady"
    assert condition(node, "Ready").last_transition_time == rfc3339(T0 + 20)


def test_5_gates_of_an_ended_pod_do_not_matter() -> None:
    node = settled(with_gates(pod(policy="Never"), "example.com/a"))
    node.exits("app", 0)
    assert condition(node, "Ready").reason == "PodCompleted"


def test_5_initialized_again_while_all_containers_restart() -> None:
    node = settled(pod("app", init=["one"]))
    node.exits("one", 0)
    node.settle()
    request_restart(node.pod, node.facts, [], node.now)
    node.settle()
    node.exits("app", 143)
    node.settle()
    assert condition(node, "Initialized").status == "False"
    assert condition(node, "PodReadyToStartContainers").status == "True"
