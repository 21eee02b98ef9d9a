"""One cgroup, the same directory in every hierarchy: make, fill, limit, kill, count, remove.

Below the node's root (``podrun`` by default), by QoS class as the kubelet does:

    podrun/pod<uid>/<container>              Guaranteed
    podrun/burstable/pod<uid>/<container>
    podrun/besteffort/pod<uid>/<container>
"""

from __future__ import annotations

import contextlib
import errno
import os
import signal
import time
from collections.abc import Iterable, Iterator
from pathlib import Path

from podrun.cgroup.hierarchy import Hierarchy, detect
from podrun.cgroup.limits import Limits, of_machine, v1_files, v2_files
from podrun.errors import MechanismFailed, Unavailable
from podrun.linux import clone, hugepages

#: Controllers of v2 that podrun limits or counts with, and so enables on the way to its own (with
#: hugetlb, on a machine that has huge pages). No others: what is enabled here cannot be mounted as
#: v1 by somebody else.
_DELEGATED = ("cpu", "memory", "pids")
#: what clone3 answers where it is forbidden (a container's seccomp filter), unknown, or too old
_NO_CLONE3 = (errno.ENOSYS, errno.EPERM, errno.EINVAL, errno.E2BIG)
#: where the processes of a container's own root cgroup go, to make room
_INIT = "init"


class Group:
    """The cgroup ``path`` (relative, no leading slash) of this machine's hierarchies.

    ValueError for a path that is not below the root: to kill or remove the root is to end the
    machine.
    """

    def __init__(self, path: str, hierarchy: Hierarchy | None = None) -> None:
        if not path or path.startswith("/") or ".." in path.split("/"):
            raise ValueError(f"{path!r} is not the path of a cgroup below the root")
        self.path = path
        self.hierarchy = hierarchy or detect()

    def child(self, name: str) -> Group:
        return Group(f"{self.path}/{name}", self.hierarchy)

    def directories(self) -> list[Path]:
        return [root / self.path for root in self.hierarchy.roots()]

    def exists(self) -> bool:
        return any(directory.is_dir() for directory in self.directories())

    def create(self, limits: Limits | None = None) -> None:
        """Make it (parents too) and set ``limits``. Raises MechanismFailed, Unavailable."""
        if not self.hierarchy.roots():
            raise Unavailable(
                "no cgroup file system is mounted",
                hint="mount -t cgroup2 cgroup2 /sys/fs/cgroup",
            )
        limits = of_machine(limits or Limits(), hugepages.totals())
        wanted = {*_DELEGATED, *(["hugetlb"] if limits.hugepages is not None else [])}
        wanted &= set(self.hierarchy.v2_controllers)
        try:
            for directory in self.directories():
                os.makedirs(directory, exist_ok=True)
            if self.hierarchy.v2 and wanted:
                _delegate(self.hierarchy.v2, self.path, wanted)
        except OSError as error:
            raise MechanismFailed.from_oserror(
                f"make the cgroup {self.path}", error, hint=_hint(error)
            ) from None
        self.set_limits(limits)

    def set_limits(self, limits: Limits) -> None:
        """Write what ``limits`` says; what it leaves out stays as it is."""
        for controller, files in v1_files(limits).items():
            root = self.hierarchy.v1.get(controller)
            if root:
                self._write_all(root, files)
        if self.hierarchy.v2 and self.hierarchy.v2_controllers:
            self._write_all(self.hierarchy.v2, v2_files(limits, self.hierarchy.v2_controllers))

    def _write_all(self, root: Path, files: dict[str, str]) -> None:
        for name, value in files.items():
            path = root / self.path / name
            try:
                with open(path, "r+") as file:  # O_CREAT is EACCES here where there is no such file
                    file.write(value)
            except FileNotFoundError:
                continue  # a knob this kernel does not have (memory.swap.max, cpu.cfs_*)
            except OSError as error:
                raise MechanismFailed.from_oserror(f"write {value} to {path}", error) from None

    def add(self, pid: int) -> None:
        """Move one process here, in every hierarchy; 0 is the caller. Raises MechanismFailed."""
        for directory in self.directories():
            try:
                (directory / "cgroup.procs").write_text(str(pid))
            except OSError as error:
                raise MechanismFailed.from_oserror(
                    f"put process {pid} into {directory}", error, hint=_hint(error)
                ) from None

    def doors(self) -> list[int]:
        """Descriptors for ``join``, which a process can use that does not see the host's cgroups
        any more; one for each hierarchy. OSError."""
        flags = os.O_WRONLY | os.O_CLOEXEC
        return [os.open(directory / "cgroup.procs", flags) for directory in self.directories()]

    def fork(self, namespaces: int = 0) -> int:
        """Like os.fork; the child is born here as far as the kernel can, and calls ``enter``.

        ``namespaces`` are flags of clone(2) for new ones. The child must soon exec or _exit (see
        ``linux.clone``). Raises OSError.
        """
        if self.hierarchy.v2 is not None:
            fd = os.open(self.hierarchy.v2 / self.path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
            try:
                return clone.fork_into(fd, namespaces)
            except OSError as error:
                if error.errno not in _NO_CLONE3:
                    raise
            finally:
                os.close(fd)
        return clone.fork(namespaces) if namespaces else os.fork()

    def enter(self) -> None:
        """Move the caller here, where it was not born here. Raises MechanismFailed.

        On v1 by ``tasks``, which for the caller's own thread needs no lock (since 6.0).
        """
        here = f"/{self.path}"
        inside = Path("/proc/self/cgroup").read_text().splitlines()
        try:
            if self.hierarchy.v2 and not any(
                row.startswith("0::") and row.endswith(here) for row in inside
            ):
                (self.hierarchy.v2 / self.path / "cgroup.procs").write_text("0")
            for root in dict.fromkeys(self.hierarchy.v1.values()):
                (root / self.path / "tasks").write_text("0")
        except OSError as error:
            raise MechanismFailed.from_oserror(
                f"enter the cgroup {self.path}", error, hint=_hint(error)
            ) from None

    def pids(self) -> list[int]:
        """Processes in it and below, from one hierarchy. Zombies may be among them."""
        found: list[int] = []
        for directory in (d for root in self.directories()[:1] for d in _walk(root)):
            with contextlib.suppress(FileNotFoundError, OSError):
                found += [int(line) for line in (directory / "cgroup.procs").read_text().split()]
        return found

    def kill_file(self) -> Path | None:
        """cgroup.kill of v2 (5.14), which kills all at once, also what forks meanwhile."""
        if self.hierarchy.v2 is None:
            return None
        path = self.hierarchy.v2 / self.path / "cgroup.kill"
        return path if path.exists() else None

    def procs_file(self) -> Path:
        return self.hierarchy.roots()[0] / self.path / "cgroup.procs"

    def kill(self) -> None:
        """SIGKILL to everything in it and below. Nothing there: nothing happens."""
        kill_file = self.kill_file()
        if kill_file is not None:
            with contextlib.suppress(FileNotFoundError):
                kill_file.write_text("1")
            return
        for pid in self.pids():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)

    def oom_kills(self) -> int:
        """How often the kernel killed here for want of memory; 0 where it does not count."""
        for path in self._memory_event_files():
            with contextlib.suppress(OSError):
                for line in path.read_text().splitlines():
                    key, _, value = line.partition(" ")
                    if key == "oom_kill":
                        return int(value)
        return 0

    def _memory_event_files(self) -> Iterator[Path]:
        if "memory" in self.hierarchy.v1:
            yield self.hierarchy.v1["memory"] / self.path / "memory.oom_control"
        elif self.hierarchy.v2:
            yield self.hierarchy.v2 / self.path / "memory.events"

    def remove(self, timeout: float = 5.0) -> None:
        """Kill what is left, then remove it and what is below. Raises MechanismFailed on timeout.

        A process that was killed leaves its cgroup when it has exited, which takes a moment.
        """
        deadline = time.monotonic() + timeout
        pause = 0.0005
        while (busy := self._remove_once()) is not None:
            if time.monotonic() > deadline:
                raise MechanismFailed(
                    f"remove the cgroup {busy}: still busy after {timeout:g} s",
                    hint=f"processes {self.pids()} do not die: look at their state with ps",
                )
            self.kill()
            time.sleep(pause)
            pause = min(pause * 2, 0.02)

    def remove_if_empty(self) -> None:
        """It and what is below, as far as nothing lives there. Kills nobody."""
        with contextlib.suppress(MechanismFailed):
            self._remove_once()

    def _remove_once(self) -> Path | None:
        """A directory that could not be removed, or None when all are gone."""
        busy = None
        for root in self.directories():
            for directory in reversed(list(_walk(root))):
                try:
                    directory.rmdir()
                except FileNotFoundError:
                    continue
                except OSError as error:
                    if error.errno not in (errno.EBUSY, errno.ENOTEMPTY):
                        raise MechanismFailed.from_oserror(
                            f"remove the cgroup {directory}", error
                        ) from None
                    busy = directory
        return busy


