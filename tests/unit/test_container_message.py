"""Termination messages: limits, the fall-back to the log, and a file that is not what it was."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from podrun.container.attach import DetachKeys
from podrun.container.message import read_message
from podrun.node.paths import PodPaths

FALLBACK = "FallbackToLogsOnError"


@pytest.fixture
def pod(tmp_path: Path) -> PodPaths:
    paths = PodPaths(uid="u", root=tmp_path, logs=tmp_path / "logs", lock=tmp_path / "lock")
    paths.attempt("c", 0).mkdir(parents=True)
    paths.log("c", 0).parent.mkdir(parents=True)
    return paths


def file(pod: PodPaths) -> Path:
    return pod.attempt("c", 0) / "termination-log"


def write_log(pod: PodPaths, *entries: str, name: str = "0.log") -> None:
    stamp = "2024-05-01T10:00:00.000000000Z"
    text = "".join(f"{stamp} {entry}\n" for entry in entries)
    (pod.log("c", 0).parent / name).write_text(text)


def read(pod: PodPaths, exit_code: int = 1, policy: str = FALLBACK) -> str:
    return read_message(pod, "c", 0, exit_code=exit_code, policy=policy)


def test_the_first_4096_bytes(pod: PodPaths) -> None:
    file(pod).write_bytes(b"a" * 4096 + b"b")
    assert read(pod) == "a" * 4096
    assert read(pod, 0, "File") == "a" * 4096


def test_what_is_no_text(pod: PodPaths) -> None:
    file(pod).write_bytes(b"\xff\x00x")
    assert read(pod) == "\ufffd\x00x"


@pytest.mark.parametrize(
    ("code", "policy", "found"), [(1, FALLBACK, "out\nerr\n"), (0, FALLBACK, ""), (1, "File", "")]
)
def test_the_log_only_on_errors_and_only_if_asked_for(
    pod: PodPaths, code: int, policy: str, found: str
) -> None:
    file(pod).touch()
    write_log(pod, "stdout F out", "stderr F err")
    assert read(pod, code, policy) == found
    file(pod).write_text("said")
    assert read(pod, code, policy) == "said"


def test_the_last_80_lines(pod: PodPaths) -> None:
    write_log(pod, *(f"stdout F {n}" for n in range(100)))
    assert read(pod).split() == [str(n) for n in range(20, 100)]


def test_of_those_the_last_2048_bytes(pod: PodPaths) -> None:
    write_log(pod, *("stdout F " + "x" * 99 for _ in range(80)))
    assert len(read(pod)) == 2048


def test_lines_in_parts_and_one_without_end(pod: PodPaths) -> None:
    long = "y" * 16384
    write_log(pod, f"stdout P {long}", "stdout F end", "stderr P no end")
    assert read(pod) == (long + "end\nno end")[-2048:]


def test_torn_and_strange_entries_are_passed_over(pod: PodPaths) -> None:
    pod.log("c", 0).write_bytes(b"torn\n\n2024 stdin F x\n2024 stdout F good\n2024 stdout")
    assert read(pod) == "good\n"


def test_a_log_that_was_rotated_a_moment_ago(pod: PodPaths) -> None:
    write_log(pod, "stdout F older", name="0.log.20240501-100000")
    write_log(pod, "stdout F old", name="0.log.20240501-100001")
    write_log(pod)
    assert read(pod) == "old\n"


@pytest.mark.parametrize("what", ["fifo", "link", "directory", "nothing"])
def test_a_file_that_is_none(pod: PodPaths, what: str, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("secret")
    if what == "fifo":
        os.mkfifo(file(pod))
    elif what == "link":
        file(pod).symlink_to(tmp_path / "secret")
    elif what == "directory":
        file(pod).mkdir()
    assert read(pod) == ""


# ── the keys that detach ─────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("pieces", "passed", "left"),
    [
        ([b"abc"], b"abc", False),
        ([b"\x10\x11"], b"", True),
        ([b"ab\x10\x11cd"], b"ab", True),
        ([b"a\x10", b"\x11"], b"a", True),
        ([b"\x10", b"x"], b"\x10x", False),
        ([b"\x10\x10", b"\x11"], b"\x10", True),
        ([b"\x11\x10"], b"\x11", False),
    ],
)
def test_detach_keys(pieces: list[bytes], passed: bytes, left: bool) -> None:
    keys = DetachKeys()
    results = [keys.feed(piece) for piece in pieces]
    assert b"".join(data for data, _ in results) == passed
    assert [leave for _, leave in results] == [False] * (len(pieces) - 1) + [left]
