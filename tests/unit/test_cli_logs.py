"""Logs: parsing, joining, rotated files, tails, and following while files move away."""

from __future__ import annotations

import gzip
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from podrun.cli.crilog import Entry, Joiner, files, parse, tail_start
from podrun.cli.follow import Follower
from tests.unit.cli_node import Cli

T = "2024-05-01T10:00:{:02d}.000000000Z"


def entry(text: str, *, second: int = 0, stream: str = "stdout", tag: str = "F") -> bytes:
    return f"{T.format(second)} {stream} {tag} {text}\n".encode()


def write(path: Path, *entries: bytes) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"".join(entries))
    return path


def read_all(follower: Follower) -> list[str]:
    found = [parse(raw) for raw in follower.poll()]
    return [each.content.decode() for each in found if each is not None]


# ── the format ──────────────────────────────────────────────────────────────────────────────────


def test_an_entry() -> None:
    assert parse(entry("a  b ")[:-1]) == Entry(T.format(0).encode(), b"stdout", True, b"a  b ")
    assert parse(entry("", tag="P")[:-1]) == Entry(T.format(0).encode(), b"stdout", False, b"")


@pytest.mark.parametrize("raw", [b"", b"x", b"t stdin F x", b"t stdout X x", b"\0\0\0"])
def test_no_entry(raw: bytes) -> None:
    assert parse(raw) is None


def test_parts_of_two_streams_are_joined() -> None:
    joiner = Joiner()
    raws = [
        entry("out1 ", tag="P"), entry("err1 ", tag="P", stream="stderr"),
        entry("out2"), entry("err2", stream="stderr"), entry("rest", tag="P"),
    ]  # fmt: skip
    lines = [line for raw in raws if (e := parse(raw[:-1])) for line in joiner.feed(e)]
    assert [(line.content, line.ended) for line in lines] == [
        (b"out1 out2", True),
        (b"err1 err2", True),
    ]
    assert [(line.content, line.ended) for line in joiner.rest()] == [(b"rest", False)]
    assert list(joiner.rest()) == []


def test_a_line_without_end_does_not_fill_the_memory() -> None:
    joiner = Joiner()
    part = Entry(b"t", b"stdout", False, b"x" * 16384)
    pieces = [line for _ in range(200) for line in joiner.feed(part)]
    assert pieces and not any(piece.ended for piece in pieces)
    assert max(len(piece.content) for piece in pieces) <= (1 << 20) + 16384


# ── the files ───────────────────────────────────────────────────────────────────────────────────


def test_rotated_files_come_first_in_the_order_of_time(tmp_path: Path) -> None:
    current = write(tmp_path / "0.log", entry("x"))
    names = [
        "0.log.20240501-100000",
        "0.log.20240501-100000-0001",
        "0.log.20240501-100001.gz",
        "0.log.20240502-000000",
    ]
    for name in [*names, "10.log", "0.log.tmp", "0.log.20240501", "1.log.20240501-100000"]:
        write(tmp_path / name)
    assert [path.name for path in files(current)] == [*names, "0.log"]


def test_a_file_being_compressed_counts_once(tmp_path: Path) -> None:
    write(tmp_path / "0.log.20240501-100000.gz")
    write(tmp_path / "0.log.20240501-100000")
    assert len(files(tmp_path / "0.log")) == 1


def test_no_directory_no_files(tmp_path: Path) -> None:
    assert files(tmp_path / "none" / "0.log") == []


def three_files(directory: Path, lines: list[bytes]) -> list[Path]:
    """``lines`` over a compressed, a rotated and the current file."""
    third = len(lines) // 3
    oldest = directory / "0.log.20240501-100000.gz"
    oldest.write_bytes(gzip.compress(b"".join(lines[:third])))
    write(directory / "0.log.20240501-100001", *lines[third : 2 * third])
    write(directory / "0.log", *lines[2 * third :])
    return files(directory / "0.log")


