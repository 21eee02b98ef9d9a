"""Garbage collection of a real store on a small disk of its own."""

from __future__ import annotations

import io
import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from podrun.agent import imagegc
from podrun.agent.node import Node as AgentNode
from podrun.image import gc
from podrun.image.store import ImageStore
from podrun.linux import mount
from podrun.linux.diskuse import bytes_of
from podrun.node.config import Config
from podrun.node.paths import Paths
from tests.integration.image_lab import directory, member, tar_of
from tests.node import Node

MIB = 1 << 20
DISK = 64 * MIB


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 64 MiB."""
    path = tmp_path / "disk"
    path.mkdir()
    mount.mount("podrun-test", str(path), "tmpfs", 0, f"size={DISK}")
    try:
        yield path
    finally:
        mount.umount2(str(path), mount.MNT_DETACH)


@pytest.fixture
def agent(disk: Path) -> AgentNode:
    config = Config(state_root=str(disk), image_gc_high_threshold_percent=50,
                    image_gc_low_threshold_percent=30)  # fmt: skip
    return AgentNode(config, Paths(config), "n", (), 1 << 30)


def add(agent: AgentNode, name: str, size: int, *, age: float = 1000.0) -> str:
    """An image of ``size`` bytes that do not compress (twice: its blob, its tree); its ID."""
    store = ImageStore.of(agent.config)
    layer = tar_of(directory("d"), member("d/f", os.urandom(size // 2)))
    image = store.import_rootfs(io.BytesIO(layer), f"localhost/{name}")
    then = time.time() - age
    os.utime(store.layout.blob_path(image.id), (then, then))
    return image.id


def names(agent: AgentNode) -> list[str]:
    found = ImageStore.of(agent.config).list()
    return sorted(i.name.removeprefix("localhost/").removesuffix(":latest") for i in found)


def used(agent: AgentNode, image_id: str, ago: float) -> None:
    layout = ImageStore.of(agent.config).layout
    gc.remember_use(layout, [image_id])
    then = time.time() - ago
    os.utime(layout.images / ".used" / image_id[7:], (then, then))


def in_use(disk: Path) -> int:
    return 100 * bytes_of([disk]) // DISK


def test_below_the_high_mark_nothing_goes(agent: AgentNode) -> None:
    add(agent, "a", 20 * MIB)
    assert imagegc.collect(agent, [], []) == imagegc.Collected(0)
    assert names(agent) == ["a", "host"]


def test_the_longest_unused_go_until_the_low_mark(agent: AgentNode, disk: Path) -> None:
    ids = {name: add(agent, name, 6 * MIB) for name in ("mine", "named")}
    ids |= {name: add(agent, name, 12 * MIB) for name in ("old", "older", "new")}
    used(agent, ids["mine"], 5000)
    used(agent, ids["older"], 4000)
    used(agent, ids["named"], 4500)
    used(agent, ids["old"], 3000)
    used(agent, ids["new"], 2000)
    assert in_use(disk) > 70
    done = imagegc.collect(agent, [ids["mine"]], ["localhost/named"])
    assert done.names == ("localhost/older:latest", "localhost/old:latest", "localhost/new:latest")
    assert done.freed >= done.wanted > 0
    assert names(agent) == ["host", "mine", "named"]
    assert in_use(disk) <= 30
    layout = ImageStore.of(agent.config).layout
    assert sorted(os.listdir(layout.images / ".used")) == sorted(
        ids[name][7:] for name in ("mine", "named")
    )
    for name in ("mine", "named"):
        assert ImageStore.of(agent.config).lowers(ImageStore.of(agent.config).resolve(ids[name]))


def test_what_cannot_go_is_told(agent: AgentNode) -> None:
    mine, named = add(agent, "mine", 20 * MIB), add(agent, "named", 10 * MIB)
    add(agent, "fresh", 10 * MIB, age=1)
    assert named
    done = imagegc.collect(agent, [mine], ["localhost/named", "Bad Name", "localhost/none"])
    assert done.names == ()
    assert done.freed < done.wanted
    assert names(agent) == ["fresh", "host", "mine", "named"]


def test_leftovers_go_before_images(agent: AgentNode) -> None:
    """What a pull has left, and what nobody can name any more."""
    add(agent, "a", 16 * MIB)
    layout = ImageStore.of(agent.config).layout
    partial = layout.partial / ("0" * 64)
    partial.write_bytes(bytes(20 * MIB))
    then = time.time() - 1000
    os.utime(partial, (then, then))
    done = imagegc.collect(agent, [], [])
    assert done.names == ()
    assert done.freed >= done.wanted
    assert names(agent) == ["a", "host"]
    assert not partial.exists()


def test_an_image_with_two_names_goes_with_both(agent: AgentNode) -> None:
    first = add(agent, "a", 40 * MIB)
    ImageStore.of(agent.config).tag("localhost/a", "localhost/b")
    assert imagegc.collect(agent, [], ["localhost/b"]).names == ()
    assert imagegc.collect(agent, [first], []).names == ()
    done = imagegc.collect(agent, [], [])
    assert done.names == ("localhost/a:latest, localhost/b:latest",)
    assert names(agent) == ["host"]


def test_while_an_image_comes_in_its_bytes_stay(agent: AgentNode) -> None:
    """``sweep`` cannot tell what is whose; the next look frees it."""
    add(agent, "a", 40 * MIB)
    with ImageStore.of(agent.config).layout.staging():
        done = imagegc.collect(agent, [], [])
    assert done.names == ("localhost/a:latest",)
    assert done.busy
    assert done.freed < done.wanted
    again = imagegc.collect(agent, [], [])
    assert again.freed > 70 * MIB // 2
    assert again.names == ()


def test_an_empty_node_has_nothing_to_collect(tmp_path: Path) -> None:
    config = Config(state_root=str(tmp_path / "none"), image_gc_high_threshold_percent=1)
    agent = AgentNode(config, Paths(config), "n", (), 1 << 30)
    assert imagegc.collect(agent, [], []).names == ()


# By the agent ────────────────────────────────────────────────────────────────────────────────────

POD = """
apiVersion: v1
kind: Pod
metadata: {name: web}
spec:
  terminationGracePeriodSeconds: 0
  volumes: [{name: v, image: {reference: "localhost/mine"}}]
  containers:
  - name: app
    image: localhost/host
    command: [sleep, "600"]
    volumeMounts: [{name: v, mountPath: /mnt}]
