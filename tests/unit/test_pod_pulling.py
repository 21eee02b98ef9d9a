"""Image pulls as policy plans and tells them."""

from __future__ import annotations

import copy

import pytest

from podrun.pod.actions import BackOffPull, PullImage, StartContainer
from podrun.pod.backoff import Settings
from podrun.pod.events import events
from podrun.pod.facts import Facts
from podrun.pod.progress import obstacle, started_once
from podrun.pod.pulling import (
    FETCH,
    FORBIDDEN,
    LOCAL,
    USE,
    back_off,
    forget_unfinished_pulls,
    image_ids,
    image_names,
    is_needed,
    way,
)
from podrun.pod.rounds import request_restart
from podrun.pod.when import go_milliseconds
from tests.unit.podsim import (
    PENDING,
    T0,
    Node,
    app,
    container,
    pod,
    settled,
    shown,
    waiting,
    with_image,
)


def pending(*names: str, **fields: object) -> Node:
    """A pod whose image ``slow`` takes its time."""
    node = Node(pod(*(container(name, image="slow") for name in names or ("app",)), **fields))  # type: ignore[arg-type]
    node.pulls["slow"] = PENDING
    node.settle()
    return node


@pytest.mark.parametrize(("policy", "present", "pullable", "expected"), [
    ("Always", True, True, FETCH),
    ("Always", False, True, FETCH),
    ("Always", True, False, USE),
    ("Always", False, False, LOCAL),
    ("IfNotPresent", True, True, USE),
    ("IfNotPresent", False, True, FETCH),
    ("IfNotPresent", False, False, LOCAL),
    ("Never", True, True, USE),
    ("Never", False, True, FORBIDDEN),
    ("Never", False, False, FORBIDDEN),
])  # fmt: skip
def test_what_a_policy_makes_of_an_image(
    policy: str, present: bool, pullable: bool, expected: str
) -> None:
    assert way(policy, present=present, pullable=pullable) == expected


# ── order ────────────────────────────────────────────────────────────────────────────────────────


def test_every_start_looks_for_its_image_anew() -> None:
    node = settled(pod())
    node.exits("app", 1)
    node.settle()
    looks = [action for action in node.log if isinstance(action, PullImage)]
    assert looks == [PullImage("app", 0), PullImage("app", 1)]


def test_a_pull_goes_on_while_nothing_is_due() -> None:
    node = pending()
    assert node.plan().actions == () and node.plan().wake_at is None
    assert waiting(node) == "ContainerCreating" and shown(node).phase == "Pending"
    node.pull_ends("app")
    assert node.settle() == [StartContainer("app", 0)]


def test_images_come_at_once_but_first_starts_keep_their_order() -> None:
    node = Node(pod(container("a", image="slow"), container("b", image="slower"), "c"))
    node.pulls = {"slow": PENDING, "slower": PENDING}
    node.settle()
    assert [a for a in node.log if isinstance(a, PullImage)] == [
        PullImage("a", 0), PullImage("b", 0), PullImage("c", 0),
    ]  # fmt: skip
    node.pull_ends("b")
    assert node.settle() == [] and node.live() == []
    node.pull_ends("a")
    node.settle()
    assert node.starts() == ["a", "b", "c"]


def test_a_failed_pull_holds_nobody_up() -> None:
    node = pending("a")
    node.pod = pod(container("a", image="slow"), "b")
    node.settle()
    assert node.live() == []
    node.pull_ends("a", "no")
    node.settle()
    assert node.live() == ["b"]


def while_it_waits(node: Node, waits: str, ends: str) -> None:
    """``waits`` ends and waits for its image; then ``ends`` does, and has its own."""
    node.pulls["busybox"] = PENDING
    node.exits(waits, 1)
    node.settle()
    del node.pulls["busybox"]
    node.exits(ends, 1)
    node.settle()


