"""The Deployment: up, down, and from one template to the next."""

from __future__ import annotations

from typing import Any

import pytest

from podrun.api.workload import RollingUpdate, Strategy
from podrun.pod.when import rfc3339
from podrun.workload.rollout import limits
from tests.unit.workloadsim import T0, World, a_deployment, template

_RECREATE = Strategy(type="Recreate")


def _rolling(surge: int | str, unavailable: int | str) -> Strategy:
    rolling = RollingUpdate(max_surge=surge, max_unavailable=unavailable)
    return Strategy(type="RollingUpdate", rolling_update=rolling)


def _world(**fields: Any) -> World:
    """With all its pods ready."""
    world = World(a_deployment(**fields))
    world.step()
    world.ready()
    world.step()
    return world


def _numbers(world: World) -> tuple[int, int, int, int, int]:
    """All, new, ready, available, missing."""
    status = world.thing.status
    return (
        status.replicas,
        status.updated_replicas,
        status.ready_replicas,
        status.available_replicas,
        status.unavailable_replicas,
    )


def test_it_creates_as_many_pods_as_replicas_says() -> None:
    world = World(a_deployment(replicas=3))
    step = world.step()
    assert len(world.live) == 3 and world.ask().create == ()
    assert _numbers(world) == (0, 0, 0, 0, 3)
    metadata = world.live[0].pod.metadata
    mark = metadata.labels["pod-template-hash"]
    assert metadata.labels == {"app": "web", "pod-template-hash": mark}
    assert metadata.name.startswith(f"web-{mark}-")
    (owner,) = metadata.owner_references
    assert (owner.api_version, owner.kind, owner.uid) == ("apps/v1", "Deployment", "owner")
    assert {reason for _, reason, _ in step.events} == {"SuccessfulCreate"}
    assert world.condition("Available") == (
        "False", "MinimumReplicasUnavailable", "Deployment does not have minimum availability.",
    )  # fmt: skip
    assert world.condition("Progressing") == (
        "True", "NewReplicaSetCreated", 'Deployment "web" is progressing.',
    )  # fmt: skip
    world.ready(world.live[0].uid)
    world.step()
    assert world.condition("Progressing") == (
        "True", "ReplicaSetUpdated", 'Deployment "web" is progressing.',
    )  # fmt: skip
    world.ready()
    world.step()
    assert _numbers(world) == (3, 3, 3, 3, 0)
    assert world.condition("Available") == (
        "True", "MinimumReplicasAvailable", "Deployment has minimum availability.",
    )  # fmt: skip
    assert world.condition("Progressing") == (
        "True", "NewReplicaSetAvailable", 'Deployment "web" has successfully progressed.',
    )  # fmt: skip


def test_long_names_are_cut() -> None:
    thing = a_deployment()
    long = "n" * 253
    world = World(type(thing)(metadata=type(thing.metadata)(name=long), spec=thing.spec))
    world.step()
    (name,) = world.pods
    assert len(name) == 63 and name.startswith("n" * 58)


def test_who_goes_first_when_there_are_too_many() -> None:
    world = _world(replicas=5)
    pending, unready, costly, young, old = world.pods
    world.change(pending, phase="Pending", ready_since=None)
    world.change(unready, ready_since=None)
    world.change(young, ready_since=world.now + 5)
    world.change(old, created_at=T0 - 100)
    cheap = world.pods[costly].pod
    cost = {"controller.kubernetes.io/pod-deletion-cost": "-1"}
    metadata = type(cheap.metadata)(labels=cheap.metadata.labels, annotations=cost, uid=costly)
    world.change(costly, pod=type(cheap)(metadata=metadata, spec=cheap.spec))
    gone: list[str] = []
    for replicas in (4, 3, 2, 1):
        world.spec(replicas=replicas)
        gone += world.step().delete
    assert gone == [pending, unready, costly, young]
    world.spec(replicas=0)
    world.step()
    world.release()
    world.step()
    assert world.pods == {} and world.condition("Available")[0] == "True"  # type: ignore[index]


def test_a_pod_that_is_gone_or_going_is_replaced() -> None:
    world = _world(replicas=2)
    first, _ = world.pods
    world.delete(first)
    world.step()
    assert len(world.live) == 2 and len(world.pods) == 3
    # Pods that come and go later are no rollout.
    assert world.condition("Progressing")[1] == "NewReplicaSetAvailable"  # type: ignore[index]


def test_recreate_never_mixes_templates() -> None:
    world = _world(replicas=2, strategy=_RECREATE)
    world.spec(template=template("b"))
    step = world.step()
    assert len(step.delete) == 2 and step.create == ()
    assert world.ask().create == ()
    world.release(step.delete[0])
    assert world.ask().create == ()  # one is still ending
    world.release()
    world.step()
    assert world.images == ["b", "b"]


def test_recreate_does_not_wait_for_pods_that_have_ended() -> None:
    world = _world(replicas=1, strategy=_RECREATE)
    world.end("Failed")
    world.spec(template=template("b"))
    world.step()
    assert world.images == ["b"]


