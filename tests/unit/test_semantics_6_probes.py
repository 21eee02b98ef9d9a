"""When probes are tried, and what their results mean: semantics §6."""

from __future__ import annotations

from typing import Any

import pytest

from podrun.pod.actions import SignalContainer, StartContainer
from podrun.pod.events import Event
from podrun.pod.probes import (
    ERROR_TRIES,
    KINDS,
    ProbeState,
    apply_result,
    due,
    observe,
    probe_event,
    timeout,
)
from tests.unit.podsim import PENDING, T0, Node, container, hooks, pod, probe, settled

FATAL = ("startup", "liveness")


def probed(*kinds: str, **fields: int) -> Node:
    """One container with probes of these ``kinds``, all with the same ``fields``."""
    probes: dict[str, Any] = {f"{kind}_probe": probe(**fields) for kind in kinds}
    return settled(pod(container("app", **probes)))


def times(node: Node, seconds: float, kind: str) -> list[float]:
    """When the probe was tried, in seconds from the start."""
    node.advance(seconds)
    return [each.at - T0 for each in node.tried if each.kind == kind]


# when


def test_6_defaults() -> None:
    node = probed("readiness")
    assert times(node, 35, "readiness") == [0, 10, 20, 30]
    assert timeout(probe()) == 1 and timeout(probe(timeout=4)) == 4


@pytest.mark.parametrize("kind", KINDS)
def test_6_period_and_initial_delay_count_from_the_start_of_the_container(kind: str) -> None:
    node = probed(kind, initial=7, period=3)
    node.answers["app", "startup"] = "error"
    assert times(node, 15, kind) == [7, 10, 13]


def test_6_a_late_try_does_not_move_the_next_one() -> None:
    app, node = container("app", liveness_probe=probe(period=10)), probed("liveness")
    run = node.run("app")
    for tried_at, expected in ((0.3, 10), (9.99, 10), (10.0, 20), (14, 20), (47, 50)):
        state = ProbeState(run.id, tried_at=T0 + tried_at)
        assert due(app, run, "liveness", state) == T0 + expected


def test_6_a_clock_that_was_set_back_does_not_multiply_the_tries() -> None:
    app, node = container("app", liveness_probe=probe(period=10)), probed("liveness")
    state = ProbeState(node.run("app").id, tried_at=T0 - 3600)
    assert due(app, node.run("app"), "liveness", state) == T0 + 10


def test_6_liveness_and_readiness_do_nothing_until_started() -> None:
    node = probed("startup", "liveness", "readiness", failure=9)
    node.answers["app", "startup"] = "failure"
    node.advance(25)
    assert {each.kind for each in node.tried} == {"startup"}
    node.answers.clear()
    node.advance(10)  # the startup probe succeeds at 30
    first = {kind: times(node, 0, kind)[0] for kind in ("liveness", "readiness")}
    assert first == {"liveness": 30, "readiness": 30}


def test_6_liveness_and_readiness_wait_for_the_post_start_hook() -> None:
    probes: dict[str, Any] = {f"{kind}_probe": probe() for kind in KINDS}
    node = Node(pod(container("app", lifecycle=hooks("post_start"), **probes)))
    node.hooks["app", "postStart"] = PENDING
    node.advance(15)
    assert {each.kind for each in node.tried} == {"startup"}
    node.hook_ends("app", "postStart")
    node.advance(1)
    assert {each.kind for each in node.tried} == set(KINDS)


def test_6_the_startup_probe_stops_after_its_success() -> None:
    node = probed("startup")
    assert times(node, 100, "startup") == [0]


@pytest.mark.parametrize("kind", FATAL)
def test_6_a_probe_that_has_failed_is_on_hold_until_there_is_a_new_run(kind: str) -> None:
    node = probed(kind, failure=1)
    node.answers["app", kind] = "failure"
    assert times(node, 29, kind) == [0]
    node.exits("app", 143)
    node.settle()
    assert len(times(node, 1, kind)) == 2


def test_6_probes_of_containers_that_started_together_are_as_far_apart_as_their_starts() -> None:
    node = Node(pod(container("a", readiness_probe=probe()), "b"))
    node.settle()
    node.run("a").started_at = T0 + 0.25
    assert [each.at for each in node.agenda()] == [T0 + 0.25]


def test_6_the_agenda_has_the_next_probe_first() -> None:
    early = container("a", liveness_probe=probe(initial=2), readiness_probe=probe(initial=9))
    node = settled(pod(early, container("b", readiness_probe=probe(initial=5))))
    order = [(each.name, each.kind, each.at - T0) for each in node.agenda()]
    assert order == [("a", "liveness", 2), ("b", "readiness", 5), ("a", "readiness", 9)]


def test_6_a_container_that_does_not_run_is_not_probed() -> None:
    node = probed(*KINDS)
    node.exits("app", 0)
    assert node.agenda() == []


def test_6_the_state_of_another_run_does_not_count() -> None:
    node = probed("liveness", failure=2)
    node.try_probe("app", "liveness", "failure")
    node.exits("app", 1)
    node.settle()
    node.try_probe("app", "liveness", "failure")
    assert node.run("app").unhealthy is None


# during termination