def test_restarts_are_not_held_up_by_the_pulls_of_others() -> None:
    node = settled(pod("a", "b"))
    while_it_waits(node, "a", "b")
    assert node.live() == ["b"]
    node.pull_ends("a")
    node.settle()
    assert node.live() == ["a", "b"]


def test_init_containers_get_their_images_one_after_another() -> None:
    node = Node(pod("app", init=[container("one", image="slow"), "two"]))
    node.pulls["slow"] = PENDING
    node.settle()
    assert [a for a in node.log if isinstance(a, PullImage)] == [PullImage("one", 0)]
    node.pull_ends("one")
    node.settle()
    assert node.live() == ["one"]


def test_a_sidecar_that_waits_for_its_image_holds_up_no_init_container() -> None:
    sidecar = container("proxy", sidecar=True)
    node = settled(pod("app", init=[sidecar, "one"]))
    while_it_waits(node, "proxy", "one")
    assert node.live() == ["one"]


# ── failures ─────────────────────────────────────────────────────────────────────────────────────


def test_an_error_is_shown_and_then_the_back_off() -> None:
    node = Node(pod())
    node.pulls["busybox"] = "not found"
    node.settle()
    state = app(node).state.waiting
    assert state is not None and (state.reason, state.message) == ("ErrImagePull", "not found")
    assert node.wait(4.9) == []
    assert node.wait(0.1) == [BackOffPull("app")]
    state = app(node).state.waiting
    assert state is not None and state.reason == "ImagePullBackOff"
    assert state.message == 'Back-off pulling image "busybox": ErrImagePull: not found'
    assert node.wait(4.9) == []
    assert node.wait(0.1) == [PullImage("app", 0)]


def test_the_first_delay_can_be_set_and_reasons_share_the_back_off() -> None:
    node = Node(pod(), Settings(first_pull_delay=1.0))
    node.failing["app"] = "RegistryUnavailable"
    node.settle()
    node.advance(1)
    node.failing["app"] = "ErrImagePull"
    node.advance(2)
    trouble = node.known("app").trouble
    assert trouble is not None and (trouble.count, trouble.retry_at) == (3, T0 + 1 + 2 + 4)


def test_the_back_off_ends_with_the_next_run() -> None:
    node = Node(pod())
    node.pulls["busybox"] = "no"
    node.settle()
    del node.pulls["busybox"]
    node.advance(10)
    assert node.live() == ["app"] and node.known("app").trouble is None
    node.pulls["busybox"] = "no"
    node.exits("app", 1)
    node.settle()
    trouble = node.known("app").trouble
    assert trouble is not None and trouble.count == 1


def test_a_pull_that_failed_is_an_obstacle_also_while_it_is_tried_again() -> None:
    node = Node(pod())
    node.pulls["busybox"] = "no"
    assert not started_once(node.pod, node.facts)
    node.settle()
    assert obstacle(node.pod, node.facts) == "app: ErrImagePull: no"
    node.pulls["busybox"] = PENDING
    node.advance(10)
    assert started_once(node.pod, node.facts)
    assert obstacle(node.pod, node.facts).startswith("app: ImagePullBackOff: Back-off pulling")


def test_a_restart_that_is_asked_for_does_not_wait_for_the_back_off() -> None:
    node = Node(pod())
    node.pulls["busybox"] = "no"
    node.settle()
    del node.pulls["busybox"]
    request_restart(node.pod, node.facts, ["app"], node.now)
    assert node.settle() == [StartContainer("app", 0)]


def test_back_off_is_told_once_and_only_of_a_failure() -> None:
    node = Node(pod())
    node.pulls["busybox"] = "no"
    node.settle()
    back_off(node.facts, node.spec("app"), node.now + 5)
    told = copy.deepcopy(node.facts)
    back_off(node.facts, node.spec("app"), node.now + 6)
    assert node.facts == told
    back_off(Facts(accepted_at=T0), node.spec("app"), T0)


# ── the end of a purpose ─────────────────────────────────────────────────────────────────────────


