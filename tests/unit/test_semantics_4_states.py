"""Container states and reasons: semantics §4."""

from __future__ import annotations

import msgspec
import pytest

from tests.unit.podsim import Node, app, pod, settled, shown, waiting


def test_4_the_default_waiting_reason_tells_whether_there_are_init_containers() -> None:
    assert waiting(Node(pod("app"))) == "ContainerCreating"
    node = Node(pod("app", init=["one"]))
    assert (waiting(node), waiting(node, "one")) == ("PodInitializing", "PodInitializing")


def test_4_after_a_failed_init_with_never_app_containers_wait_for_ever() -> None:
    node = settled(pod("app", init=["one"], policy="Never"))
    node.exits("one", 1)
    node.settle()
    assert shown(node).phase == "Failed" and waiting(node) == "PodInitializing"


def test_4_crash_loop_names_the_pause_and_keeps_the_end_in_last_state() -> None:
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


def test_4_an_end_whose_restart_is_due_is_shown_as_terminated() -> None:
    node = settled(pod())
    node.exits("app", 1)
    state = app(node).state.terminated
    assert state is not None and state.reason == "Error"


def test_4_last_state_keeps_the_previous_termination() -> None:
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
def test_4_terminated_reasons(
    code: int, signal: int, oom: bool, reason: str, expected: str
) -> None:
    node = settled(pod(policy="Never"))
    node.exits("app", code, signal=signal, oom=oom)
    exit = node.run("app").exit
    assert exit is not None
    node.run("app").exit = msgspec.structs.replace(exit, reason=reason)
    state = app(node).state.terminated
    assert state is not None and (state.exit_code, state.reason) == (code, expected)


def test_4_a_failed_pull_is_first_an_error_and_then_a_backoff() -> None:
    node = Node(pod())
    node.failing["app"] = "ErrImagePull"
    node.settle()
    assert waiting(node) == "ErrImagePull"
    node.now += 6
    assert waiting(node) == "ImagePullBackOff"


def test_4_trouble_with_a_restart_is_waiting_and_the_pod_keeps_running() -> None:
    node = settled(pod())
    node.failing["app"] = "CreateContainerConfigError"
    node.exits("app", 1)
    node.settle()
    assert waiting(node) == "CreateContainerConfigError"
    assert app(node).last_state.terminated is not None
    assert shown(node).phase == "Running"


def test_4_a_completed_init_container_is_ready() -> None:
    node = settled(pod("app", init=["one"]))
    assert not app(node, "one").ready
    node.exits("one")
    assert app(node, "one").ready and app(node, "one").started is False


def test_4_the_image_is_the_one_that_runs() -> None:
    node = settled(pod())
    assert (app(node).image, app(node).image_id) == ("busybox", "sha256:busybox")
    fresh = app(Node(pod()))
    assert (fresh.image, fresh.image_id, fresh.container_id) == ("busybox", "", "")
