"""The DaemonSet: one pod, replaced in one of three ways."""

from __future__ import annotations

from typing import Any

from podrun.api.workload import RollingUpdate, Strategy
from tests.unit.workloadsim import World, a_daemon_set, template

_SURGE = Strategy(
    type="RollingUpdate", rolling_update=RollingUpdate(max_surge=1, max_unavailable=0)
)


def _world(**fields: Any) -> World:
    world = World(a_daemon_set(**fields))
    world.step()
    world.ready()
    world.step()
    return world


def test_there_is_one_pod() -> None:
    world = _world()
    assert world.images == ["a"] and world.ask().create == ()
    (name,) = world.pods
    assert name.startswith("web-") and len(name) == len("web-") + 5
    status = world.thing.status
    assert (
        status.desired_number_scheduled,
        status.current_number_scheduled,
        status.updated_number_scheduled,
        status.number_ready,
        status.number_available,
        status.number_unavailable,
    ) == (1, 1, 1, 1, 1, 0)
    assert status.observed_generation == 1


def test_a_pod_that_goes_is_replaced_once_it_is_gone() -> None:
    world = _world()
    (first,) = world.pods
    world.delete(first)
    world.step()
    assert world.live == []
    world.release()
    world.step()
    assert len(world.live) == 1


def test_rolling_deletes_first() -> None:
    world = _world()
    world.spec(template=template("b"))
    step = world.step()
    assert len(step.delete) == 1 and step.create == ()
    assert world.ask().create == ()
    world.release()
    world.step()
    assert world.images == ["b"]
    assert world.thing.status.number_unavailable == 1


def test_surging_creates_first() -> None:
    world = _world(update_strategy=_SURGE, min_ready_seconds=5)
    world.spec(template=template("b"))
    world.step()
    assert world.images == ["a", "b"] and world.ask().delete == ()
    world.ready()
    step = world.step()
    assert world.images == ["a", "b"] and step.wake_at == world.now + 5
    world.now += 5
    world.step()
    assert world.images == ["b"]


def test_surging_an_old_pod_that_does_not_work_need_not_stay() -> None:
    world = _world(update_strategy=_SURGE)
    world.spec(template=template("b"))
    world.step()
    (old,) = (view for view in world.live if view.ready_since is not None)
    world.change(old.uid, ready_since=None)
    assert world.step().delete == (old.uid,)


def test_on_delete_waits_for_somebody_to_delete() -> None:
    world = _world(update_strategy=Strategy(type="OnDelete"))
    world.spec(template=template("b"))
    world.step()
    assert world.images == ["a"] and world.thing.status.updated_number_scheduled == 0
    world.delete(world.live[0].uid)
    world.step()
    assert world.live == []
    world.release()
    world.step()
    assert world.images == ["b"]


def test_a_pod_that_failed_is_replaced_and_kept_to_be_looked_at() -> None:
    world = _world()
    world.end("Failed")
    world.step()
    assert len(world.live) == 1 and len(world.pods) == 2
    world.end("Failed")
    assert world.step().wake_at == world.now + 10


def test_a_node_selector_is_no_reason_not_to_run() -> None:
    world = World(a_daemon_set())
    world.spec(template=template("a", node_selector={"disk": "ssd"}))
    world.step()
    assert len(world.live) == 1