def join(doors: Iterable[int]) -> None:
    """Go where ``Group.doors`` lead, and close them. OSError."""
    for door in doors:
        os.write(door, b"0")
        os.close(door)


def membership() -> list[Path]:
    """The directories of the cgroups this process is in, one of each mounted hierarchy."""
    hierarchy = detect()
    found = []
    for line in Path("/proc/self/cgroup").read_text().splitlines():
        _, controllers, path = line.split(":", 2)
        first = controllers.split(",")[0]
        root = hierarchy.v1.get(first) if controllers else hierarchy.v2
        if root is not None:
            found.append(root / path.lstrip("/"))
    return found


def _walk(root: Path) -> Iterator[Path]:
    """``root`` and the cgroups below it, parents first; nothing when it is gone."""
    if not root.is_dir():
        return
    yield root
    try:
        below = sorted(entry.path for entry in os.scandir(root) if entry.is_dir())
    except FileNotFoundError:
        return
    for path in below:
        yield from _walk(Path(path))


def _delegate(root: Path, path: str, wanted: set[str]) -> None:
    """Enable the controllers on the way down to ``path`` (not in it: it holds processes)."""
    directory = root
    for part in path.split("/"):
        control = directory / "cgroup.subtree_control"
        missing = wanted - set(control.read_text().split())
        for controller in sorted(missing):
            try:
                control.write_text(f"+{controller}")
            except OSError as error:
                if directory != root or error.errno != errno.EBUSY:
                    continue  # e.g. cpu beside real-time processes: go without
                _make_room(root)
                control.write_text(f"+{controller}")
        directory = directory / part


def _make_room(root: Path) -> None:
    """Move what is in the root itself one level down: v2 delegates only from an empty cgroup.

    So it is in a container, whose root is a cgroup like any other. What forks meanwhile is caught
    by the next turn.
    """
    leaf = root / _INIT
    leaf.mkdir(exist_ok=True)
    for _ in range(100):
        pids = (root / "cgroup.procs").read_text().split()
        if not pids:
            return
        for pid in pids:
            with contextlib.suppress(ProcessLookupError):
                (leaf / "cgroup.procs").write_text(pid)


def _hint(error: OSError) -> str:
    if error.errno in (errno.EROFS, errno.EACCES, errno.EPERM):
        return "podrun needs a writable cgroup tree: in a container, run it privileged"
    if error.errno == errno.ENOSPC:
        return "too many cgroups: see cgroup.max.descendants"
    return ""