def test_a_pull_serves_no_purpose_any_more_when_the_pod_goes() -> None:
    node = pending()
    assert is_needed(node.pod, node.facts, "app")
    node.is_deleted()
    assert not is_needed(node.pod, node.facts, "app")
    node.settle()
    assert node.released


def test_another_image_is_another_pull() -> None:
    node = pending()
    node.pod = with_image(node.pod, "app", "busybox")
    assert not is_needed(node.pod, node.facts, "app")
    assert node.settle() == [StartContainer("app", 0)]


def test_a_pod_whose_sandbox_is_lost_begins_its_pulls_again() -> None:
    node = pending()
    node.loses_sandbox()
    assert not is_needed(node.pod, node.facts, "app")


def test_the_next_agent_begins_pulls_again_that_were_under_way() -> None:
    node = pending()
    forget_unfinished_pulls(node.facts)
    assert node.settle() == [PullImage("app", 0)]
    node.pull_ends("app")
    done = copy.deepcopy(node.facts)
    forget_unfinished_pulls(node.facts)
    assert node.facts == done


# ── what is told ─────────────────────────────────────────────────────────────────────────────────


def told(node: Node, before: Facts | None) -> list[tuple[str, str, str]]:
    return [(e.type, e.reason, e.message) for e in events(node.pod, before, node.facts, node.now)]


def test_a_pull_is_told_of_when_it_begins_and_when_it_is_done() -> None:
    node = pending()
    before = copy.deepcopy(node.facts)
    assert told(node, None)[1:] == [("Normal", "Pulling", 'Pulling image "slow"')]
    node.now += 2.5
    node.pull_ends("app")
    assert told(node, before) == [
        (
            "Normal",
            "Pulled",
            'Successfully pulled image "slow" in 1s (2.5s including waiting). Image size: 0 bytes.',
        )
    ]
    assert [reason for _, reason, _ in told(node, None)[1:]] == ["Pulling", "Pulled"]


def test_a_back_off_is_told_of_as_the_kubelet_does() -> None:
    node = Node(pod())
    node.pulls["busybox"] = "no"
    node.settle()
    before = copy.deepcopy(node.facts)
    node.wait(5)
    assert told(node, before) == [
        ("Normal", "BackOff", 'Back-off pulling image "busybox"'),
        ("Warning", "Failed", "Error: ImagePullBackOff"),
    ]


@pytest.mark.parametrize(("reason", "first"), [
    ("InvalidImageName", "InspectFailed"),
    ("ImageInspectError", "InspectFailed"),
    ("RegistryUnavailable", "Failed"),
])  # fmt: skip
def test_other_troubles_with_images(reason: str, first: str) -> None:
    node = Node(pod())
    node.pulls["busybox"] = PENDING
    node.settle()
    before = copy.deepcopy(node.facts)
    node.pull_ends("app", "why", reason)
    assert [each[1:] for each in told(node, before)] == [
        (first, "why" if first == "InspectFailed" else 'Failed to pull image "busybox": why'),
        ("Failed", f"Error: {reason}"),
    ]


@pytest.mark.parametrize(("seconds", "expected"), [
    (0.0, "0s"), (0.0004, "0s"), (0.0456, "45ms"), (1.0, "1s"), (1.2, "1.2s"), (1.23456, "1.234s"),
    (59.999, "59.999s"), (60.0, "1m0s"), (90.25, "1m30.25s"), (3661.5, "1h1m1.5s"),
])  # fmt: skip
def test_durations_are_written_as_go_does(seconds: float, expected: str) -> None:
    assert go_milliseconds(seconds) == expected


def test_what_a_pod_needs_is_known_by_name_and_by_id() -> None:
    node = Node(pod(container("a", image="one"), init=[container("i", image="two")]))
    assert image_names(node.pod) == {"one", "two"} and image_ids(node.facts) == set()
    node.settle()
    assert image_ids(node.facts) == {"sha256:two"}
    node.exits("i")
    for action in node.plan().actions:
        node.carry_out(action)
    assert image_ids(node.facts) == {"sha256:two", "sha256:one"}
