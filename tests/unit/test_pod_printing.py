"""The columns of ``ps`` (semantics §4, last bullet)."""

from __future__ import annotations

import msgspec
import pytest

from podrun.api.pod import Pod
from podrun.pod.printing import Row, row
from podrun.pod.status import NodeFacts, present
from podrun.pod.when import epoch, go_duration, human_duration, rfc3339
from tests.unit.podsim import T0, Node, container, hooks, pod, probe, rule


def printed(node: Node) -> Row:
    shown = present(node.pod, node.facts, node.now, NodeFacts(name="node-1"), node.settings)
    metadata = msgspec.structs.replace(shown.metadata, creation_timestamp=rfc3339(T0))
    return row(msgspec.structs.replace(shown, metadata=metadata), node.now)


def started(pod: Pod) -> Node:
    node = Node(pod)
    node.settle()
    return node


def columns(node: Node) -> tuple[str, str, str]:
    found = printed(node)
    return found.ready, found.status, found.restarts


def test_a_running_pod() -> None:
    node = started(pod("a", "b"))
    node.now += 130
    found = printed(node)
    assert (found.name, found.ready, found.status, found.restarts, found.age) == (
        "web", "2/2", "Running", "0", "2m10s",
    )  # fmt: skip
    assert (found.ip, found.node, found.qos) == ("10.85.0.2", "node-1", "BestEffort")


def test_before_anything_ran() -> None:
    assert columns(Node(pod())) == ("0/1", "ContainerCreating", "0")
    assert columns(Node(pod(init=["one"]))) == ("0/1", "Init:0/1", "0")


def test_init_counts_those_that_are_done() -> None:
    node = started(pod("app", init=["one", "two"]))
    node.exits("one")
    node.settle()
    assert columns(node)[1] == "Init:1/2"


def test_init_error_and_crash_loop() -> None:
    node = started(pod("app", init=["one"]))
    node.exits("one", 1)
    assert columns(node)[1] == "Init:Error"
    node.settle()
    node.exits("one", 1)
    node.now += 5
    assert columns(node) == ("0/1", "Init:CrashLoopBackOff", "1 (5s ago)")


def test_init_killed_for_memory() -> None:
    node = started(pod("app", init=["one"], policy="Never"))
    node.exits("one", 137, oom=True)
    assert columns(node)[1] == "Init:OOMKilled"


@pytest.mark.parametrize(("signal", "expected"), [(0, "Init:ExitCode:3"), (9, "Init:Signal:9")])
def test_init_without_reason(signal: int, expected: str) -> None:
    node = started(pod("app", init=["one"], policy="Never"))
    node.exits("one", 3, signal=signal)
    shown = present(node.pod, node.facts, node.now, NodeFacts())
    text = msgspec.json.encode(shown).replace(b'"reason":"Error",', b"")
    assert row(msgspec.json.decode(text, type=Pod), node.now).status == expected


def test_initialised_and_not_yet_started() -> None:
    node = Node(pod("app", init=["one"]))
    node.failing["app"] = "ErrImagePull"
    node.settle()
    node.exits("one")
    assert columns(node)[1] == "PodInitializing"
    node.settle()
    assert columns(node)[1] == "ErrImagePull"


def test_sidecars_count_as_ready() -> None:
    node = started(pod("app", init=[container("proxy", sidecar=True), "one"]))
    assert columns(node) == ("1/2", "Init:1/2", "0")
    node.exits("one")
    node.settle()
    assert columns(node) == ("2/2", "Running", "0")


def test_crash_loop_and_restarts() -> None:
    node = started(pod())
    node.exits("app", 1)
    assert columns(node) == ("0/1", "Error", "0")
    node.settle()
    node.now += 20
    assert columns(node) == ("1/1", "Running", "1 (20s ago)")
    node.exits("app", 1)
    assert columns(node) == ("0/1", "CrashLoopBackOff", "1 (0s ago)")


