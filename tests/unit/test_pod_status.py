"""Phase, container states and conditions (semantics §3–§5)."""

from __future__ import annotations

import msgspec
import pytest

from podrun.api.pod import ContainerStatus, Pod, PodCondition, PodStatus
from podrun.pod.status import NodeFacts, present, status
from podrun.pod.when import rfc3339
from tests.unit.podsim import T0, Node, asks, container, pod

NODE = NodeFacts(host_ips=("192.0.2.1", "2001:db8::1"), name="node-1")


def shown(node: Node) -> PodStatus:
    return status(node.pod, node.facts, node.now, NODE, node.settings)


def app(node: Node, name: str = "app") -> ContainerStatus:
    result = shown(node)
    both = result.init_container_statuses + result.container_statuses
    return next(c for c in both if c.name == name)


def condition(node: Node, type: str) -> PodCondition:
    return next(c for c in shown(node).conditions if c.type == type)


def waiting(node: Node, name: str = "app") -> str:
    state = app(node, name).state.waiting
    return state.reason if state else ""


def settled(pod: Pod) -> Node:
    node = Node(pod)
    node.settle()
    return node


# phase


def test_phase_is_pending_until_every_app_container_has_run() -> None:
    node = Node(pod("a", "b"))
    assert shown(node).phase == "Pending"
    node.failing["b"] = "CreateContainerConfigError"
    node.settle()
    assert shown(node).phase == "Pending"
    node.failing.clear()
    node.wait(10)
    assert shown(node).phase == "Running"


def test_phase_in_crash_loop_is_running() -> None:
    node = settled(pod())
    for _ in range(2):
        node.exits("app", 1)
        node.settle()
    assert waiting(node) == "CrashLoopBackOff" and shown(node).phase == "Running"


def test_phase_in_a_crash_loop_of_an_init_container_is_pending() -> None:
    node = settled(pod("app", init=["one"]))
    for _ in range(2):
        node.exits("one", 1)
        node.settle()
    assert waiting(node, "one") == "CrashLoopBackOff" and shown(node).phase == "Pending"


def test_phase_stays_running_while_a_sidecar_restarts() -> None:
    node = settled(pod("app", init=[container("proxy", sidecar=True)]))
    for _ in range(2):
        node.exits("proxy", 1)
        node.settle()
    assert waiting(node, "proxy") == "CrashLoopBackOff" and shown(node).phase == "Running"


@pytest.mark.parametrize(("codes", "expected"), [((0, 0), "Succeeded"), ((0, 3), "Failed")])
def test_phase_of_an_ended_pod_follows_the_exit_codes(
    codes: tuple[int, int], expected: str
) -> None:
    node = settled(pod("a", "b", policy="Never"))
    node.exits("a", codes[0])
    assert shown(node).phase == "Running"
    node.exits("b", codes[1])
    assert shown(node).phase == expected


def test_the_exit_code_of_a_sidecar_does_not_matter() -> None:
    node = settled(pod("app", init=[container("proxy", sidecar=True)], policy="Never"))
    node.exits("app", 0)
    assert shown(node).phase == "Running"  # the sidecar still runs
    node.exits("proxy", 143)
    assert shown(node).phase == "Succeeded"


@pytest.mark.parametrize(("code", "expected"), [(0, "Succeeded"), (143, "Failed")])
def test_a_deleted_pod_ends_by_its_exit_codes_whatever_the_policy(code: int, expected: str) -> None:
    node = settled(pod())
    node.is_deleted()
    assert shown(node).phase == "Running"
    node.exits("app", code)
    assert shown(node).phase == expected
    assert app(node).state.terminated is not None


def test_on_failure_a_failed_container_keeps_the_pod_running() -> None:
    node = settled(pod("a", "b", policy="OnFailure"))
    node.exits("a", 0)
    node.exits("b", 1)
    assert shown(node).phase == "Running"


