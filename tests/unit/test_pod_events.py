"""Events follow from the facts, with upstream's reasons and words."""

from __future__ import annotations

import copy
from typing import Any

import msgspec
import pytest

from podrun.pod.events import Event, events, merge
from podrun.pod.facts import Facts, Trouble
from podrun.pod.rounds import request_restart
from tests.unit.podsim import (
    PENDING,
    T0,
    Node,
    container,
    hooks,
    pod,
    probe,
    rule,
    with_image,
)


class Watch:
    """What was not yet told of a node."""

    def __init__(self, node: Node) -> None:
        self.node = node
        self.before: Facts | None = None

    def news(self) -> list[Event]:
        found = events(self.node.pod, self.before, self.node.facts, self.node.now)
        self.before = copy.deepcopy(self.node.facts)
        return found

    def told(self) -> list[tuple[str, str]]:
        return [(event.reason, event.message) for event in self.news()]


def watched(node: Node) -> Watch:
    node.settle()
    watch = Watch(node)
    watch.news()
    return watch


def test_a_pod_is_scheduled_and_its_containers_created_and_started() -> None:
    node = Node(pod())
    node.settle()
    assert Watch(node).told() == [
        ("Scheduled", "Successfully assigned default/web to this node"),
        ("Pulled", 'Container image "busybox" already present on machine'),
        ("Created", "Created container: app"),
        ("Started", "Started container app"),
    ]


def test_without_change_nothing_is_told() -> None:
    assert watched(Node(pod())).news() == []


def test_containers_are_named_by_their_field() -> None:
    node = Node(pod("app", init=["one"]))
    node.settle()
    assert Watch(node).news()[-1].object == "spec.initContainers{one}"


def test_a_deletion_kills() -> None:
    watch = watched(Node(pod()))
    watch.node.is_deleted()
    watch.node.settle()
    assert watch.told() == [("Killing", "Stopping container app")]
    watch.node.wait(30)
    assert watch.told() == []


def test_a_changed_container_says_so() -> None:
    watch = watched(Node(pod()))
    watch.node.pod = with_image(watch.node.pod, "app", "nginx")
    watch.node.settle()
    assert watch.told() == [("Killing", "Container app definition changed, will be restarted")]


def test_the_backoff_is_told_from_the_second_crash_on() -> None:
    watch = watched(Node(pod()))
    watch.node.exits("app", 1)
    assert watch.told() == []
    watch.node.settle()
    watch.news()
    watch.node.exits("app", 1)
    assert watch.told() == [
        ("BackOff", "Back-off restarting failed container app in pod web_default(u1)")
    ]


def test_a_process_that_cannot_start_is_an_error() -> None:
    watch = watched(Node(pod(policy="Never")))
    watch.node.exits("app", 128)
    run = watch.node.run("app")
    assert run.exit is not None
    message = 'exec: "nope": not found'
    run.exit = msgspec.structs.replace(run.exit, reason="StartError", message=message)
    assert watch.told() == [("Failed", 'Error: exec: "nope": not found')]


def test_troubles_of_a_container() -> None:
    node = Node(pod("a", "b", "c"))
    node.failing = {
        "a": "CreateContainerConfigError",
        "b": "ErrImagePull",
        "c": "ErrImageNeverPull",
    }
    watch = watched(node)
    node.wait(10)
    assert watch.told() == [
        ("Failed", "Error: no"),
        ("Failed", 'Failed to pull image "busybox": no'),
        ("Failed", "Error: ErrImagePull"),
        ("ErrImageNeverPull", "no"),
        ("Failed", "Error: ErrImageNeverPull"),
    ]


def test_a_sandbox_that_fails_and_one_that_is_lost() -> None:
    node = Node(pod())
    node.sandbox_fails = True
    node.settle()
    watch = Watch(node)
    assert watch.told()[1] == (
        "FailedCreatePodSandBox",
        "Failed to create pod sandbox: no address left",
    )
    node.sandbox_fails = False
    node.wait(1)
    watch.news()
    node.loses_sandbox()
    assert watch.told() == [
        ("SandboxChanged", "Pod sandbox changed, it will be killed and re-created.")
    ]


def test_a_volume_that_cannot_be_mounted_says_itself_what_it_is() -> None:
    node = Node(pod())
    node.sandbox_fails = True
    watch = watched(node)
    node.facts.sandbox_trouble = Trouble("FailedMount", 'persistentvolumeclaim "c" not found', T0)
    assert watch.told() == [("FailedMount", 'persistentvolumeclaim "c" not found')]


