"""Who runs again: policies, rules, rounds and requests: semantics §4, §1.2."""

from __future__ import annotations

import pytest

from podrun.api.change import spec_hash
from podrun.api.pod import Container
from podrun.pod.actions import (
    KillContainer,
    ResizeContainer,
    RestartAll,
    SignalContainer,
    StartContainer,
    StopSandbox,
)
from podrun.pod.backoff import PERIOD_ANNOTATION, Settings, settings_for
from podrun.pod.restarts import rule_action
from podrun.pod.rounds import begin_round, request_restart
from tests.unit.podsim import (
    T0,
    Node,
    asks,
    container,
    hooks,
    pod,
    probe,
    rule,
    settled,
    shown,
    with_annotation,
    with_container,
)

ALL = RestartAll("RestartingAllContainers", 1)


def runs_again(node: Node, name: str, code: int) -> bool:
    node.exits(name, code)
    return StartContainer(name, 1) in node.settle()


# policies


@pytest.mark.parametrize("pods", ["Always", "OnFailure", "Never"])
@pytest.mark.parametrize(("own", "code", "again"), [
    ("Always", 0, True), ("Always", 1, True),
    ("OnFailure", 0, False), ("OnFailure", 1, True),
    ("Never", 0, False), ("Never", 1, False),
])  # fmt: skip
def test_4_the_containers_own_restart_policy_goes_before_the_pods(
    pods: str, own: str, code: int, again: bool
) -> None:
    node = settled(pod(container("app", restart_policy=own), "other", policy=pods))
    assert runs_again(node, "app", code) == again


def test_4_an_init_container_with_a_policy_of_its_own() -> None:
    node = settled(pod("app", init=[container("one", restart_policy="Never")]))
    node.exits("one", 1)
    assert node.settle() == [StopSandbox()]
    assert shown(node).phase == "Failed"
    node = settled(pod("app", init=[container("one", restart_policy="OnFailure")], policy="Never"))
    assert runs_again(node, "one", 1)


@pytest.mark.parametrize("kind", ["liveness", "startup"])
@pytest.mark.parametrize(("policy", "again"), [("OnFailure", True), ("Never", False)])
def test_4_who_failed_a_probe_has_failed_whatever_its_exit_code(
    policy: str, again: bool, kind: str
) -> None:
    app = container("app", liveness_probe=probe(failure=1))
    if kind == "startup":
        app = container("app", startup_probe=probe(failure=1))
    node = settled(pod(app, "other", policy=policy))
    node.try_probe("app", kind, "failure")
    node.settle()
    assert runs_again(node, "app", 0) == again


@pytest.mark.parametrize(("policy", "again"), [("OnFailure", True), ("Never", False)])
def test_4_whose_post_start_hook_failed_is_restarted_by_policy(policy: str, again: bool) -> None:
    node = Node(pod(container("app", lifecycle=hooks("post_start")), "other", policy=policy))
    node.hooks["app", "postStart"] = "no"
    node.settle()
    assert runs_again(node, "app", 0) == again


# rules


def ruled(*rules: tuple[str, str, int], policy: str = "Never") -> Container:
    made = tuple(rule(action, operator, code) for action, operator, code in rules)
    return container("app", restart_policy=policy, restart_policy_rules=made)


@pytest.mark.parametrize(("operator", "code", "again"), [
    ("In", 42, True), ("In", 1, False), ("NotIn", 42, False), ("NotIn", 1, True),
])  # fmt: skip
def test_4_a_rule_restarts_by_exit_code(operator: str, code: int, again: bool) -> None:
    node = settled(pod(ruled(("Restart", operator, 42)), "other", policy="Never"))
    assert runs_again(node, "app", code) == again


def test_4_the_first_rule_that_fits_decides() -> None:
    app = ruled(("Restart", "In", 1), ("RestartAllContainers", "NotIn", 0))
    assert [rule_action(app, code) for code in (0, 1, 2)] == ["", "Restart", "RestartAllContainers"]


def test_4_without_a_fitting_rule_the_containers_policy_decides() -> None:
    node = settled(pod(ruled(("Restart", "In", 42), policy="OnFailure"), "other", policy="Never"))
    assert runs_again(node, "app", 3)


def test_4_restarts_by_rule_back_off() -> None:
    node = settled(pod(ruled(("Restart", "In", 42)), policy="Never"))
    assert runs_again(node, "app", 42)
    node.exits("app", 42)
    assert node.settle() == [] and node.plan().wake_at == node.now + 10


