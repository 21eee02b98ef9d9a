"""An agent on a machine that has run out of something: disk, processes, descriptors."""

from __future__ import annotations

import asyncio
import errno
import os
from pathlib import Path

import pytest

from podrun.agent import imagegc, storage, worker
from podrun.agent.capacity import UNSCHEDULABLE, Capacity
from podrun.agent.handlers import Handlers
from podrun.agent.hooks import Hooks
from podrun.agent.imagegc import ImageGc
from podrun.agent.logrotate import LogRotation
from podrun.agent.node import Node
from podrun.agent.podstore import PodStore, StoredPod
from podrun.agent.podtask import PodTask
from podrun.agent.storage import StorageWatch
from podrun.api.pod import Container, Lifecycle, LifecycleHandler, ObjectMeta, Pod, PodSpec
from podrun.api.probe import ExecAction
from podrun.errors import MechanismFailed
from podrun.node.config import Config
from podrun.node.paths import Paths
from podrun.pod.actions import RunHook
from podrun.pod.events import Event
from podrun.pod.facts import ContainerFacts, Deletion, Facts, Run, Trouble
from podrun.pod.hooks import POST_START
from tests.node import PATIENCE


@pytest.fixture
def node(tmp_path: Path) -> Node:
    config = Config(state_root=str(tmp_path / "state"), log_root=str(tmp_path / "log"))
    return Node(config, Paths(config), "node", (), 1 << 30, {"cpu": 1000, "memory": 1 << 30})


def stored_pod(
    store: PodStore, name: str, facts: Facts, lifecycle: Lifecycle | None = None
) -> StoredPod:
    container = Container(name="app", image="localhost/host", lifecycle=lifecycle)
    metadata = ObjectMeta(name=name, namespace="default", uid=name)
    return store.create(Pod(metadata=metadata, spec=PodSpec(containers=(container,))), facts, 0)


def full(*_: object, **__: object) -> None:
    raise OSError(errno.ENOSPC, "No space left on device")


def test_pods_are_admitted_and_go_on_though_the_disk_is_full(
    node: Node, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first one's trouble is not the second one's; both tasks try to save what they are."""
    store = PodStore(node.paths)
    unfit = Trouble(UNSCHEDULABLE, "", 1.0)
    pods = [stored_pod(store, name, Facts(accepted_at=1.0, unfit=unfit)) for name in "ab"]
    tasks = [PodTask(node, store, stored) for stored in pods]
    monkeypatch.setattr(store, "save_facts", full)
    Capacity(node, lambda: tasks).review()
    assert all(task.facts.unfit is None and task._wake.is_set() for task in tasks)


def test_an_agent_adopts_pods_though_the_disk_is_full(
    node: Node, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = PodStore(node.paths)
    deletion = Deletion(at=1.0, grace_seconds=30, began_at=1.0)
    stored = stored_pod(store, "going", Facts(accepted_at=1.0, deletion=deletion))
    monkeypatch.setattr(store, "save_facts", full)
    task = PodTask(node, store, stored)
    task.adopt()
    assert task.facts.deletion is not None and task.facts.deletion.began_at > 1.0


def test_who_waits_hears_of_what_no_record_of_events_has_room_for(
    node: Node, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = PodStore(node.paths)
    task = PodTask(node, store, stored_pod(store, "web", Facts(accepted_at=1.0)))
    heard: list[Event] = []
    task.listeners.add(lambda stored, events: heard.extend(events))
    monkeypatch.setattr(store, "save_events", full)
    with pytest.raises(OSError, match="No space"):
        task.accepted()
    assert [event.reason for event in heard] == ["Scheduled"]


def test_storage_is_watched_on_though_one_pod_cannot_be_looked_at(
    node: Node, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = PodStore(node.paths)
    looked: list[str] = []
    pods = [stored_pod(store, name, Facts(accepted_at=1.0)) for name in "ab"]
    tasks = [PodTask(node, store, stored) for stored in pods]

    async def look(self: StorageWatch, task: PodTask) -> None:
        looked.append(task.stored.paths.uid)
        full()

    monkeypatch.setattr(StorageWatch, "_look", look)
    monkeypatch.setattr(storage, "_is_watched", lambda task: len(looked) < 4)
    monkeypatch.setattr(storage, "PERIOD", 0.0)

    async def watch() -> None:
        await StorageWatch(lambda: tasks)._watch()

    asyncio.run(watch())
    assert looked == ["a", "b", "a", "b"]


def test_a_hook_that_cannot_be_begun_has_failed(node: Node) -> None:
    """Else its container would be starting for ever."""
    store = PodStore(node.paths)
    run = Run("r", 0, "image", "id", spec_hash="", sandbox_attempt=0, created_at=1.0)
    facts = Facts(accepted_at=1.0, containers={"app": ContainerFacts(current=run)})
    hook = LifecycleHandler(exec=ExecAction(command=("true",)))
    stored = stored_pod(store, "web", facts, Lifecycle(post_start=hook))

    async def begin() -> None:
        handlers = Handlers(node, stored)
        handlers.hook = full  # type: ignore[method-assign, assignment]
        ended = asyncio.Event()
        Hooks(stored, handlers, ended.set).begin(RunHook(name="app", hook=POST_START))
        await asyncio.wait_for(ended.wait(), PATIENCE)

    asyncio.run(begin())
    assert run.post_start is not None and "No space" in run.post_start.error


def no_process() -> int:
    raise BlockingIOError(errno.EAGAIN, "Resource temporarily unavailable")


def test_no_descriptor_is_lost_where_nothing_can_be_forked(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(os, "fork", no_process)
    _loses_nothing()


def test_a_worker_that_cannot_be_watched_is_not_left_behind(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    begun: list[int] = []

    def no_descriptor(pid: int, flags: int = 0) -> int:
        begun.append(pid)
        raise OSError(errno.EMFILE, "Too many open files")

    monkeypatch.setattr(os, "pidfd_open", no_descriptor)
    _loses_nothing()
    with pytest.raises(ChildProcessError):
        os.waitpid(begun[0], os.WNOHANG)


def test_images_are_collected_at_the_next_look_where_nothing_could_be_forked(
    node: Node, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(ImageGc, "_is_full", lambda self: True)
    monkeypatch.setattr(os, "fork", no_process)
    monkeypatch.setattr(imagegc, "PERIOD", 0.0)

    async def look() -> None:
        images = ImageGc(node, lambda: [])
        for _ in range(2):
            images.look()
            assert images._running is not None
            await images._running
            assert images._running is None

    asyncio.run(look())
    assert "ImageGCFailed: fork a worker: Resource temporarily unavailable" in caplog.text


def test_logs_are_compressed_at_the_next_look_where_nothing_could_be_forked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    directories = [tmp_path / name for name in "ab"]
    for directory in directories:
        directory.mkdir()
        for second in "12":
            (directory / f"0.log.20240501-10000{second}").touch()
    monkeypatch.setattr(os, "fork", no_process)

    async def look() -> None:
        logs = LogRotation(tmp_path)
        for directory in directories * 2:
            logs._look_into(directory)
            assert logs._task is not None
            await logs._task
            assert logs._task is None

    asyncio.run(look())
    told = [each for each in caplog.messages if "Resource temporarily unavailable" in each]
    assert len(told) == 4


def _loses_nothing() -> None:
    before = os.listdir("/proc/self/fd")
    with pytest.raises(MechanismFailed):
        worker.Forked(lambda report, go: None)
    assert os.listdir("/proc/self/fd") == before
