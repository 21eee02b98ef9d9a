"""The restart back-off (semantics §4)."""

from __future__ import annotations

import pytest

from podrun.pod.actions import StartContainer
from podrun.pod.backoff import Settings, container_retry_at, next_attempt, next_trouble
from podrun.pod.facts import ContainerFacts
from tests.unit.podsim import Node, container, pod, with_image


def pauses(node: Node, crashes: int, code: int = 1, lasting: float = 1.0) -> list[float]:
    """Seconds between each end of ``app`` and its next start."""
    found: list[float] = []
    node.settle()
    for _ in range(crashes):
        node.now += lasting
        node.exits("app", code)
        ended = node.now
        while not node.settle():
            wake = node.plan().wake_at
            assert wake is not None
            node.now = wake
        found.append(node.now - ended)
    return found


def test_4_the_first_restart_is_immediate_then_the_pause_doubles_up_to_300_seconds() -> None:
    assert pauses(Node(pod()), 9) == [0, 10, 20, 40, 80, 160, 300, 300, 300]


def test_4_clean_exits_back_off_too() -> None:
    assert pauses(Node(pod()), 4, code=0) == [0, 10, 20, 40]


def test_4_the_cap_is_configurable() -> None:
    assert pauses(Node(pod(), Settings(max_restart_period=25)), 5) == [0, 10, 20, 25, 25]
    assert pauses(Node(pod(), Settings(max_restart_period=3)), 4) == [0, 3, 3, 3]


def test_4_a_run_longer_than_twice_the_maximum_resets_the_backoff() -> None:
    node = Node(pod())
    assert pauses(node, 4) == [0, 10, 20, 40]
    node.now += 601
    node.exits("app", 1)
    assert node.settle() == [StartContainer("app", 5)]
    assert pauses(node, 2) == [10, 20]


def test_4_a_run_of_exactly_twice_the_maximum_does_not() -> None:
    node = Node(pod())
    pauses(node, 3)
    node.now += 600
    node.exits("app", 1)
    assert node.settle() == []
    assert node.plan().wake_at == node.now + 40


def test_4_another_image_starts_the_backoff_anew() -> None:
    node = Node(pod())
    pauses(node, 4)
    node.now += 1
    node.exits("app", 1)
    assert node.settle() == []
    node.pod = with_image(node.pod, "app", "nginx")
    assert node.settle() == [StartContainer("app", 5)]
    assert node.known("app").backoff_seconds == 10


def test_4_a_start_error_is_a_run_and_backs_off() -> None:
    node = Node(pod())
    node.settle()
    for expected in (0, 10):
        node.run("app").started_at = None
        node.exits("app", 128)
        plan = node.plan()
        assert (plan.wake_at or node.now) == node.now + expected
        node.wait(expected)


@pytest.mark.parametrize(("policy", "code", "again"), [
    ("Always", 0, True), ("Always", 1, True),
    ("OnFailure", 0, False), ("OnFailure", 1, True),
    ("Never", 0, False), ("Never", 1, False),
])  # fmt: skip
def test_4_the_restart_policy_decides(policy: str, code: int, again: bool) -> None:
    node = Node(pod("app", "other", policy=policy))
    node.settle()
    node.exits("app", code)
    assert bool(node.settle()) == again


def test_4_sidecars_and_init_containers_have_backoffs_of_their_own() -> None:
    node = Node(pod("app", init=[container("proxy", sidecar=True)]))
    node.settle()
    for code in (1, 1):
        node.exits("proxy", code)
        node.settle()
    assert node.known("proxy").restarts == 1
    node.exits("app", 1)
    assert node.settle() == [StartContainer("app", 1)]


def test_4_restarts_only_ever_rise() -> None:
    known = ContainerFacts(restarts=4, last=Node(pod()).known("app").current)
    assert next_attempt(ContainerFacts()) == 0
    node = Node(pod())
    node.settle()
    node.exits("app")
    node.settle()
    assert (node.known("app").restarts, next_attempt(node.known("app"))) == (1, 2)
    assert known.restarts == 4


def test_4_what_cannot_be_configured_is_tried_every_ten_seconds() -> None:
    node = Node(pod())
    node.failing["app"] = "CreateContainerConfigError"
    node.settle()
    assert node.wait(9) == []
    assert node.wait(1) == [StartContainer("app", 0)]
    node.failing.clear()
    assert node.wait(10) == [StartContainer("app", 0)]


def test_4_a_cleared_trouble_is_tried_again_at_once() -> None:
    node = Node(pod())
    node.failing["app"] = "ErrImageNeverPull"
    node.settle()
    node.facts.containers["app"].trouble = None
    assert node.due() == (StartContainer("app", 0),)


def test_4_pulls_back_off_from_10_to_300_seconds() -> None:
    node = Node(pod())
    node.failing["app"] = "ErrImagePull"
    node.settle()
    pauses = []
    for _ in range(7):
        trouble = node.known("app").trouble
        assert trouble is not None
        due = container_retry_at(trouble)
        pauses.append(due - trouble.at)
        node.advance(due - node.now)
    assert pauses == [10, 20, 40, 80, 160, 300, 300]


def test_4_another_reason_is_another_trouble() -> None:
    first = next_trouble(None, "ErrImagePull", "x", 1.0)
    assert next_trouble(first, "CreateContainerConfigError", "y", 2.0).count == 1