"""


@pytest.fixture
def small_node(disk: Path, leak_marks: set[str], leaves_nothing: None) -> Iterator[Node]:
    node = Node(state_root=str(disk / "state"), image_gc_high_threshold_percent=50,
                image_gc_low_threshold_percent=20, image_minimum_gc_age=0)  # fmt: skip
    leak_marks.add(node.mark)
    yield node
    node.close()


def test_the_agent_collects_when_an_image_is_there(small_node: Node, tmp_path: Path) -> None:
    """The disk is over the high mark, and what may go does not lead to the low one."""
    for name in ("other", "mine"):
        archive = tmp_path / f"{name}.tar"
        archive.write_bytes(tar_of(directory("d"), member("d/f", os.urandom(9 * MIB))))
        small_node.podrun("image", "import", archive, f"localhost/{name}")
    small_node.apply_text(POD)
    log = small_node.paths.agent_log
    small_node.wait_until(lambda: "FreeDiskSpaceFailed" in log.read_text())
    said = log.read_text()
    assert "bytes freed: localhost/other:latest" in said
    assert "Failed to garbage collect required amount of images. Attempted to free" in said
    images = small_node.podrun("image", "ls", "-o", "name").stdout.split()
    assert sorted(images) == ["image/localhost/host:latest", "image/localhost/mine:latest"]
    assert small_node.status("web")["phase"] == "Running"
    used_dir = small_node.paths.images / ".used"
    assert len(os.listdir(used_dir)) == 1
    (record,) = used_dir.iterdir()
    os.utime(record, (1, 1))
    small_node.delete_pods()
    small_node.wait_until(lambda: record.stat().st_mtime > 1, what="the end of its use")
    assert log.read_text().count("FreeDiskSpaceFailed") == 1