def test_4_an_init_container_that_succeeded_is_done_whatever_the_rules_say() -> None:
    init = container(
        "one", restart_policy="Never", restart_policy_rules=(rule("Restart", "In", 0),)
    )
    node = settled(pod("app", init=[init]))
    node.exits("one", 0)
    assert node.settle() == [StartContainer("app", 0)]


# all containers


def gang() -> Node:
    """A sidecar, an init container that is done, two app containers: 42 restarts them all."""
    app = ruled(("RestartAllContainers", "In", 42))
    proxy = container("proxy", sidecar=True, lifecycle=hooks("pre_stop"))
    node = settled(pod(app, "other", init=[proxy, "one"], policy="Never"))
    node.exits("one", 0)
    node.settle()
    return node


def test_4_restart_all_containers_kills_everything_and_starts_from_the_first_init() -> None:
    node = gang()
    node.exits("app", 42)
    done = node.settle()
    assert done[:3] == [
        ALL,
        KillContainer("proxy", "RestartingAllContainers"),  # no hook, no grace
        KillContainer("other", "RestartingAllContainers"),
    ]
    assert done[3:] == [StartContainer("proxy", 1), StartContainer("one", 1)]
    node.exits("one", 0)
    assert node.settle() == [StartContainer("app", 1), StartContainer("other", 1)]
    assert node.facts.sandbox is not None and node.facts.sandbox.attempt == 0


def test_4_restart_all_containers_revives_what_had_ended_for_good() -> None:
    node = gang()
    node.exits("other", 0)
    node.settle()
    node.exits("app", 42)
    node.settle()
    node.exits("one", 0)
    node.settle()
    assert node.live() == ["proxy", "app", "other"]


def test_4_only_who_made_all_restart_waits_for_its_backoff() -> None:
    node = gang()
    for _ in range(2):
        node.exits("app", 42)
        node.settle()
        node.exits("one", 0)
        node.settle()
    assert node.live() == ["proxy", "other"] and node.plan().wake_at == node.now + 10


def test_4_an_init_container_may_restart_all_by_its_failure() -> None:
    restarts = (rule("RestartAllContainers", "NotIn", 0),)
    init = container("two", restart_policy="Never", restart_policy_rules=restarts)
    node = settled(pod("app", init=["one", init], policy="Never"))
    node.exits("one", 0)
    node.settle()
    node.exits("two", 1)
    assert node.settle() == [ALL, StartContainer("one", 1)]
    node.exits("one", 0)
    assert node.settle() == [StartContainer("two", 1)]


def test_4_who_restarts_on_request_does_not_restart_all() -> None:
    node = gang()
    request_restart(node.pod, node.facts, ["app"], node.now)
    node.settle()
    node.exits("app", 42)
    assert node.settle() == [StartContainer("app", 1)]


def test_4_a_round_that_was_begun_is_not_begun_twice() -> None:
    node = gang()
    for _ in range(2):
        begin_round(node.pod, node.facts, 1, "RestartRequested", node.now)
    assert node.facts.round.number == 1


def test_4_a_deleted_pod_does_not_restart_all() -> None:
    node = gang()
    node.exits("app", 42)
    node.is_deleted()
    assert ALL not in node.settle()


# requests


def test_4_the_restart_of_a_pod_ends_all_in_order_and_runs_init_containers_again() -> None:
    node = settled(pod("a", "b", init=[container("proxy", sidecar=True), "one"]))
    node.exits("one", 0)
    node.settle()
    assert request_restart(node.pod, node.facts, [], node.now) == ("proxy", "one", "a", "b")
    why = "RestartRequested"
    assert node.settle() == [SignalContainer("a", "", why), SignalContainer("b", "", why)]
    node.exits("a", 143)
    node.exits("b", 143)
    assert node.settle() == [SignalContainer("proxy", "", why)]
    node.exits("proxy", 143)
    assert node.settle() == [StartContainer("proxy", 1), StartContainer("one", 1)]
    node.exits("one", 0)
    node.settle()
    assert node.live() == ["proxy", "a", "b"]


@pytest.mark.parametrize("policy", ["Always", "OnFailure", "Never"])
def test_4_a_request_restarts_whatever_the_policy(policy: str) -> None:
    node = settled(pod("app", "other", policy=policy))
    request_restart(node.pod, node.facts, ["app"], node.now)
    assert node.settle() == [SignalContainer("app", "", "RestartRequested")]
    assert runs_again(node, "app", 0)


