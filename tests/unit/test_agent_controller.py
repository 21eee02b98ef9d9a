"""A workload on a machine that is out of something, and what a controller sees of a pod."""

from __future__ import annotations

import asyncio
import errno
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from podrun.agent.controller import Controller
from podrun.agent.node import Node
from podrun.agent.objectevents import ObjectEvents
from podrun.agent.objectstore import ObjectStore
from podrun.agent.podstore import PodStore, StoredPod
from podrun.agent.podtask import PodTask
from podrun.agent.podviews import owned_by, view_of
from podrun.api.kinds import DEPLOYMENT
from podrun.api.meta import ObjectMeta, OwnerReference
from podrun.api.objects import with_defaults
from podrun.api.pod import Container, Pod, PodSpec
from podrun.api.workload import Deployment, DeploymentSpec, PodTemplateSpec
from podrun.node.config import Config
from podrun.node.paths import Paths
from podrun.pod.events import Event
from podrun.pod.facts import ContainerFacts, Deletion, Exit, Facts, Run
from tests.node import PATIENCE

SPEC = PodSpec(containers=(Container(name="app", image="localhost/host"),))


@pytest.fixture
def node(tmp_path: Path) -> Node:
    config = Config(state_root=str(tmp_path / "state"), log_root=str(tmp_path / "log"))
    return Node(config, Paths(config), "node", (), 1 << 30, {"cpu": 1000, "memory": 1 << 30})


def full(*_: object, **__: object) -> None:
    raise OSError(errno.ENOSPC, "No space left on device")


def agent_without_room(node: Node) -> Any:
    return SimpleNamespace(
        tasks={},
        objects=SimpleNamespace(store=ObjectStore(node.paths)),
        object_events=ObjectEvents(node.paths),
        capacity=SimpleNamespace(consider=lambda *_, **__: None),
        store=SimpleNamespace(create=full),
        add=full,
    )


async def until(look: Callable[[], object]) -> None:
    async with asyncio.timeout(20 * PATIENCE):
        while not look():
            await asyncio.sleep(0.01)


def test_what_fails_is_told_tried_again_and_keeps_no_deletion_waiting(node: Node) -> None:
    agent = agent_without_room(node)
    meta = ObjectMeta(name="web", namespace="default", uid="u", generation=1)
    template = PodTemplateSpec(metadata=ObjectMeta(labels={"app": "web"}), spec=SPEC)
    thing = with_defaults(Deployment(metadata=meta, spec=DeploymentSpec(template=template)))
    assert isinstance(thing, Deployment)
    agent.objects.store.write(thing)

    async def live() -> None:
        controller = Controller(agent, DEPLOYMENT, thing)
        running = asyncio.create_task(controller.run())
        await until(lambda: any(event.count > 1 for event in agent.object_events.read("u")))
        assert "No space left" in controller.trouble
        assert controller.needs_agent
        (event,) = agent.object_events.read("u")
        assert (event.type, event.reason) == ("Warning", "FailedCreate")
        assert "No space left on device" in event.message
        controller.delete(None)
        async with asyncio.timeout(20 * PATIENCE):
            await running
        assert controller.gone
        assert not controller.needs_agent

    asyncio.run(live())
    assert agent.objects.store.list(DEPLOYMENT) == []
    assert agent.object_events.read("u") == []


def test_events_that_were_torn_with_the_machine_are_left_out(node: Node) -> None:
    events = ObjectEvents(node.paths)
    events.record("u", [Event("Normal", "Old", "old", "", 1.0, 1.0)], 0)
    (path,) = (node.paths.objects / "events").iterdir()
    path.write_bytes(path.read_bytes() + bytes(16))
    events.record("u", [Event("Normal", "New", "new", "", 2.0, 2.0)], 0)
    assert [event.reason for event in events.read("u")] == ["Old", "New"]


# ── what it sees of a pod ────────────────────────────────────────────────────────────────────────


def task_of(node: Node, facts: Facts, *, owner: str = "u", policy: str = "Never") -> PodTask:
    meta = ObjectMeta(
        name="web", namespace="default", uid="p", owner_references=(OwnerReference(uid=owner),)
    )
    pod = Pod(metadata=meta, spec=PodSpec(containers=SPEC.containers, restart_policy=policy))
    stored: StoredPod = PodStore(node.paths).create(pod, facts, 0)
    return PodTask(node, PodStore(node.paths), stored)


def run(**how: Any) -> Run:
    return Run("i", 0, "localhost/host", "", "", 0, 1.0, started_at=2.0, **how)


def test_a_pod_that_runs_is_ready_since_its_container_is(node: Node) -> None:
    facts = Facts(accepted_at=1.0, containers={"app": ContainerFacts(current=run(), restarts=2)})
    view = view_of(task_of(node, facts))
    assert (view.phase, view.ready_since, view.finished_at) == ("Running", 2.0, None)
    assert (view.created_at, view.restarts, view.deleting) == (1.0, 2, False)


def test_a_pod_that_has_ended_says_when(node: Node) -> None:
    ended = run(exit=Exit(code=1, finished_at=9.0))
    view = view_of(
        task_of(node, Facts(accepted_at=1.0, containers={"app": ContainerFacts(current=ended)}))
    )
    assert (view.phase, view.ready_since, view.finished_at) == ("Failed", None, 9.0)


def test_a_pod_that_is_asked_to_go_belongs_to_its_owner_until_it_is_gone(node: Node) -> None:
    deletion = Deletion(at=2.0, grace_seconds=1, began_at=2.0)
    task = task_of(node, Facts(accepted_at=1.0, deletion=deletion))
    assert view_of(task).deleting
    assert list(owned_by([task], "u")) == [task]
    assert list(owned_by([task], "other")) == []
    task.released = True
    assert list(owned_by([task], "u")) == []
