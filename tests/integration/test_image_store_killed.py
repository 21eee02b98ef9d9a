"""Imports that are killed or doubled: what is left, what is swept, who waits for whom."""

from __future__ import annotations

import fcntl
import io
import os
import random
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from podrun.image.store import ImageStore
from tests.integration import image_lab as lab
from tests.integration.image_lab import killed_after, member, small
from tests.node import wait_until


def _import_from(reader: int, writer: int, store: ImageStore, name: str) -> int:
    """A child that imports what comes out of the pipe."""
    pid = os.fork()
    if pid == 0:
        os.close(writer)
        try:
            with open(reader, "rb", buffering=0) as stream:
                store.import_rootfs(stream, name)
        finally:
            os._exit(0)
    os.close(reader)
    return pid


def test_an_import_killed_at_any_point_leaves_nothing_half_visible(tmp_path: Path) -> None:
    store = lab.new_store(tmp_path / "state")
    kept = store.import_rootfs(small(), "kept")
    chance = random.Random(7)
    data = lab.tar_of(*(member(f"d{n}/f", os.urandom(9000)) for n in range(60)))
    began = time.monotonic()
    store.import_rootfs(io.BytesIO(data), "victim")
    whole = time.monotonic() - began
    store.remove("victim")
    for _ in range(40):
        seconds = 0.001 + chance.random() * 1.3 * whole
        killed_after(seconds, lambda: store.import_rootfs(io.BytesIO(data), "victim"))
        for image in store.list():  # whatever is visible is whole
            for layer in store.lowers(image):
                assert image.host or len(list(layer.iterdir())) in (1, 60)
    store.remove("victim") if any("victim" in i.name for i in store.list()) else None
    store.prune()
    assert len(list(store.layout.blobs.iterdir())) == 3
    assert [p.name for p in store.layout.snapshots.iterdir()] == [kept.layers[0][7:]]
    assert list((store.layout.images / ".staging").iterdir()) == []
    assert store.resolve("kept") == kept


def _wait_for_staging(store: ImageStore) -> None:
    wait_until(lambda: list((store.layout.images / ".staging").iterdir()), what="the import")


def test_the_next_import_sweeps_what_a_killed_one_left(tmp_path: Path) -> None:
    store = lab.new_store(tmp_path / "state")
    store.layout.prepare()
    reader, writer = os.pipe()
    pid = _import_from(reader, writer, store, "victim")
    _wait_for_staging(store)
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    os.close(writer)
    assert list((store.layout.images / ".staging").iterdir())
    store.import_rootfs(small(), "next")
    assert list((store.layout.images / ".staging").iterdir()) == []


def test_who_cleans_up_spares_an_import_that_is_under_way(tmp_path: Path) -> None:
    store = lab.new_store(tmp_path / "state")
    store.layout.prepare()
    reader, writer = os.pipe()
    pid = _import_from(reader, writer, store, "slow")
    data = lab.tar_of(member("f", os.urandom(100_000)))
    with open(writer, "wb", buffering=0) as pipe:
        pipe.write(data[:50_000])
        _wait_for_staging(store)
        assert store.layout.sweep() is None
        store.import_rootfs(small(), "beside")  # two at once
        store.prune()
        pipe.write(data[50_000:])
    os.waitpid(pid, 0)
    assert store.resolve("slow").size > 100_000
    assert store.resolve("beside")


@pytest.fixture
def locked(store: ImageStore) -> Iterator[ImageStore]:
    store.import_rootfs(small(), "x")
    with open(store.layout.images / ".lock") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield store


def test_reading_waits_for_no_lock(locked: ImageStore) -> None:
    assert locked.lowers(locked.resolve("x"))
    assert len(locked.list()) == 2