def test_a_sandbox_that_cannot_be_torn_down() -> None:
    watch = watched(Node(pod()))
    watch.node.facts.sandbox_trouble = Trouble("KillPodSandboxError", "busy", T0)
    assert watch.told() == [("FailedKillPod", "error killing pod: busy")]


def test_a_verdict_is_told() -> None:
    watch = watched(Node(pod(deadline=9)))
    watch.node.wait(9)
    assert ("DeadlineExceeded", "Normal") in [(e.reason, e.type) for e in watch.news()]


def test_events_come_in_the_order_of_time() -> None:
    node = Node(pod("app", init=[container("proxy", sidecar=True), "one"]))
    node.settle()
    node.now += 1
    node.exits("one")
    node.settle()
    times = [event.first_at for event in Watch(node).news()]
    assert times == sorted(times) and times[-1] == T0 + 1


def event(message: str, at: float, object: str = "") -> Event:
    return Event("Normal", "Test", message, object, at, at)


def test_equal_events_are_counted() -> None:
    merged = merge([event("x", 1), event("y", 2)], [event("x", 3), event("x", 5)])
    assert [(e.message, e.first_at, e.last_at, e.count) for e in merged] == [
        ("y", 2, 2, 1),
        ("x", 1, 5, 3),
    ]


def test_events_of_different_objects_are_different() -> None:
    assert len(merge([event("x", 1, "a")], [event("x", 1, "b")])) == 2


def test_the_list_is_bounded_and_keeps_the_newest() -> None:
    merged = merge([], [event(str(n), n) for n in range(150)], limit=100)
    assert [merged[0].message, merged[-1].message, len(merged)] == ["50", "149", 100]


# hooks, probes, requests


@pytest.mark.parametrize(
    ("kind", "policy", "promise"),
    [("liveness", "Always", ", will be restarted"), ("startup", "Never", "")],
)
def test_a_failed_probe_is_told_with_what_follows(kind: str, policy: str, promise: str) -> None:
    probes: dict[str, Any] = {f"{kind}_probe": probe(failure=1)}
    watch = watched(Node(pod(container("app", **probes), policy=policy)))
    watch.node.try_probe("app", kind, "failure", "connection refused")
    watch.node.settle()
    assert watch.told() == [
        ("Unhealthy", f"{kind.title()} probe failed: connection refused"),
        ("Killing", f"Container app failed {kind} probe{promise}"),
    ]


def test_a_failed_post_start_hook_is_told() -> None:
    node = Node(pod(container("app", lifecycle=hooks("post_start"))))
    node.hooks["app", "postStart"] = "exit code 1"
    node.settle()
    assert Watch(node).told()[-2:] == [
        ("FailedPostStartHook", "PostStartHook failed: exit code 1"),
        ("Killing", "FailedPostStartHook"),
    ]


def test_an_end_is_told_when_its_hook_begins_and_the_failure_of_the_hook_when_it_fails() -> None:
    node = Node(pod(container("app", lifecycle=hooks("pre_stop"))))
    node.hooks["app", "preStop"] = PENDING
    watch = watched(node)
    node.is_deleted()
    node.settle()
    assert watch.told() == [("Killing", "Stopping container app")]
    node.now += 3
    node.hook_ends("app", "preStop", "exit code 1")
    node.settle()
    assert watch.told() == [("FailedPreStopHook", "PreStopHook failed: exit code 1")]
    assert watch.told() == []


def test_restarts_on_request_and_by_rule_say_so() -> None:
    watch = watched(Node(pod("app")))
    request_restart(watch.node.pod, watch.node.facts, ["app"], watch.node.now)
    watch.node.settle()
    assert watch.told() == [("Killing", "Container app restart was requested, will be restarted")]
    rules = (rule("RestartAllContainers", "In", 3),)
    ruled = container("app", restart_policy="Never", restart_policy_rules=rules)
    watch = watched(Node(pod(ruled, "other", policy="Never")))
    watch.node.exits("app", 3)
    for _ in range(2):  # the round, and the kill that it brings
        watch.node.carry_out(watch.node.due()[0])
    assert ("Killing", "Container other is restarted with all others of its pod") in watch.told()


def test_a_resize_that_fails_is_told() -> None:
    watch = watched(Node(pod("app")))
    watch.node.run("app").resize_trouble = Trouble("Error", "busy", T0)
    assert watch.told() == [("ResizeError", "Error: busy")]