@given(
    count=st.integers(0, 40),
    sizes=st.lists(st.integers(0, 70000), max_size=12) | st.lists(st.integers(0, 30), max_size=40),
)
@settings(max_examples=60, deadline=None)
def test_the_tail_is_the_end_of_the_whole(
    tmp_path_factory: pytest.TempPathFactory, count: int, sizes: list[int]
) -> None:
    directory = tmp_path_factory.mktemp("log")
    lines = [entry("x" * size, second=index % 60) for index, size in enumerate(sizes)]
    follower = Follower(directory / "0.log", directory / "exit.json")
    three_files(directory, lines)
    follower.start(count)
    assert list(follower.poll()) == [line[:-1] for line in lines][len(lines) - count :] or (
        count > len(lines) or count == 0
    )
    follower.close()


def test_a_line_in_parts_is_one_line_of_the_tail(tmp_path: Path) -> None:
    write(tmp_path / "0.log", entry("1"), entry("2a", tag="P"), entry("2b"), entry("3", tag="P"))
    for count, expected in [(1, ["3"]), (2, ["2a", "2b", "3"]), (3, ["1", "2a", "2b", "3"])]:
        follower = Follower(tmp_path / "0.log", tmp_path / "exit.json")
        follower.start(count)
        assert read_all(follower) == expected
        follower.close()


def test_a_torn_line_at_the_end_is_not_counted(tmp_path: Path) -> None:
    path = write(tmp_path / "0.log", entry("1"), entry("2"), b"2024-05-01T10:0")
    assert tail_start([path], 1) == (0, len(entry("1")))


def test_a_tail_of_nothing_is_the_end(tmp_path: Path) -> None:
    path = write(tmp_path / "0.log", entry("1"))
    assert tail_start([path], 0) == (0, len(entry("1")))
    assert tail_start([], 5) == (0, 0)


# ── following ───────────────────────────────────────────────────────────────────────────────────


def rotate(path: Path, number: int) -> None:
    path.rename(path.with_name(f"{path.name}.20240501-1000{number:02d}"))


def test_following_across_rotations(tmp_path: Path) -> None:
    log = write(tmp_path / "0.log", entry("1"))
    follower = Follower(log, tmp_path / "run" / "exit.json")
    (tmp_path / "run").mkdir()
    follower.start()
    assert read_all(follower) == ["1"]
    with log.open("ab") as file:  # written before the rotation, not yet read
        file.write(entry("2"))
    rotate(log, 1)
    assert read_all(follower) == ["2"]  # the new file is not there yet
    write(log, entry("3"))
    rotate(log, 2)
    write(log, entry("4"))
    assert read_all(follower) == ["3", "4"]
    assert read_all(follower) == [] and not follower.ended
    (tmp_path / "run" / "exit.json").touch()
    with log.open("ab") as file:
        file.write(entry("5"))
    assert read_all(follower) == ["5"]
    assert follower.ended
    follower.close()


def test_following_when_the_file_in_hand_was_pruned(tmp_path: Path) -> None:
    log = write(tmp_path / "0.log", entry("1"))
    (tmp_path / "run").mkdir()
    follower = Follower(log, tmp_path / "run" / "exit.json")
    follower.start()
    assert read_all(follower) == ["1"]
    log.unlink()
    write(tmp_path / "0.log.20240501-100001", entry("8"))
    write(log, entry("9"))
    assert read_all(follower) == ["8", "9"]
    follower.close()


def test_following_half_a_line(tmp_path: Path) -> None:
    whole = entry("a line")
    log = write(tmp_path / "0.log", whole[:20])
    follower = Follower(log, tmp_path / "run" / "exit.json")
    follower.start()
    assert read_all(follower) == []
    with log.open("ab") as file:
        file.write(whole[20:])
    assert read_all(follower) == ["a line"]
    follower.close()


def test_following_a_pod_that_goes(tmp_path: Path) -> None:
    follower = Follower(tmp_path / "gone" / "0.log", tmp_path / "gone" / "exit.json")
    follower.start()
    assert read_all(follower) == []
    assert follower.ended


# ── the verb ────────────────────────────────────────────────────────────────────────────────────


