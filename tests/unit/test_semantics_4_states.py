"""Container states and reasons: semantics §4."""

from __future__ import annotations

import msgspec
import pytest

from podrun.pod.facts import Exit
from podrun.pod.messages import trimmed
from podrun.pod.restarts import RESTART_ALL
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
    node.advance(6)
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


def test_4_started_waits_for_the_post_start_hook() -> None:
    node = Node(pod(container("app", lifecycle=hooks("post_start"))))
    node.hooks["app", "postStart"] = PENDING
    node.settle()
    assert app(node).state.running is not None
    assert (app(node).started, app(node).ready) == (False, False)
    node.hook_ends("app", "postStart")
    assert (app(node).started, app(node).ready) == (True, True)


def test_4_started_waits_for_the_startup_probe() -> None:
    node = settled(pod(container("app", startup_probe=probe())))
    assert (app(node).started, app(node).ready) == (False, False)
    node.try_probe("app", "startup", "success")
    assert (app(node).started, app(node).ready) == (True, True)


def test_4_ready_is_what_the_readiness_probe_says() -> None:
    node = settled(pod(container("app", readiness_probe=probe(failure=1))))
    assert (app(node).started, app(node).ready) == (True, False)
    node.try_probe("app", "readiness", "success")
    assert app(node).ready
    node.try_probe("app", "readiness", "failure")
    assert not app(node).ready
    assert app(node).state.running is not None


def failing_hook() -> Node:
    node = Node(pod(container("app", lifecycle=hooks("post_start"))))
    node.hooks["app", "postStart"] = 'command "x" exited with 1'
    node.settle()
    return node


def test_4_a_failed_post_start_hook_is_a_waiting_reason() -> None:
    node = failing_hook()
    assert app(node).state.running is not None, "it is only on its way out"
    node.exits("app", 137, signal=9)
    state = app(node).state.waiting
    assert state is not None
    assert (state.reason, state.message) == ("PostStartHookError", 'command "x" exited with 1')
    ended = app(node).last_state.terminated
    assert ended is not None and (ended.exit_code, ended.reason) == (137, "Error")


def test_4_a_post_start_hook_that_fails_again_is_a_crash_loop() -> None:
    node = failing_hook()
    for _ in range(2):
        node.exits("app", 137)
        node.settle()
    assert waiting(node) == "CrashLoopBackOff"


def test_4_containers_that_wait_while_all_restart_say_so() -> None:
    ruled = container(
        "app", restart_policy="Never", restart_policy_rules=(rule(RESTART_ALL, "In", 3),)
    )
    node = settled(pod(ruled, "other", init=["one"], policy="Never"))
    node.exits("one", 0)
    node.settle()
    node.exits("app", 3)
    node.settle()
    assert waiting(node, "other") == "RestartingAllContainers"
    ended = app(node, "other").last_state.terminated
    assert ended is not None
    assert (ended.exit_code, ended.reason) == (137, "RestartingAllContainers")


def test_4_the_termination_message_is_that_of_the_exit() -> None:
    node = settled(pod(policy="Never"))
    node.run("app").exit = Exit(1, node.now, message="no such table")
    state = app(node).state.terminated
    assert state is not None and state.message == "no such table"


@pytest.mark.parametrize(("containers", "expected"), [(1, 4096), (3, 4096), (4, 3072), (24, 512)])
def test_4_termination_messages_share_12_kib(containers: int, expected: int) -> None:
    node = settled(pod(*(f"c{n}" for n in range(containers)), policy="Never"))
    for n in range(containers):
        node.run(f"c{n}").exit = Exit(1, node.now, message="x" * 5000)
    ends = [each.state.terminated for each in shown(node).container_statuses]
    assert {len(end.message) for end in ends if end is not None} == {expected}


def test_4_no_character_of_a_termination_message_is_cut_in_two() -> None:
    assert trimmed("aé", 2) == "a" and trimmed("aé", 3) == "aé"


def test_4_restart_counts_and_last_state_survive_a_new_sandbox() -> None:
    node = settled(pod())
    node.exits("app", 7)
    node.settle()
    node.loses_sandbox()
    node.exits("app", 137)
    node.wait(10)
    assert app(node).restart_count == 2
    ended = app(node).last_state.terminated
    assert ended is not None and ended.exit_code == 137