def test_phase_and_reason_of_a_verdict_show_when_everything_has_stopped() -> None:
    node = settled(pod(deadline=5))
    node.wait(5)
    assert (shown(node).phase, shown(node).reason) == ("Running", "")
    node.exits("app", 0)
    node.settle()
    assert (shown(node).phase, shown(node).reason) == ("Failed", "DeadlineExceeded")
    assert shown(node).message == "Pod was active on the node longer than the specified deadline"


# container states


def test_the_default_waiting_reason_tells_whether_there_are_init_containers() -> None:
    assert waiting(Node(pod("app"))) == "ContainerCreating"
    node = Node(pod("app", init=["one"]))
    assert (waiting(node), waiting(node, "one")) == ("PodInitializing", "PodInitializing")


def test_after_a_failed_init_with_never_app_containers_wait_for_ever() -> None:
    node = settled(pod("app", init=["one"], policy="Never"))
    node.exits("one", 1)
    node.settle()
    assert shown(node).phase == "Failed" and waiting(node) == "PodInitializing"


def test_crash_loop_names_the_pause_and_keeps_the_end_in_last_state() -> None:
    node = settled(pod())
    for _ in range(2):
        node.exits("app", 7)
        node.settle()
    result = app(node)
    assert result.state.waiting is not None and result.last_state.terminated is not None
    assert result.state.waiting.message == (
        "back-off 10s restarting failed container=app pod=web_default(u1)"
    )
    assert result.last_state.terminated.exit_code == 7
    assert (result.restart_count, result.ready, result.started) == (1, False, False)


def test_an_end_whose_restart_is_due_is_shown_as_terminated() -> None:
    node = settled(pod())
    node.exits("app", 1)
    state = app(node).state.terminated
    assert state is not None and state.reason == "Error"


def test_last_state_keeps_the_previous_termination() -> None:
    node = settled(pod())
    node.exits("app", 3)
    node.settle()
    result = app(node)
    assert result.state.running is not None
    assert result.last_state.terminated is not None
    assert result.last_state.terminated.container_id == "podrun://app-0"
    assert result.container_id == "podrun://app-1"


@pytest.mark.parametrize(("code", "signal", "oom", "reason", "expected"), [
    (0, 0, False, "", "Completed"),
    (1, 0, False, "", "Error"),
    (137, 9, False, "", "Error"),
    (137, 9, True, "", "OOMKilled"),
    (128, 0, False, "StartError", "StartError"),
    (137, 0, False, "ContainerStatusUnknown", "ContainerStatusUnknown"),
])  # fmt: skip
def test_terminated_reasons(code: int, signal: int, oom: bool, reason: str, expected: str) -> None:
    node = settled(pod(policy="Never"))
    node.exits("app", code, signal=signal, oom=oom)
    exit = node.run("app").exit
    assert exit is not None
    node.run("app").exit = msgspec.structs.replace(exit, reason=reason)
    state = app(node).state.terminated
    assert state is not None and (state.exit_code, state.reason) == (code, expected)


def test_a_failed_pull_is_first_an_error_and_then_a_backoff() -> None:
    node = Node(pod())
    node.failing["app"] = "ErrImagePull"
    node.settle()
    assert waiting(node) == "ErrImagePull"
    node.now += 6
    assert waiting(node) == "ImagePullBackOff"


def test_trouble_with_a_restart_is_waiting_and_the_pod_keeps_running() -> None:
    node = settled(pod())
    node.failing["app"] = "CreateContainerConfigError"
    node.exits("app", 1)
    node.settle()
    assert waiting(node) == "CreateContainerConfigError"
    assert app(node).last_state.terminated is not None
    assert shown(node).phase == "Running"


def test_a_completed_init_container_is_ready() -> None:
    node = settled(pod("app", init=["one"]))
    assert not app(node, "one").ready
    node.exits("one")
    assert app(node, "one").ready and app(node, "one").started is False


