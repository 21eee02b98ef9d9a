"""The monitor on the real kernel: what it records, how it ends, and who may disturb it.

Its log has a test module of its own (``test_monitor_log``). Each test runs the monitor as it is
shipped and, where ``make -C pause sanitize`` has built it, the one under the sanitizers.
"""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import signal
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from podrun.linux.capability import die_with_parent
from podrun.linux.process import is_alive, start_time
from tests.integration.monitor_harness import Monitor, Settings, monitor
from tests.node import wait_until

ERROR = {"kind": "MechanismFailed", "message": 'mount: "x"', "hint": "", "reason": "", "errno": 2}


def argument_error(binary: Path, *arguments: str) -> tuple[int, str]:
    done = subprocess.run([binary, *arguments], capture_output=True, text=True, check=False)
    return done.returncode, done.stderr


# ── arguments ────────────────────────────────────────────────────────────────────────────────────


def test_says_its_version(binary: Path) -> None:
    done = subprocess.run([binary, "--version"], capture_output=True, text=True, check=True)
    assert done.stdout.startswith("podrun monitor ")


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        ([], "missing argument --id"),
        (["--id", "x"], "missing argument --pid"),
        (["--id"], "no value for --id"),
        (["--nonsense", "x"], "unknown argument --nonsense"),
        (["--pid", "12x"], "--pid"),
        (["--pid", ""], "--pid"),
        (["--pid", "99999999999999999999"], "--pid"),
        (["--log-max", "-1"], "--log-max"),
        (["--log-files", "0"], "--log-files"),
        (["--stdout", "1"], "--stdout"),
        (["--stdout", "-1"], "--stdout"),
        (["--private-pid", "2"], "--private-pid"),
        (["--log", "relative/path"], "--log"),
    ],
)
def test_refuses_bad_arguments(binary: Path, arguments: list[str], word: str) -> None:
    code, message = argument_error(binary, *arguments)
    assert code == 64
    assert word in message


def test_refuses_what_is_not_open_or_not_there(binary: Path, tmp_path: Path) -> None:
    good = {
        "id": "x", "pid": "2", "records": str(tmp_path / "none"), "log": "/x", "log-max": "0",
        "log-files": "1", "stdout": "900", "stderr": "901", "status": "902", "report": "903",
        "private-pid": "0", "agent-socket": "/x",
    }  # fmt: skip
    words = [word for name, value in good.items() for word in (f"--{name}", value)]
    assert argument_error(binary, *words)[0] == 64  # no agent command
    assert argument_error(binary, *words, "--", "relative")[0] == 64
    code, message = argument_error(binary, *words, "--", "/bin/true")
    assert code == 64
    assert "--stdout is not an open descriptor" in message


# ── the start ────────────────────────────────────────────────────────────────────────────────────


def test_reports_and_records_the_start(binary: Path, tmp_path: Path) -> None:
    os.chown(tmp_path, -1, 1)
    with monitor(binary, tmp_path, "exec sleep 1000") as m:
        report = m.report()
        assert m.record("started.json") == {"version": 1, "startedAt": report["started"]}
        assert not (tmp_path / "exit.json").exists()
        for name in ("started.json", "0.log"):
            about = (tmp_path / name).stat()
            assert (about.st_mode & 0o777, about.st_gid) == (0o640, 1), name


@pytest.mark.parametrize("private", [False, True])
@pytest.mark.parametrize(
    ("script", "code", "number"),
    [
        ("exit 0", 0, 0),
        ("exit 3", 3, 0),
        ("exit 255", 255, 0),
        ("kill -TERM $$", 143, 15),
        ("kill -KILL $$", 137, 9),
    ],
)
def test_records_the_exit(
    binary: Path, tmp_path: Path, script: str, code: int, number: int, private: bool
) -> None:
    with monitor(binary, tmp_path, script, private=private) as m:
        started = m.report()["started"]
        record = m.wait()
    finished = record.pop("finishedAt")
    assert record == {
        "version": 1, "code": code, "signal": number, "startedAt": started,
        "droppedLines": 0, "error": None,
    }  # fmt: skip
    assert finished >= started
    assert sorted(os.listdir(tmp_path)) == ["0.log", "control.sock", "exit.json", "started.json"]


