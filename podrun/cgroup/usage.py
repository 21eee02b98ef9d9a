"""What a cgroup has used: CPU time since it was made, and its working set.

              v1                                              v2
    cpu       cpuacct.usage (ns)                              cpu.stat usage_usec
    memory    memory.usage_in_bytes − total_inactive_file     memory.current − inactive_file

The working set is the kubelet's: page cache that nobody has touched lately does not count, since
the kernel takes it back before anything is killed. v2 counts CPU time with no controller enabled,
so beside v1 controllers, too. All of these files may be read without root.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from podrun.cgroup.group import Group


class Usage(NamedTuple):
    """``cpu_ns`` since the cgroup was made, ``memory`` in bytes; None where nobody counts."""

    cpu_ns: int | None
    memory: int | None


def usage(group: Group) -> Usage | None:
    """None when there is no such cgroup (any more)."""
    if not group.exists():
        return None
    return Usage(_cpu(group), _memory(group))


def _cpu(group: Group) -> int | None:
    root = group.hierarchy.v1.get("cpuacct")
    if root is not None:
        nanoseconds = _number(root / group.path / "cpuacct.usage")
        if nanoseconds is not None:
            return nanoseconds
    if group.hierarchy.v2 is None:
        return None
    microseconds = _field(group.hierarchy.v2 / group.path / "cpu.stat", "usage_usec")
    return None if microseconds is None else microseconds * 1000


def _memory(group: Group) -> int | None:
    root = group.hierarchy.v1.get("memory")
    if root is not None:
        used = _number(root / group.path / "memory.usage_in_bytes")
        return _working_set(used, root / group.path, "total_inactive_file")
    if group.hierarchy.v2 is None:
        return None
    used = _number(group.hierarchy.v2 / group.path / "memory.current")
    return _working_set(used, group.hierarchy.v2 / group.path, "inactive_file")


def _working_set(used: int | None, directory: Path, field: str) -> int | None:
    if used is None:
        return None
    return max(used - (_field(directory / "memory.stat", field) or 0), 0)


def _number(path: Path) -> int | None:
    for line in _lines(path):
        return int(line)
    return None


def _field(path: Path, name: str) -> int | None:
    """Of a flat keyed file: "name value" lines."""
    for line in _lines(path):
        key, _, value = line.partition(" ")
        if key == name:
            return int(value)
    return None


def _lines(path: Path) -> Iterator[str]:
    try:
        yield from path.read_text().splitlines()
    except OSError:  # no such controller, or it has gone (ENODEV) meanwhile
        return