def test_logs_of_the_only_container(cli: Cli) -> None:
    stored = cli.pod("web")
    log = stored.paths.log("app", 0)
    write(log, entry("2"), entry("3", stream="stderr"), entry("end", tag="P"))
    write(log.with_name("0.log.20240501-100000"), entry("1"))
    assert cli("logs", "web") == (0, "1\n2\n3\nend", "")
    assert cli("logs", "pod/web", "--tail", "2").out == "3\nend"
    assert cli("logs", "web", "--tail=0").out == ""


def test_timestamps_and_prefix(cli: Cli) -> None:
    write(cli.pod("web").paths.log("app", 0), entry("a", tag="P"), entry("b", second=1))
    done = cli("logs", "web", "--timestamps", "--prefix")
    assert done.out == f"[pod/web/app] {T.format(0)} ab\n"


def test_since(cli: Cli) -> None:
    log = cli.pod("web").paths.log("app", 0)
    now = time.strftime("%Y-%m-%dT%H:%M:%S.000000000Z", time.gmtime())
    write(log, entry("old"), f"{now} stdout F new\n".encode())
    assert cli("logs", "web", "--since", "1m").out == "new\n"
    assert cli("logs", "web", "--since-time", "2024-05-01T12:00:00+02:00").out == "old\nnew\n"
    assert cli("logs", "web", "--since-time", "2024-05-01T10:00:01Z").out == "new\n"
    assert cli("logs", "web", "--since-time", "yesterday").code == 2
    assert cli("logs", "web", "--since", "1m", "--since-time", now).code == 2


def test_the_first_container_unless_told(cli: Cli) -> None:
    stored = cli.pod("web", "app", "side", init=("setup",))
    for name in ("setup", "app", "side"):
        write(stored.paths.log(name, 0), entry(f"of {name}"))
    done = cli("logs", "web")
    assert done.out == "of app\n"
    assert done.err == 'Defaulted container "app" out of: app, side, setup (init)\n'
    assert cli("logs", "web", "-c", "setup") == (0, "of setup\n", "")
    assert cli("logs", "web", "side").out == "of side\n"
    every = cli("logs", "web", "--all-containers", "--prefix")
    assert every.out.splitlines() == [
        "[pod/web/setup] of setup",
        "[pod/web/app] of app",
        "[pod/web/side] of side",
    ]


def test_what_is_not_there(cli: Cli) -> None:
    cli.pod("web")
    assert cli("logs", "nope").code == 1
    assert 'has no container "x"' in cli("logs", "web", "-c", "x").err
    assert "has no previous run" in cli("logs", "web", "--previous").err


def test_a_container_that_waits(cli: Cli) -> None:
    cli.pod("web", running=False)
    done = cli("logs", "web")
    assert done.code == 1 and "is waiting to start: ContainerCreating" in done.err


def test_previous(cli: Cli) -> None:
    stored = cli.pod("web")
    known = stored.facts.containers["app"]
    container = stored.pod.spec.containers[0]
    known.last, known.current = known.current, cli.run(container, time.time(), attempt=1)
    known.restarts = 1
    cli.save(stored)
    write(stored.paths.log("app", 0), entry("first"))
    write(stored.paths.log("app", 1), entry("second"))
    assert cli("logs", "web").out == "second\n"
    assert cli("logs", "web", "-p").out == "first\n"


def test_follow_ends_with_the_container(cli: Cli) -> None:
    stored = cli.pod("web")
    log = write(stored.paths.log("app", 0), entry("1"))
    exit_record = stored.paths.attempt("app", 0) / "exit.json"
    process = subprocess.Popen(
        [sys.executable, "-m", "podrun", "logs", "-f", "web"],
        stdout=subprocess.PIPE,
        env={**os.environ, "PODRUN_CONFIG": str(cli.config_file)},
    )
    assert process.stdout is not None
    assert process.stdout.readline() == b"1\n"
    rotate(log, 1)
    write(log, entry("2"))
    assert process.stdout.readline() == b"2\n"
    with log.open("ab") as file:
        file.write(entry("bye", tag="P"))
    exit_record.write_text('{"version":1,"code":0,"signal":0,"startedAt":1,"finishedAt":2}')
    rest, _ = process.communicate(timeout=20)
    assert (process.returncode, rest) == (0, b"bye")
