"""What the pods of a node have taken, as everybody is told who asks."""

from __future__ import annotations

from pathlib import Path

import pytest

from podrun.agent.capacity import UNSCHEDULABLE, Capacity
from podrun.agent.node import Node
from podrun.agent.podstore import PodStore, StoredPod
from podrun.agent.podtask import PodTask
from podrun.api.pod import Container, ObjectMeta, Pod, PodSpec, ResourceRequirements
from podrun.node.config import Config
from podrun.node.paths import Paths
from podrun.pod import resizing
from podrun.pod.facts import ContainerFacts, Exit, Facts, Run, Trouble

ROOM = {"cpu": 1000, "memory": 1 << 30}


@pytest.fixture
def node(tmp_path: Path) -> Node:
    config = Config(state_root=str(tmp_path / "state"), log_root=str(tmp_path / "log"))
    return Node(config, Paths(config), "node", (), 1 << 30, ROOM)


def stored(node: Node, name: str, cpu: str, facts: Facts) -> StoredPod:
    container = Container(
        name="app", image="localhost/host", resources=ResourceRequirements(requests={"cpu": cpu})
    )
    metadata = ObjectMeta(name=name, namespace="default", uid=name)
    spec = PodSpec(containers=(container,), restart_policy="Never")
    return PodStore(node.paths).create(Pod(metadata=metadata, spec=spec), facts, 0)


def running(ended: Exit | None = None) -> Facts:
    run = Run("r", 0, "image", "id", spec_hash="", sandbox_attempt=0, created_at=1.0)
    run.started_at, run.exit = 1.0, ended
    return Facts(accepted_at=1.0, containers={"app": ContainerFacts(current=run)})


def test_who_has_a_place_counts_and_oneself_does_not(node: Node) -> None:
    pods = {
        "self": ("500m", running()),
        "runs": ("100m", running()),
        "comes": ("20m", Facts(accepted_at=1.0)),
        "waits": ("900m", Facts(accepted_at=1.0, unfit=Trouble(UNSCHEDULABLE, "", 1.0))),
        "over": ("300m", running(Exit(code=0, finished_at=2.0))),
        "goes": ("7m", running()),
    }
    tasks = [
        PodTask(node, PodStore(node.paths), stored(node, name, cpu, facts))
        for name, (cpu, facts) in pods.items()
    ]
    capacity = Capacity(node, lambda: tasks)
    assert capacity.taken_beside("self") == {"cpu": 127}
    tasks[-1].released = True
    assert capacity.taken_beside("self") == {"cpu": 120}


def test_a_deferred_resize_is_due_once_the_others_leave_room(node: Node) -> None:
    """And not before: each try in vain would be the reason for the next one."""
    wants, other = running(), running()
    run = wants.of("app").current
    assert run is not None
    run.resources = ResourceRequirements(requests={"cpu": "100m"})
    run.resources_hash = "of what it has"
    deferred = run.resize_trouble = Trouble(resizing.DEFERRED, "no room", 1.0)
    tasks = [
        PodTask(node, PodStore(node.paths), stored(node, "wants", "700m", wants)),
        PodTask(node, PodStore(node.paths), stored(node, "other", "400m", other)),
    ]
    capacity = Capacity(node, lambda: tasks)

    capacity.review()
    assert run.resize_trouble == deferred
    assert not tasks[0]._wake.is_set()

    tasks[1].released = True
    capacity.review()
    assert run.resize_trouble is None
    assert tasks[0]._wake.is_set()
    assert not tasks[1]._wake.is_set()
