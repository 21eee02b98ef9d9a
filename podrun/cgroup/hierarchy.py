"""Where this machine's cgroups are: v1, v2, or the hybrid of both.

v2      /sys/fs/cgroup is cgroup2 and has the controllers
v1      one mount a controller (or several), no cgroup2
hybrid  v1 for the controllers, cgroup2 beside them without: cgroup.kill works there
"""

from __future__ import annotations

import functools
from pathlib import Path

import msgspec

#: The v1 controllers podrun puts its processes into, where they are mounted: those that limit or
#: count what a Pod can ask for. Each one costs a directory and a move for every container.
V1_CONTROLLERS = ("cpu", "cpuacct", "memory", "pids", "devices", "hugetlb")


class Hierarchy(msgspec.Struct, frozen=True):
    """``v1`` maps a controller to its mount point; ``v2`` is the mount point of cgroup2."""

    v1: dict[str, Path]
    v2: Path | None
    v2_controllers: tuple[str, ...] = ()

    @property
    def mode(self) -> str:
        if self.v1:
            return "hybrid" if self.v2 else "v1"
        return "v2"

    def has(self, controller: str) -> bool:
        return controller in self.v1 or controller in self.v2_controllers

    def roots(self) -> list[Path]:
        """Every mounted hierarchy once; v2 first, because killing works there."""
        found = [self.v2] if self.v2 else []
        for root in self.v1.values():
            if root not in found:
                found.append(root)
        return found


def parse_mounts(text: str) -> Hierarchy:
    """From /proc/self/mounts (proc_pid_mounts(5)). The first mount of a hierarchy counts."""
    v1: dict[str, Path] = {}
    v2: Path | None = None
    for line in text.splitlines():
        _, where, kind, options, *_ = line.split(" ")
        if kind == "cgroup2" and v2 is None:
            v2 = Path(where)
        elif kind == "cgroup":
            for option in options.split(","):
                if option in V1_CONTROLLERS:
                    v1.setdefault(option, Path(where))
    return Hierarchy(v1=v1, v2=v2)


@functools.cache
def detect() -> Hierarchy:
    """The cgroups of this machine; an empty Hierarchy when none are mounted."""
    found = parse_mounts(Path("/proc/self/mounts").read_text())
    if found.v2 is None:
        return found
    controllers = tuple((found.v2 / "cgroup.controllers").read_text().split())
    return Hierarchy(v1=found.v1, v2=found.v2, v2_controllers=controllers)