@pytest.mark.parametrize(
    ("replicas", "surge", "unavailable", "expected"),
    [
        (4, "25%", "25%", (1, 1)),
        (10, "25%", "25%", (3, 2)),  # one up, the other down
        (1, "25%", "25%", (1, 0)),
        (0, "25%", "25%", (0, 1)),
        (5, 0, "10%", (0, 1)),
        (3, 2, 0, (2, 0)),
        (2, 0, 9, (0, 2)),
    ],
)
def test_rounding(
    replicas: int, surge: int | str, unavailable: int | str, expected: tuple[int, int]
) -> None:
    rolling = RollingUpdate(max_surge=surge, max_unavailable=unavailable)
    assert limits(rolling, replicas) == expected


def test_rolling_with_a_surge_of_one() -> None:
    world = _world(replicas=3, strategy=_rolling(1, 0))
    world.spec(template=template("b"))
    world.step()
    assert world.images == ["a", "a", "a", "b"]
    assert world.ask().delete == ()
    for images in (["a", "a", "b", "b"], ["a", "b", "b", "b"], ["b", "b", "b"]):
        world.ready()
        world.step()
        world.release()
        world.step()
        assert world.images == images
    world.ready()
    world.step()
    assert _numbers(world) == (3, 3, 3, 3, 0)


def test_rolling_with_one_unavailable() -> None:
    world = _world(replicas=3, strategy=_rolling(0, 1))
    world.spec(template=template("b"))
    world.step()
    assert world.images == ["a", "a"]
    world.step()
    assert world.images == ["a", "a", "b"]
    assert world.ask().delete == ()  # the new one is not there yet
    world.ready()
    world.step()
    assert world.images == ["a", "b"]


def test_what_does_not_work_anyway_goes_first() -> None:
    world = _world(replicas=4, strategy=_rolling(1, 1))
    broken = list(world.pods)[2]
    world.change(broken, ready_since=None)
    world.spec(template=template("b"))
    assert world.step().delete == (broken,)


def test_a_bad_template_stops_at_the_least_availability_and_is_told() -> None:
    world = _world(replicas=4, progress_deadline_seconds=60)
    world.spec(template=template("bad"))
    for _ in range(9):
        world.step()
        world.release()
    assert world.images == ["a", "a", "a", "bad", "bad"]
    assert world.condition("Available")[0] == "True"  # type: ignore[index]
    assert world.ask().wake_at == world.now + 60
    world.now += 60
    world.step()
    assert world.condition("Progressing") == (
        "False", "ProgressDeadlineExceeded", 'Deployment "web" has timed out progressing.',
    )  # fmt: skip
    assert world.ask().wake_at is None
    world.spec(template=template("good"))
    world.settle()
    assert world.images == ["good"] * 4
    assert world.condition("Progressing")[1] == "NewReplicaSetAvailable"  # type: ignore[index]


def test_ready_is_not_yet_available() -> None:
    world = World(a_deployment(min_ready_seconds=10))
    world.step()
    world.ready()
    step = world.step()
    assert _numbers(world) == (1, 1, 1, 0, 1) and step.wake_at == world.now + 10
    world.now += 10
    world.step()
    assert _numbers(world) == (1, 1, 1, 1, 0)


def test_paused_it_keeps_the_number_and_the_template() -> None:
    world = _world(replicas=2)
    world.spec(template=template("b"), paused=True)
    world.step()
    assert world.images == ["a", "a"]
    assert world.condition("Progressing") == (
        "Unknown", "DeploymentPaused", "Deployment is paused",
    )  # fmt: skip
    world.spec(replicas=3)
    world.step()
    assert world.images == ["a", "a", "a"]
    assert {view.pod.metadata.labels["app"] for view in world.live} == {"web"}
    world.spec(replicas=1)
    world.step()
    assert world.images == ["a"]
    world.release()
    world.spec(paused=False)
    world.step()
    assert world.condition("Progressing") == (
        "Unknown", "DeploymentResumed", "Deployment is resumed",
    )  # fmt: skip
    world.settle()
    assert world.images == ["b"]
    assert world.condition("Progressing")[1] == "NewReplicaSetAvailable"  # type: ignore[index]


def test_paused_from_the_start_it_does_nothing_until_resumed() -> None:
    world = World(a_deployment(paused=True))
    world.step()
    assert world.pods == {}
    world.spec(paused=False)
    world.settle()
    assert world.images == ["a"]


def test_pods_that_fail_at_once_are_replaced_ever_later_and_not_kept_for_ever() -> None:
    world = World(a_deployment(progress_deadline_seconds=2**31 - 1))  # never
    world.step()
    for delay in (0, 10, 20, 40, 80, 160, 320, 360, 360, 360, 360):
        world.end("Failed")
        step = world.step()
        if delay:
            assert not world.live and step.wake_at == world.now + delay
        world.now += delay
        world.step()
        world.release()
        assert len(world.live) == 1
    assert len(world.pods) == 1 + 10
    world.now += 2000
    world.end("Failed")
    world.step()
    assert len(world.live) == 1  # it was calm for long
    world.spec(template=template("b"))
    world.step()
    assert "b" in world.images  # another template need not wait


def test_it_tells_of_which_spec_its_status_is() -> None:
    world = _world()
    world.spec(replicas=2)
    world.step()
    assert world.thing.status.observed_generation == 2
    transitions = {each.type: each for each in world.thing.status.conditions}
    assert transitions["Progressing"].last_transition_time == rfc3339(T0)
