"""Starts monitors as a worker does: fork the container's main process, then exec the monitor.

test ── fork ──► starter ── fork ──► the container's main process (runs ``child``, then execs)
                    └── exec ──► monitor
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import socket
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NoReturn

import podrun
from podrun.container import devices, streams, terminal
from podrun.linux.process import cloexec_from
from tests.node import wait_until

BIN = Path(podrun.__file__).parent / "bin"
BUILD = Path(podrun.__file__).parent.parent / "pause" / "build"
# The sanitized one is there when `make -C pause sanitize` has built it.
BINARIES = [
    BIN / "monitor",
    *(BUILD / name for name in ("monitor-asan",) if (BUILD / name).exists()),
]

ENTRY = re.compile(
    rb"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9}Z) (stdout|stderr) ([FP]) ([^\n]*)\n", re.DOTALL
)


@dataclass(frozen=True)
class Entry:
    """One line of a log in the CRI format."""

    time: str
    stream: str
    tag: str
    content: bytes


def entries(data: bytes) -> list[Entry]:
    """The log taken apart. AssertionError when any byte of it does not belong to an entry."""
    found = []
    at = 0
    while at < len(data):
        match = ENTRY.match(data, at)
        assert match, f"not an entry of the CRI log format: {data[at : at + 100]!r}"
        time, stream, tag, content = match.groups()
        found.append(Entry(time.decode(), stream.decode(), tag.decode(), content))
        at = match.end()
    return found


def joined(found: list[Entry], stream: str) -> list[bytes]:
    """The lines of one stream, partial entries put together again."""
    lines, parts = [], b""
    for entry in found:
        if entry.stream == stream:
            parts += entry.content
            if entry.tag == "F":
                lines.append(parts)
                parts = b""
    return [*lines, parts] if parts else lines


Child = Callable[[int], None]


@dataclass
class Settings:
    """What a test may want to be different; ``None`` for a path: not given."""

    log_max: int = 0
    log_files: int = 5
    private: bool = False
    socket: bool = True
    stdin: bool = False
    stdin_once: bool = False
    terminal: bool = False
    log: Path | None = None
    records: Path | None = None
    cgroup_kill: Path | None = None
    cgroup_procs: Path | None = None
    agent: list[str] = field(default_factory=lambda: ["/bin/true"])
    child: Child = lambda status: None  # in the main process before exec; has the status pipe
    starter: Callable[[int], None] = lambda child: None  # in the starter before it becomes monitor


class Monitor:
    """One monitor and the paths it was given."""

    def __init__(self, binary: Path, root: Path, argv: list[str], settings: Settings) -> None:
        self.binary, self.root, self.settings = binary, root, settings
        root.mkdir(parents=True, exist_ok=True)
        self.records = settings.records or root
        self.log = settings.log or root / "0.log"
        self.control = root / "control.sock"
        self.agent_socket = root / "agent.sock"
        self.status: int | None = None
        report, report_writer = os.pipe()
        self.pid = os.fork()
        if self.pid == 0:
            self._start(argv, report_writer)
        os.close(report_writer)
        self._report = report

    def _start(self, argv: list[str], report: int) -> None:
        try:
            cloexec_from(3)
            pts = devices.make_pts() if self.settings.terminal else None
            ends = streams.make(stdin=self.settings.stdin, pts=pts)
            child = os.fork()
            if child == 0:
                self._become_container(ends, argv)
            for fd in {ends.stdin, ends.stdout, ends.stderr, ends.status}:
                os.close(fd)
            self.settings.starter(child)
            with socket.socket(socket.AF_UNIX) as listener:
                listener.bind(str(self.control))
                listener.listen(16)
                given = {**ends.monitor, "--report": report, "--socket": listener.fileno()}
                for fd in given.values():
                    os.set_inheritable(fd, True)
                os.execv(self.binary, self.arguments(child, given))
        finally:
            os._exit(99)

    def _become_container(self, ends: streams.Streams, argv: list[str]) -> NoReturn:
        if self.settings.terminal:
            os.setsid()
            terminal.take_control(ends.stdin)
        if self.settings.terminal or self.settings.stdin:
            os.dup2(ends.stdin, 0)
        os.dup2(ends.stdout, 1)
        os.dup2(ends.stderr, 2)
        self.settings.child(ends.status)
        os.execv(argv[0], argv)

    def arguments(self, child: int, given: dict[str, int]) -> list[str]:
        at = self.settings
        options: dict[str, Any] = {
            "id": "c1",
            "pid": child,
            "records": self.records,
            "log": self.log,
            "log-max": at.log_max,
            "log-files": at.log_files,
            "private-pid": int(at.private),
            "stdin-once": int(at.stdin_once) if at.stdin else None,
            "agent-socket": self.agent_socket,
            "cgroup-kill": at.cgroup_kill,
            "cgroup-procs": at.cgroup_procs,
        }
        pairs = [(f"--{name}", str(value)) for name, value in options.items() if value is not None]
        if not at.socket:
            given["--socket"] = -1
        pairs += [(name, str(fd)) for name, fd in given.items()]
        return [str(self.binary), *(word for pair in pairs for word in pair), "--", *at.agent]

    # ── what it says ─────────────────────────────────────────────────────────────────────────────

    def report(self) -> Any:
        """The one line of the report, decoded; None when it was closed without one."""
        with os.fdopen(self._report, "rb") as pipe:
            self._report = -1
            text = pipe.read()
        assert text == b"" or text.count(b"\n") == 1
        return json.loads(text) if text else None

    def record(self, name: str) -> Any:
        return json.loads((self.records / name).read_bytes())

    def entries(self) -> list[Entry]:
        return entries(self.log.read_bytes())

    def wrote(self, text: bytes) -> bool:
        """Is ``text`` in the log? While it is rotated, no file has its name for a moment."""
        with contextlib.suppress(FileNotFoundError):
            return text in self.log.read_bytes()
        return False

    def ask(self, line: bytes) -> bytes:
        """The answer to one command, or what came before the connection was closed."""
        with socket.socket(socket.AF_UNIX) as client:
            client.connect(str(self.control))  # waits while the queue is full
            client.settimeout(10)
            with contextlib.suppress(BrokenPipeError, ConnectionResetError):
                client.sendall(line)
                return client.recv(1000)
        return b""

    # ── its end ──────────────────────────────────────────────────────────────────────────────────

    def children(self) -> list[int]:
        text = Path(f"/proc/{self.pid}/task/{self.pid}/children").read_text()
        return [int(word) for word in text.split()]

    def running(self) -> bool:
        if self.status is None:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                self.status = os.waitstatus_to_exitcode(status)
        return self.status is None

    def wait(self, timeout: float = 20.0) -> Any:
        """Its exit record, once it has left."""
        wait_until(lambda: not self.running(), timeout, "the end of the monitor")
        assert self.status == 0, f"the monitor left with {self.status}"
        return self.record("exit.json")

    def close(self) -> None:
        """Ends the container, then waits for the monitor; kills it when it does not go."""
        if self._report >= 0:
            os.close(self._report)
        if not self.running():
            return
        with contextlib.suppress(OSError):
            for pid in self.children():
                os.kill(pid, signal.SIGKILL)
        try:
            wait_until(lambda: not self.running(), what="the end of the monitor")
        finally:
            if self.running():
                os.kill(self.pid, signal.SIGKILL)
                os.waitpid(self.pid, 0)


@contextlib.contextmanager
def monitor(binary: Path, root: Path, argv: list[str] | str, **settings: Any) -> Iterator[Monitor]:
    """A monitor of ``argv`` (a string: a shell script) with the Settings given."""
    command = ["/bin/sh", "-c", argv] if isinstance(argv, str) else argv
    started = Monitor(binary, root, command, Settings(**settings))
    try:
        yield started
    finally:
        started.close()
