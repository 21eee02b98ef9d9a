"""The namespaces of a pod as a tree: which container shares what with pause, by inode.

pause (process 4242)
│    holds   net 4026532301, ipc 4026532299, uts 4026532298, mnt 4026532297
├─ app (process 4250)
│    shares  net, ipc, uts
│    own     mnt 4026532310, pid 4026532311, cgroup 4026532312
└─ log (process 4261)
     shares  net, ipc, uts
     own     mnt 4026532320, pid 4026532321, cgroup 4026532322
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import msgspec

from podrun.agent.podstore import StoredPod
from podrun.cli.width import hanging
from podrun.container.spec import ContainerRecord, record_path
from podrun.linux import namespace
from podrun.linux.users import COUNT
from podrun.node.paths import Paths
from podrun.node.records import read_record
from podrun.pod.runs import is_running
from podrun.sandbox.create import read

KINDS = ("net", "ipc", "uts", "pid", "mnt", "cgroup", "user")

Inodes = Mapping[str, int]


class Member(msgspec.Struct, frozen=True):
    name: str
    pid: int
    inodes: dict[str, int]


def tree(stored: StoredPod, paths: Paths, width: int | None = None) -> list[str]:
    """The lines to print; one that says why, when there is nothing to see or no right to."""
    try:
        sandbox = read(stored.paths)
        if sandbox is None or not sandbox.alive():
            return hanging("", "no sandbox: no process holds namespaces for this pod now", width)
        pause = Member("pause", sandbox.pid, _inodes(sandbox.pid))
        members = list(_members(stored, paths))
        host = _inodes("self")
    except PermissionError:
        return ["run it with sudo to see them"]
    except FileNotFoundError:
        return ["it is ending just now"]
    ids = _ids(sandbox.first_id)
    lines = list(draw(pause, members, host, width))
    return [*hanging("", ids, width), *lines] if ids else lines


def _ids(first: int) -> str:
    return f"user ids 0–{COUNT - 1} are {first}–{first + COUNT - 1} of the host" if first else ""


def _members(stored: StoredPod, paths: Paths) -> Iterator[Member]:
    for container in stored.pod.spec.all_containers:
        run = stored.facts.of(container.name).current
        if run is None or not is_running(run):
            continue
        record = read_record(record_path(paths.runtime, run.id), ContainerRecord)
        if record is not None and record.main_alive():
            yield Member(container.name, record.pid, _inodes(record.pid))


def _inodes(pid: int | str) -> dict[str, int]:
    return {kind: namespace.inode(pid, kind) for kind in KINDS}


def draw(
    pause: Member, members: list[Member], host: Inodes, width: int | None = None
) -> Iterator[str]:
    yield f"{pause.name} (process {pause.pid})"
    bar = "│    " if members else "     "
    held = {"holds": _own(pause, host), "host's": _same(pause, host)}
    yield from _facts(bar, held, width)
    for index, member in enumerate(members):
        last = index == len(members) - 1
        yield f"{'└─' if last else '├─'} {member.name} (process {member.pid})"
        shared = {kind: n for kind, n in pause.inodes.items() if n != host.get(kind)}
        rest = {**host, **shared}
        lines = {
            "shares": _same(member, shared),
            "own": _own(member, rest, host),
            "host's": _same(member, host),
        }
        yield from _facts("     " if last else "│    ", lines, width)


def _facts(start: str, values: dict[str, str], width: int | None) -> Iterator[str]:
    for name, value in values.items():
        if value:
            yield from hanging(f"{start}{name:<8}", value, width, f"{start}{'':<8}")


def _own(member: Member, *others: Inodes) -> str:
    """What is in none of ``others``, with its number."""
    return ", ".join(
        f"{kind} {number}"
        for kind, number in member.inodes.items()
        if all(other.get(kind) != number for other in others)
    )


def _same(member: Member, other: Inodes) -> str:
    return ", ".join(k for k, number in member.inodes.items() if other.get(k) == number)