def test_6_during_termination_only_readiness_goes_on() -> None:
    node = probed("liveness", "readiness", failure=1)
    node.is_deleted()
    assert [each.kind for each in node.agenda()] == ["readiness"]
    node.try_probe("app", "readiness", "success")
    assert node.run("app").ready is True
    node.try_probe("app", "readiness", "failure")
    assert node.run("app").ready is False


def test_6_a_container_that_is_ended_by_itself_is_not_probed_for_life() -> None:
    node = probed("liveness", "readiness")
    node.run("app").restart_requested_at = node.now
    node.settle()
    assert [each.kind for each in node.agenda()] == ["readiness"]


def test_6_a_late_failure_during_the_end_of_a_container_changes_nothing() -> None:
    node = probed("liveness", failure=1)
    node.run("app").stop_sent_at = node.now
    assert not node.try_probe("app", "liveness", "failure")


# results


def test_6_initial_results() -> None:
    node = probed(*KINDS)
    run = node.run("app")
    assert run.startup_at is None and run.unhealthy is None and not run.ready


@pytest.mark.parametrize("kind", FATAL)
def test_6_the_failure_threshold_counts_consecutive_tries(kind: str) -> None:
    node = probed(kind, failure=3)
    if kind == "liveness":
        for result in ("failure", "failure", "success", "failure", "failure"):
            node.try_probe("app", kind, result)
            assert node.run("app").unhealthy is None
    else:
        node.try_probe("app", kind, "failure")
        node.try_probe("app", kind, "failure")
    node.now += 4
    assert node.try_probe("app", kind, "failure", "connection refused")
    unhealthy = node.run("app").unhealthy
    assert unhealthy is not None
    assert (unhealthy.probe, unhealthy.message, unhealthy.at) == (
        kind,
        "connection refused",
        T0 + 4,
    )


def test_6_readiness_has_a_threshold_both_ways() -> None:
    node = probed("readiness", success=2, failure=2)
    said = []
    for result in ("success", "success", "failure", "success", "failure", "failure", "success"):
        node.try_probe("app", "readiness", result)
        said.append(node.run("app").ready)
    assert said == [None, True, True, True, True, False, False]


def test_6_an_error_is_neither_success_nor_failure() -> None:
    node = probed("liveness", failure=2)
    for result in ("failure", "error", "error", "failure"):
        assert node.run("app").unhealthy is None
        node.try_probe("app", "liveness", result)
    assert node.run("app").unhealthy is not None
    assert ERROR_TRIES == 3


def test_6_success_with_a_warning_is_success() -> None:
    node = probed("readiness")
    node.try_probe("app", "readiness", "warning")
    assert node.run("app").ready


def test_6_results_of_a_run_that_is_gone_change_nothing() -> None:
    node = probed("liveness", failure=1)
    spec, old = node.spec("app").liveness_probe, node.run("app").id
    assert spec is not None
    state = observe(spec, "liveness", ProbeState(old), "failure", "no", node.now)
    node.exits("app", 1)
    assert not apply_result(node.pod, node.facts, "app", "liveness", state, node.now)
    node.settle()
    assert not apply_result(node.pod, node.facts, "app", "liveness", state, node.now)
    assert not apply_result(node.pod, node.facts, "nobody", "liveness", state, node.now)


# what follows


@pytest.mark.parametrize("kind", FATAL)
def test_6_a_failure_ends_the_container_and_its_policy_restarts_it(kind: str) -> None:
    node = probed(kind, failure=1)
    node.try_probe("app", kind, "failure")
    assert node.settle() == [SignalContainer("app", "", "Unhealthy")]
    node.exits("app", 143)
    assert node.settle() == [StartContainer("app", 1)]
    node.try_probe("app", kind, "failure")
    node.settle()
    node.exits("app", 143)
    assert node.settle() == [] and node.plan().wake_at == node.now + 10


def test_6_readiness_ends_nothing() -> None:
    node = probed("readiness", failure=1)
    node.try_probe("app", "readiness", "failure")
    assert node.settle() == []


def test_6_a_startup_probe_has_its_whole_time() -> None:
    node = probed("startup", period=2, failure=5)
    node.answers["app", "startup"] = "failure"
    node.advance(8)
    assert node.run("app").unhealthy is None
    node.advance(0.5)
    assert node.run("app").unhealthy is not None


# events


def told(node: Node, kind: str, outcome: str) -> Event | None:
    each = next(e for e in node.agenda() if e.kind == kind)
    node.try_probe("app", kind, outcome)
    return probe_event(node.pod, node.facts, each, outcome, "no", node.now)


@pytest.mark.parametrize(("outcome", "expected"), [
    ("failure", ("Unhealthy", "Readiness probe failed: no")),
    ("error", ("Unhealthy", "Readiness probe errored: no")),
    ("warning", ("ProbeWarning", "Readiness probe warning: no")),
])  # fmt: skip
def test_6_every_try_that_does_not_go_well_is_told(outcome: str, expected: tuple[str, str]) -> None:
    event = told(probed("readiness"), "readiness", outcome)
    assert event is not None and (event.reason, event.message) == expected
    assert event.object == "spec.containers{app}"


def test_6_what_the_facts_tell_is_not_told_twice() -> None:
    assert told(probed("liveness", failure=1), "liveness", "failure") is None
    assert told(probed("liveness", failure=2), "liveness", "failure") is not None
    assert told(probed("liveness"), "liveness", "success") is None