def fails_with(*pieces: bytes) -> Callable[[int], None]:
    def child(status: int) -> None:
        for piece in pieces:
            os.write(status, piece)
        os._exit(128)

    return child


def test_passes_a_failed_start_on(binary: Path, tmp_path: Path) -> None:
    data = json.dumps(ERROR, indent=1).encode()  # with newlines, and in pieces
    child = fails_with(*(data[i : i + 7] for i in range(0, len(data), 7)), b"\n")
    with monitor(binary, tmp_path, "true", child=child) as m:
        assert m.report() == {"failed": ERROR}
        record = m.wait()
    assert record["error"] == ERROR
    assert (record["code"], record["signal"], record["startedAt"]) == (128, 0, None)
    assert not (tmp_path / "started.json").exists()


def test_passes_the_longest_error_on(binary: Path, tmp_path: Path) -> None:
    error = {"message": "x" * (4096 - len('{"message": ""}'))}
    child = fails_with(json.dumps(error).encode())
    with monitor(binary, tmp_path, "true", child=child) as m:
        assert m.report() == {"failed": error}
        assert m.wait()["error"] == error


@pytest.mark.parametrize(
    "data",
    [
        b"\n",
        b"{",
        b'{"message":"cut sh',
        b"not JSON at all\x00}",
        b"{\x00}",
        b"\xff" * 5000,
        b'{"message":"' + b"x" * 4085 + b'"}',
        b'{"message":"' + b"x" * 100_000 + b'"}',
    ],
)
def test_replaces_an_error_it_cannot_pass_on(binary: Path, tmp_path: Path, data: bytes) -> None:
    with monitor(binary, tmp_path, "true", child=fails_with(data)) as m:
        assert m.report()["failed"]["message"].endswith("was cut short")
        assert m.wait()["error"]["kind"] == "MechanismFailed"


@pytest.mark.parametrize("pieces", [[], [b'{"message":"abc']])
def test_knows_a_death_before_the_execution(
    binary: Path, tmp_path: Path, pieces: list[bytes]
) -> None:
    def child(status: int) -> None:
        for piece in pieces:
            os.write(status, piece)
        os.kill(os.getpid(), signal.SIGKILL)

    with monitor(binary, tmp_path, "true", child=child) as m:
        assert "failed" in m.report()
        record = m.wait()
    assert (record["code"], record["signal"], record["startedAt"]) == (137, 9, None)
    assert record["error"]["kind"] == "MechanismFailed"


def zombie(child: int) -> None:
    os.waitid(os.P_PID, child, os.WEXITED | os.WNOWAIT)


def test_records_what_had_ended_before_it_came(binary: Path, tmp_path: Path) -> None:
    with monitor(binary, tmp_path, "echo last words; exit 7", starter=zombie) as m:
        assert "started" in m.report()
        assert m.wait()["code"] == 7
        assert [entry.content for entry in m.entries()] == [b"last words"]


def test_needs_nobody_to_read_the_report(binary: Path, tmp_path: Path) -> None:
    with monitor(binary, tmp_path, "exit 4") as m:
        os.close(m._report)
        m._report = -1
        assert m.wait()["code"] == 4


def reaped(child: int) -> None:
    os.waitpid(child, 0)


def test_records_the_loss_of_a_child_that_is_not_its_own(binary: Path, tmp_path: Path) -> None:
    with monitor(binary, tmp_path, "true", starter=reaped) as m:
        assert m.wait()["code"] == 137


# ── the end ──────────────────────────────────────────────────────────────────────────────────────


def ended(pid: int, start: int) -> Callable[[], bool]:
    return lambda: not is_alive(pid, start)


