"""Where files are copied from and to: this machine, or what a running container sees."""

from __future__ import annotations

import contextlib
import errno
import os
import posixpath
import select
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from podrun.container import control, user
from podrun.container.copyfile import Owner
from podrun.container.spec import ContainerRecord
from podrun.errors import NotFound
from podrun.linux import process, users
from podrun.linux.openat import openat2
from podrun.node.config import Config
from podrun.node.paths import Paths

_TRIES = 100  # openat2 with "..", while somebody renames: EAGAIN
#: what the kernel shows of itself is not copied with the directory it is mounted in
_KERNEL = frozenset(
    """autofs binfmt_misc bpf cgroup cgroup2 configfs debugfs devpts devtmpfs efivarfs fusectl
    mqueue proc pstore securityfs sysfs tracefs""".split()  # noqa: SIM905
)


class Place(NamedTuple):
    """One side. ``root`` (a descriptor) is where paths start, ``cwd`` where relative ones do.

    ``owner`` is whose what is made here becomes; ``label`` stands before paths in messages;
    ``kernel`` are the device numbers of the kernel's own file systems.
    """

    root: int
    cwd: str
    owner: Owner
    label: str
    kernel: frozenset[int]

    def open(self, path: str, flags: int = 0) -> int:
        """An O_PATH descriptor; links are followed, and stay inside. OSError."""
        whole = os.fsencode(posixpath.join(self.cwd, path))
        for _ in range(_TRIES):
            try:
                return openat2(self.root, whole, os.O_PATH | flags)
            except BlockingIOError:
                continue
        raise OSError(errno.EAGAIN, os.strerror(errno.EAGAIN), path)

    def name(self, path: str) -> str:
        """For people; a file's name cannot move their cursor."""
        return self.label + (path if path.isprintable() else ascii(path)[1:-1])


@contextlib.contextmanager
def in_container(config: Config, container_id: str, label: str) -> Iterator[Place]:
    """The files a running container sees, volumes included; new ones become its user's.

    Raises NotFound when it is not running.
    """
    record = control.load(Paths(config).runtime, container_id)
    root = None if record is None else _root_of(record)
    if record is None or root is None:
        raise NotFound("the container is not running", hint="see `podrun ps -c`")
    try:
        who = user.resolve(record.process, root)
        owner = Owner(record.first_id + who.uid, record.first_id + who.gid)
        place = Place(root, record.process.cwd, owner, label, _kernel_devices(str(record.pid)))
        with contextlib.ExitStack() as stack:
            if record.first_id:
                stack.enter_context(users.making_files_of(record.first_id))
            yield place
    finally:
        os.close(root)


@contextlib.contextmanager
def on_host(owner: Owner) -> Iterator[Place]:
    root = os.open("/", os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield Place(root, os.getcwd(), owner, "", _kernel_devices("self"))
    finally:
        os.close(root)


def _root_of(record: ContainerRecord) -> int | None:
    """The root of that very process: a pid that another one has by now is noticed."""
    pidfd = process.pidfd_of(record.pid, record.start_time)
    if pidfd is None or record.boot_id != process.boot_id():
        return None
    try:
        root = os.open(f"/proc/{record.pid}/root", os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
        if not select.select([pidfd], [], [], 0)[0]:
            return root
        os.close(root)
        return None
    except (FileNotFoundError, ProcessLookupError):
        return None
    finally:
        os.close(pidfd)


def _kernel_devices(pid: str) -> frozenset[int]:
    """From /proc/PID/mountinfo (proc_pid_mountinfo(5)); nothing when the process has just gone."""
    found = set()
    with contextlib.suppress(OSError):
        text = os.fsdecode(Path(f"/proc/{pid}/mountinfo").read_bytes())
        for line in text.rstrip("\n").split("\n"):  # names may have what else ends lines
            mounted, _, kind = line.partition(" - ")
            if kind.split(" ")[0] in _KERNEL:
                major, _, minor = mounted.split(" ")[2].partition(":")
                found.add(os.makedev(int(major), int(minor)))
    return frozenset(found)