def test_4_a_request_does_not_wait_for_the_backoff_and_forgives_it() -> None:
    node = settled(pod("app"))
    for _ in range(4):
        node.exits("app", 1)
        node.advance(60)
    node.exits("app", 1)
    assert node.settle() == []
    request_restart(node.pod, node.facts, ["app"], node.now)
    assert node.settle() == [StartContainer("app", 5)]
    node.exits("app", 1)
    assert node.settle() == [] and node.plan().wake_at == node.now + 10


def test_4_a_request_tries_again_at_once_what_could_not_be_created() -> None:
    node = Node(pod("app"))
    node.failing["app"] = "ErrImagePull"
    node.settle()
    node.failing.clear()
    assert request_restart(node.pod, node.facts, ["app"], node.now) == ("app",)
    assert node.settle() == [StartContainer("app", 0)]


def test_4_a_second_request_during_the_stop_changes_nothing() -> None:
    node = settled(pod("app"))
    request_restart(node.pod, node.facts, ["app"], node.now)
    node.settle()
    node.now += 5
    request_restart(node.pod, node.facts, ["app"], node.now)
    assert node.settle() == [] and node.plan().wake_at == T0 + 30
    node.exits("app", 0)
    assert node.settle() == [StartContainer("app", 1)]


def test_4_nothing_is_restarted_in_a_pod_that_ended_or_goes() -> None:
    node = settled(pod("app", policy="Never"))
    node.exits("app", 0)
    assert request_restart(node.pod, node.facts, [], node.now) == ()
    node = settled(pod("app"))
    node.is_deleted()
    assert request_restart(node.pod, node.facts, ["app"], node.now) == ()


def test_4_a_finished_init_container_is_not_restarted_by_name() -> None:
    node = settled(pod("app", init=["one"]))
    assert request_restart(node.pod, node.facts, ["app"], node.now) == ()
    node.exits("one", 0)
    node.settle()
    assert request_restart(node.pod, node.facts, ["one", "app"], node.now) == ("app",)


# the cap


@pytest.mark.parametrize(("text", "expected"), [
    ("1", 1), ("30", 30), ("300", 300), ("0", 120), ("301", 120), ("soon", 120), ("", 120),
])  # fmt: skip
def test_4_an_annotation_tunes_the_cap_of_a_pod(text: str, expected: int) -> None:
    it = with_annotation(pod("app"), PERIOD_ANNOTATION, text)
    assert settings_for(it, Settings(max_restart_period=120)).max_restart_period == expected


def test_4_the_annotation_caps_the_pauses() -> None:
    node = settled(with_annotation(pod("app"), PERIOD_ANNOTATION, "3"))
    for expected in (0, 3, 3):
        node.exits("app", 1)
        assert (node.plan().wake_at or node.now) == node.now + expected
        node.wait(expected)


def test_4_a_low_cap_does_not_shorten_the_ten_minutes_of_the_reset() -> None:
    node = settled(with_annotation(pod("app"), PERIOD_ANNOTATION, "3"))
    node.exits("app", 1)
    node.settle()
    node.now += 599
    node.exits("app", 1)
    assert node.settle() == []


# in-place resize


def test_4_other_resources_are_given_to_the_running_container() -> None:
    node = settled(pod(asks("app", cpu="1"), asks("other", cpu="1")))
    node.pod = with_container(node.pod, asks("app", cpu="2"))
    node.run("app").spec_hash = _hash(node, "app")  # which leaves resources out
    assert node.settle() == [ResizeContainer("app")]
    assert node.settle() == []


def test_4_a_resize_that_fails_is_tried_again_after_a_pause() -> None:
    node = settled(pod(asks("app", cpu="1")))
    node.pod = with_container(node.pod, asks("app", cpu="2"))
    node.run("app").spec_hash = _hash(node, "app")
    node.resize_fails = True
    assert node.settle() == [ResizeContainer("app")]
    assert node.plan().wake_at == node.now + 10
    node.resize_fails = False
    assert node.wait(10) == [ResizeContainer("app")]


def test_4_a_container_without_known_resources_is_left_alone() -> None:
    node = settled(pod(asks("app", cpu="1")))
    node.run("app").resources_hash = ""
    assert node.settle() == []


def _hash(node: Node, name: str) -> str:
    return spec_hash(node.spec(name))