def unified() -> Path:
    """The cgroup v2 hierarchy, wherever this machine has it."""
    for line in Path("/proc/self/mountinfo").read_text().splitlines():
        fields = line.split()
        if fields[fields.index("-") + 1] == "cgroup2":
            return Path(fields[4])
    pytest.skip("no cgroup v2 hierarchy on this machine")


@pytest.fixture
def cgroup(leak_marks: set[str]) -> Iterator[Path]:
    name = f"podrun-monitor-{secrets.token_hex(4)}"
    leak_marks.add(name)
    path = unified() / name
    path.mkdir()
    yield path
    with contextlib.suppress(OSError):
        (path / "cgroup.kill").write_text("1")
    wait_until(lambda: not (path / "cgroup.procs").read_text())
    path.rmdir()


ORPHANS = "for i in 1 2 3; do sleep 1000 & echo $! ; done; sh -c 'sleep 1000; sleep 1000' & exit 5"


@pytest.mark.parametrize("way", ["kill", "procs", "both"])
def test_kills_the_rest_of_the_container(
    binary: Path, tmp_path: Path, cgroup: Path, way: str
) -> None:
    settings: dict[str, Any] = {"child": joining(cgroup)}
    if way != "procs":
        settings["cgroup_kill"] = cgroup / "cgroup.kill"
    if way != "kill":
        settings["cgroup_procs"] = cgroup / "cgroup.procs"
    with monitor(binary, tmp_path, ORPHANS, **settings) as m:
        record = m.wait()
        assert record["code"] == 5
        assert len(m.entries()) == 3
        assert not (cgroup / "cgroup.procs").read_text()


def joining(cgroup: Path) -> Callable[[int], None]:
    def child(_: int) -> None:
        (cgroup / "cgroup.procs").write_text(str(os.getpid()))

    return child


@pytest.mark.parametrize("script", ["sleep 1000 & exit 6", "yes & exit 6"])
def test_does_not_wait_for_a_pipe_held_elsewhere(
    binary: Path, tmp_path: Path, cgroup: Path, script: str
) -> None:
    child = joining(cgroup)
    with monitor(binary, tmp_path, script, child=child, log_max=1 << 20) as m:
        assert m.wait()["code"] == 6


def test_reaps_only_after_the_record_and_only_its_own(binary: Path, tmp_path: Path) -> None:
    with monitor(binary, tmp_path, "exec sleep 1000") as m:
        m.report()
        (child,) = m.children()
        start = start_time(child)
        os.kill(child, signal.SIGTERM)
        assert m.wait()["signal"] == 15
        assert not is_alive(child, start)
        assert not Path(f"/proc/{child}").exists()


@pytest.mark.parametrize("name", ["HUP", "INT", "TERM", "QUIT", "PIPE", "USR1", "ALRM", "TSTP"])
def test_ignores_signals(binary: Path, tmp_path: Path, name: str) -> None:
    with monitor(binary, tmp_path, "exec sleep 1000") as m:
        m.report()
        os.kill(m.pid, signal.Signals[f"SIG{name}"])
        assert m.ask(b"ping\n") == b"ok\n"


def test_outlives_whoever_started_it(binary: Path, tmp_path: Path) -> None:
    """Started by a process that is then killed, as an agent may be; workers die with theirs."""
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    reader, writer = os.pipe()
    middle = os.fork()
    if middle == 0:
        try:
            settings = Settings(starter=lambda _: die_with_parent(signal.SIGKILL))
            command = ["/bin/sh", "-c", f"read x <{fifo}; exit 9"]
            started = Monitor(binary, tmp_path, command, settings)
            started.report()
            os.write(writer, str(started.pid).encode())
            signal.pause()
        finally:
            os._exit(99)
    os.close(writer)
    pid = int(os.read(reader, 20))
    start = start_time(pid)
    os.kill(middle, signal.SIGKILL)
    os.waitpid(middle, 0)
    assert is_alive(pid, start)
    fifo.write_text("go\n")
    wait_until(ended(pid, start))
    assert json.loads((tmp_path / "exit.json").read_bytes())["code"] == 9
    os.close(reader)
