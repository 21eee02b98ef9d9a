"""Compressing rotated logs: which ones, crash in the middle, pruning meanwhile; following on."""

from __future__ import annotations

import asyncio
import gzip
import os
from pathlib import Path

import pytest

from podrun.agent import logrotate, worker
from podrun.cli.crilog import files
from podrun.cli.follow import Follower

T = "2024-05-01T10:00:00.000000000Z stdout F "
NAMES = [f"0.log.20240501-1000{second:02d}" for second in range(4)]


@pytest.fixture
def logs(tmp_path: Path) -> Path:
    """Four rotated logs, and the one being written; each holds its own name."""
    directory = tmp_path / "default_web_1" / "app"
    directory.mkdir(parents=True)
    for age, name in enumerate([*NAMES, "0.log"]):
        path = directory / name
        path.write_text(f"{T}{name}\n")
        os.chmod(path, 0o640)
        os.utime(path, ns=(0, 1_700_000_000_000_000_000 + age))
    return directory


def names(directory: Path) -> list[str]:
    return sorted(os.listdir(directory))


COMPRESSED = sorted(["0.log", NAMES[3], *(f"{name}.gz" for name in NAMES[:3])])


@pytest.fixture(autouse=True)
def keeps_its_priority(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "nice", lambda _: 0)


def test_all_but_the_newest(logs: Path) -> None:
    assert logrotate.work(logs) == NAMES[:3]
    logrotate.compress(str(logs))
    assert names(logs) == COMPRESSED
    assert logrotate.work(logs) == []
    for age, name in enumerate(NAMES[:3]):
        path = logs / f"{name}.gz"
        assert gzip.decompress(path.read_bytes()).decode() == f"{T}{name}\n"
        about = path.stat()
        assert about.st_mode & 0o777 == 0o640
        assert about.st_mtime_ns == 1_700_000_000_000_000_000 + age
    assert [path.name for path in files(logs / "0.log")] == [
        *(f"{name}.gz" for name in NAMES[:3]), NAMES[3], "0.log",
    ]  # fmt: skip


def test_the_newest_of_each_run_stays_plain(logs: Path) -> None:
    for name in ("1.log.20240501-100000", "1.log.20240501-100000-0001", "10.log.20240501-100000"):
        (logs / name).write_text("x\n")
    assert logrotate.work(logs) == [*NAMES[:3], "1.log.20240501-100000"]


def test_what_is_not_ours_stays(logs: Path) -> None:
    strange = ["0.log.bak", "0.log.20240501-10000x", "x.log.20240501-100000", ".hidden", "0.log.gz"]
    for name in strange:
        (logs / name).write_text("x")
    (logs / "0.log.20240501-090000").symlink_to("/etc/passwd")
    with pytest.raises(OSError, match="symbolic links"):
        logrotate.compress(str(logs))
    for name in strange:
        assert (logs / name).read_text() == "x"


def test_killed_while_writing(logs: Path) -> None:
    (logs / f".{NAMES[0]}.gz.tmp").write_bytes(b"half")
    logrotate.compress(str(logs))
    assert names(logs) == COMPRESSED


def test_killed_before_the_plain_one_was_removed(logs: Path) -> None:
    (logs / f"{NAMES[0]}.gz").write_bytes(b"of the last time")
    assert next(path.name for path in files(logs / "0.log")) == NAMES[0]
    logrotate.compress(str(logs))
    assert names(logs) == COMPRESSED
    assert gzip.decompress((logs / f"{NAMES[0]}.gz").read_bytes()).decode() == f"{T}{NAMES[0]}\n"


def test_killed_with_only_the_newest_left_twice(logs: Path) -> None:
    (logs / f"{NAMES[3]}.gz").write_bytes(b"")
    logrotate.compress(str(logs))
    assert NAMES[3] in names(logs)


def test_pruned_meanwhile_stays_pruned(logs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rename = os.rename

    def prune_first(*args: object, **kwargs: object) -> None:
        (logs / NAMES[0]).unlink(missing_ok=True)
        rename(*args, **kwargs)  # type: ignore[arg-type]

    monkeypatch.setattr(os, "rename", prune_first)
    logrotate.compress(str(logs))
    assert names(logs) == [name for name in COMPRESSED if not name.startswith(NAMES[0])]


def test_a_directory_that_goes_meanwhile(logs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rename = os.rename

    def remove_first(*args: object, **kwargs: object) -> None:
        logrotate.remove(logs.parent)
        rename(*args, **kwargs)  # type: ignore[arg-type]

    monkeypatch.setattr(os, "rename", remove_first)
    logrotate.compress(str(logs))
    assert not logs.parent.exists()
    logrotate.compress(str(logs))


def test_following_goes_on_after_the_file_in_hand_was_compressed(
    logs: Path, tmp_path: Path
) -> None:
    follower = Follower(logs / "0.log", tmp_path / "default_web_1" / "exit.json")
    follower.start()
    seen = next(follower.poll())  # of the oldest; nothing after it was opened yet
    logrotate.compress(str(logs))
    rest = list(follower.poll())
    follower.close()
    assert [raw.split()[-1].decode() for raw in (seen, *rest)] == [*NAMES, "0.log"]


# ── the agent's part ─────────────────────────────────────────────────────────────────────────────


def test_new_pods_and_containers_are_watched(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    done: asyncio.Queue[str] = asyncio.Queue()

    async def run(_: object, directory: str) -> None:
        logrotate.compress(directory)
        done.put_nowait(directory)

    async def session() -> None:
        monkeypatch.setattr(worker, "run", run)
        rotation = logrotate.LogRotation(tmp_path)
        rotation.start()
        try:
            for pod in ("default_web_1", "default_other_2"):
                directory = tmp_path / pod / "app"
                directory.mkdir(parents=True)
                for name in NAMES[:3]:
                    (directory / "0.log").write_text(f"{T}{name}\n")
                    os.rename(directory / "0.log", directory / name)
                while names(directory) != [f"{NAMES[0]}.gz", f"{NAMES[1]}.gz", NAMES[2]]:
                    await asyncio.wait_for(done.get(), 20)
                logrotate.remove(tmp_path / pod)
        finally:
            rotation.stop()

    asyncio.run(session())


def test_what_was_rotated_without_an_agent_is_compressed_at_its_start(
    logs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def run(_: object, directory: str) -> None:
        logrotate.compress(directory)

    async def session() -> None:
        monkeypatch.setattr(worker, "run", run)
        (tmp_path / "a file").touch()
        rotation = logrotate.LogRotation(tmp_path)
        rotation.start()
        assert rotation._task is not None
        await rotation._task
        rotation.stop()
        rotation.stop()

    asyncio.run(session())
    assert names(logs) == COMPRESSED