def test_the_image_is_the_one_that_runs() -> None:
    node = settled(pod())
    assert (app(node).image, app(node).image_id) == ("busybox", "sha256:busybox")
    fresh = app(Node(pod()))
    assert (fresh.image, fresh.image_id, fresh.container_id) == ("busybox", "", "")


# conditions


def test_without_init_containers_a_pod_is_initialized_before_its_sandbox_exists() -> None:
    node = Node(pod())
    assert condition(node, "Initialized").status == "True"
    assert condition(node, "PodReadyToStartContainers").status == "False"


def test_initialized_names_the_incomplete_ones_and_turns_when_the_last_is_done() -> None:
    node = settled(pod("app", init=[container("proxy", sidecar=True), "one"]))
    found = condition(node, "Initialized")
    assert (found.status, found.reason) == ("False", "ContainersNotInitialized")
    assert found.message == "containers with incomplete status: [one]"
    node.now += 5
    node.exits("one")
    assert condition(node, "Initialized").status == "True"
    assert condition(node, "Initialized").last_transition_time == rfc3339(T0 + 5)


def test_initialized_stays_true_while_a_sidecar_restarts() -> None:
    node = settled(pod("app", init=[container("proxy", sidecar=True)]))
    before = condition(node, "Initialized")
    node.now += 9
    node.exits("proxy", 1)
    assert condition(node, "Initialized") == before
    node.settle()
    assert condition(node, "Initialized") == before


def test_ready_needs_every_app_container_and_sidecar() -> None:
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
def test_an_ended_pod_is_not_ready_and_says_why(code: int, reason: str) -> None:
    node = settled(pod(policy="Never"))
    node.exits("app", code)
    for type in ("Ready", "ContainersReady"):
        assert (condition(node, type).status, condition(node, type).reason) == ("False", reason)
    assert condition(node, "Initialized").status == "True"
    assert condition(node, "Initialized").reason == ("PodCompleted" if code == 0 else "")


def test_a_lost_sandbox_is_not_ready_to_start_containers() -> None:
    node = settled(pod())
    assert condition(node, "PodReadyToStartContainers").status == "True"
    node.now += 4
    node.loses_sandbox()
    found = condition(node, "PodReadyToStartContainers")
    assert (found.status, found.last_transition_time) == ("False", rfc3339(T0 + 4))


# the rest


def test_addresses_start_time_and_qos_class() -> None:
    node = settled(pod())
    result = shown(node)
    assert (result.host_ip, [ip.ip for ip in result.host_ips]) == ("192.0.2.1", list(NODE.host_ips))
    assert (result.pod_ip, result.pod_ips[0].ip) == ("10.85.0.2", "10.85.0.2")
    assert (result.start_time, result.qos_class) == ("2023-11-14T22:13:20Z", "BestEffort")
    assert shown(settled(pod(asks("a", max_cpu="1")))).qos_class == "Burstable"


def test_an_address_that_was_given_back_is_not_shown() -> None:
    node = settled(pod(policy="Never"))
    node.exits("app")
    node.settle()
    assert shown(node).pod_ip == ""


def test_a_deleted_pod_shows_by_when_it_must_be_gone() -> None:
    node = settled(pod())
    node.is_deleted(grace=30)
    found = present(node.pod, node.facts, node.now, NODE)
    assert found.metadata.deletion_timestamp == rfc3339(T0 + 30)
    assert found.metadata.deletion_grace_period_seconds == 30
    assert found.spec.node_name == "node-1" and found.status is not None


def test_the_status_is_a_kubernetes_object() -> None:
    node = settled(pod("app", init=["one"]))
    wire = msgspec.to_builtins(present(node.pod, node.facts, node.now, NODE))
    first = wire["status"]["initContainerStatuses"][0]
    assert first["state"]["running"]["startedAt"] == "2023-11-14T22:13:20Z"
    assert wire["status"]["hostIP"] == "192.0.2.1" and wire["status"]["podIPs"]