def test_ended_pods() -> None:
    for code, expected in ((0, "Completed"), (1, "Error")):
        node = started(pod(policy="Never"))
        node.exits("app", code)
        assert columns(node) == ("0/1", expected, "0")


def test_one_completed_one_running_is_not_ready() -> None:
    node = started(pod("a", "b", policy="Never"))
    node.exits("a", 0)
    assert columns(node) == ("1/2", "NotReady", "0")


def test_terminating_unless_it_ended_before() -> None:
    node = started(pod(policy="Never"))
    node.is_deleted()
    assert columns(node)[1] == "Terminating"
    node.exits("app", 0)
    assert columns(node)[1] == "Completed"


def test_restarts_leave_out_init_containers_once_initialised() -> None:
    node = started(pod("app", init=["one"]))
    node.exits("one", 1)
    node.settle()
    assert columns(node)[2] == "1 (0s ago)"
    node.exits("one", 0)
    node.settle()
    assert columns(node)[2] == "0"


def test_a_pod_without_status() -> None:
    assert row(pod(), T0).ready == "0/1"
    assert row(pod(), T0).age == "<unknown>"


@pytest.mark.parametrize(("seconds", "expected"), [
    (-5, "<invalid>"), (-1.5, "0s"), (0, "0s"), (5.9, "5s"), (119, "119s"), (120, "2m"),
    (130, "2m10s"), (599, "9m59s"), (600, "10m"), (179 * 60, "179m"), (3 * 3600, "3h"),
    (3 * 3600 + 300, "3h5m"), (8 * 3600, "8h"), (47 * 3600, "47h"), (48 * 3600, "2d"),
    (75 * 3600, "3d3h"), (4 * 86400, "4d"), (8 * 86400 + 3600, "8d"), (729 * 86400, "729d"),
    (2 * 365 * 86400, "2y"), (3 * 365 * 86400 + 86400, "3y1d"), (9 * 365 * 86400 + 86400, "9y"),
])  # fmt: skip
def test_human_duration(seconds: float, expected: str) -> None:
    assert human_duration(seconds) == expected


@pytest.mark.parametrize(("seconds", "expected"), [
    (10, "10s"), (80, "1m20s"), (300, "5m0s"), (3600, "1h0m0s"),
])  # fmt: skip
def test_go_duration(seconds: int, expected: str) -> None:
    assert go_duration(seconds) == expected


def test_times_go_both_ways() -> None:
    assert epoch(rfc3339(T0 + 0.7)) == T0
    assert rfc3339(None) == "" and epoch("") is None


def test_a_failed_post_start_hook() -> None:
    node = Node(pod(container("app", lifecycle=hooks("post_start"))))
    node.hooks["app", "postStart"] = "no"
    node.settle()
    assert columns(node) == ("0/1", "Running", "0")
    node.exits("app", 143)
    assert columns(node) == ("0/1", "PostStartHookError", "0")


def test_a_container_that_is_not_ready_runs() -> None:
    node = started(pod(container("app", readiness_probe=probe()), "other"))
    assert columns(node) == ("1/2", "Running", "0")


def test_a_sidecar_whose_startup_probe_has_not_succeeded() -> None:
    node = started(pod("app", init=[container("proxy", sidecar=True, startup_probe=probe())]))
    assert columns(node) == ("0/2", "Init:0/1", "0")
    node.try_probe("proxy", "startup", "success")
    node.settle()
    assert columns(node) == ("2/2", "Running", "0")


def test_all_containers_restart() -> None:
    rules = (rule("RestartAllContainers", "In", 3),)
    ruled = container("app", restart_policy="Never", restart_policy_rules=rules)
    node = started(pod(ruled, "other", policy="Never"))
    node.exits("app", 3)
    assert columns(node)[:2] == ("1/2", "Error")
    for action in node.due():
        node.carry_out(action)
    for action in node.due():
        node.carry_out(action)
    assert columns(node)[:2] == ("0/2", "RestartingAllContainers")
    node.settle()
    assert columns(node) == ("2/2", "Running", "2 (0s ago)")
