"""What is on the machine that a test could have left: mounts, links, cgroups, processes…

Two snapshots are compared. Other suites may run beside this one, so a difference is a leak when it
is known to be ours: its name, path, environment or cgroup carries one of our *marks* (words that no
other run has). With ``alone=True`` (CI: nobody else is on the machine) every new thing is one,
except new processes, which must be ours by mark or descent: machines start some of their own.

A zombie is not a live process: who reaps it, and when, is up to the machine's PID 1.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

MARK = re.compile(r"prt[0-9a-f]{8}")  # a name of tests.node; another suite sees to its own
LISTENING = "0A"


@dataclass(frozen=True)
class Trace:
    """One thing on the machine; ``owner`` is any text in which a mark may stand."""

    kind: str
    name: str
    owner: str = field(default="", compare=False)

    def marked(self, marks: Iterable[str]) -> bool:
        return any(mark in self.name or mark in self.owner for mark in marks)

    def __str__(self) -> str:
        return f"{self.kind} {self.name}"


Snapshot = frozenset[Trace]


def snapshot() -> Snapshot:
    """Everything of the kinds below that this process can see."""
    return frozenset(trace for kind in (*_FAST, _processes) for trace in kind())


def leaks(before: Snapshot, after: Snapshot, marks: Iterable[str], *, alone: bool) -> list[Trace]:
    """What ``after`` has and ``before`` has not, and is ours."""
    marks = tuple(marks)
    new = sorted(after - before, key=str)
    return [trace for trace in new if trace.marked(marks) or (alone and _nobodys(trace))]


def settled(look: Callable[[], list[Trace]], timeout: float = 10.0) -> list[Trace]:
    """What ``look`` still finds after ``timeout`` seconds; returns at once when it is nothing.

    Ending takes a moment: a killed process unmounts and frees its namespaces after its death.
    """
    deadline = time.monotonic() + timeout * float(os.environ.get("PODRUN_TEST_PATIENCE", "1"))
    pause = 0.01
    while (found := look()) and time.monotonic() < deadline:
        time.sleep(pause)
        pause = min(pause * 2, 0.2)
    return found


def remove(traces: Iterable[Trace]) -> None:
    """Best effort: end and remove what leaked, so that one leak does not fail every later test."""
    order = ["process", "mount", "namespace", "link", "table", "cgroup", "socket", "listener"]
    for trace in sorted(traces, key=lambda t: (order.index(t.kind), -t.name.count("/"))):
        with contextlib.suppress(OSError):
            _remove(trace)


def _remove(trace: Trace) -> None:
    first = trace.name.split()[0]
    match trace.kind:
        case "process":
            os.kill(int(first.partition("@")[0]), signal.SIGKILL)
        case "mount":
            _run("umount", "--lazy", trace.name.split()[1])
        case "namespace":
            _run("ip", "netns", "delete", trace.name)
        case "link":
            _run("ip", "link", "delete", trace.name)
        case "table":
            _run("nft", "delete", "table", *trace.name.split())
        case "cgroup":
            settled(lambda: [] if _rmdir(trace.name) else [trace], timeout=1.0)
        case "socket":
            os.unlink(trace.name)


def _run(*command: str) -> str:
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    return done.stdout


def _rmdir(path: str) -> bool:
    with contextlib.suppress(OSError):
        os.rmdir(path)
    return not os.path.exists(path)


def _nobodys(trace: Trace) -> bool:
    return trace.kind != "process" and not MARK.search(trace.name + trace.owner)


# ── what there is ────────────────────────────────────────────────────────────────────────────────


def _mountinfo() -> Iterator[tuple[str, str, str, str]]:
    """(mount id, mount point, type, the whole line) of our own mount namespace."""
    for line in Path("/proc/self/mountinfo").read_text().splitlines():
        fields = line.split()
        yield fields[0], fields[4], fields[fields.index("-") + 1], line


def _mounts() -> Iterator[Trace]:
    for mount_id, point, fstype, line in _mountinfo():
        yield Trace("mount", f"{mount_id} {point} {fstype}", line)


def _namespaces() -> Iterator[Trace]:
    with contextlib.suppress(FileNotFoundError):
        for name in os.listdir("/run/netns"):
            yield Trace("namespace", name)


def _links() -> Iterator[Trace]:
    for name in os.listdir("/sys/class/net"):
        about = Path("/sys/class/net", name)
        owner = ""
        with contextlib.suppress(OSError):
            owner = (about / "ifalias").read_text() + os.readlink(about / "master")
        if about.is_dir():  # bonding_masters is a file
            yield Trace("link", name, owner)


def _cgroups() -> Iterator[Trace]:
    for _, point, fstype, _ in _mountinfo():
        if fstype in ("cgroup", "cgroup2"):
            for directory, _, _ in os.walk(point):
                yield Trace("cgroup", directory)


def _tables() -> Iterator[Trace]:
    if os.geteuid() == 0 and shutil.which("nft"):
        for line in _run("nft", "list", "tables").splitlines():
            yield Trace("table", line.removeprefix("table "))


def _sockets() -> Iterator[Trace]:
    for line in Path("/proc/net/unix").read_text().splitlines()[1:]:
        path = line.split(maxsplit=7)[7:]
        if path and path[0].startswith("/"):
            yield Trace("socket", path[0])


def _listeners() -> Iterator[Trace]:
    for family in ("tcp", "tcp6"):
        with contextlib.suppress(FileNotFoundError):
            for line in Path("/proc/net", family).read_text().splitlines()[1:]:
                _, local, _, state = line.split()[:4]
                if state == LISTENING:
                    yield Trace("listener", f"{family} {local}")


def _processes() -> Iterator[Trace]:
    """Live user processes; the owner is command line, environment, cgroups and "descendant"."""
    parents: dict[int, int] = {}
    found: list[tuple[int, str, str]] = []
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            with contextlib.suppress(OSError):  # it ended while we looked
                pid, name, parent, owner = _process(Path("/proc", entry))
                parents[pid] = parent
                if owner:
                    found.append((pid, name, owner))
    for pid, name, owner in found:
        if pid != os.getpid():
            line = _descent(pid, parents)
            yield Trace("process", name, owner + (DESCENDANT if os.getpid() in line else ""))


DESCENDANT = "\0descends from this test run\0"


def _process(directory: Path) -> tuple[int, str, int, str]:
    """(pid, "pid@start (command)", parent, owner); a zombie or a kernel thread has no owner: ""."""
    stat = (directory / "stat").read_text()
    command = stat[stat.index("(") + 1 : stat.rindex(")")]
    fields = stat[stat.rindex(")") + 2 :].split()  # from field 3 of proc(5), state, on
    pid, parent = int(directory.name), int(fields[1])
    owner = ""
    if fields[0] not in "ZX" and parent != 2:
        parts = [(directory / name).read_bytes() for name in ("cmdline", "environ", "cgroup")]
        owner = b"\0".join(parts).decode(errors="replace")
    return pid, f"{pid}@{fields[19]} ({command})", parent, owner


def _descent(pid: int, parents: dict[int, int]) -> set[int]:
    line: set[int] = set()
    while pid := parents.get(pid, 0):
        if pid in line:
            break
        line.add(pid)
    return line


_FAST = (_mounts, _namespaces, _links, _cgroups, _tables, _sockets, _listeners)


# ── two halves of a suite beside each other ──────────────────────────────────────────────────────


def main(verb: str, path: str) -> int:
    """``save FILE`` what there is; ``check FILE`` says what is new since, and has no owner.

    Unless CI says that nobody else is on the machine, it may be somebody's, and is let be.
    """
    if verb == "save":
        there = [(trace.kind, trace.name, trace.owner) for trace in snapshot()]
        Path(path).write_text(json.dumps(there))
        return 0
    before = frozenset(Trace(*fields) for fields in json.loads(Path(path).read_text()))
    alone = os.environ.get("PODRUN_TEST_STRICT") == "1"
    left = settled(lambda: leaks(before, snapshot(), (), alone=alone))
    if left:
        print("left behind: " + "; ".join(map(str, left)), file=sys.stderr)
    return 1 if left else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
