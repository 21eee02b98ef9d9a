"""User namespaces (user_namespaces(7)): 65,536 ids of a pod's own, and mounts seen through them.

inside        outside                      on disk, below an idmapped mount
0 … 65535 ──► first … first + 65535        0 … 65535
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from typing import NamedTuple

from podrun.linux import capability, clone, mount, namespace

#: ids of one namespace, as Kubernetes has it
COUNT = 65536


class Users(NamedTuple):
    """``fd`` is a user namespace, whose 0 is ``first`` outside."""

    fd: int
    first: int


@contextlib.contextmanager
def of_process(pid: int, first: int) -> Iterator[Users | None]:
    """None when ``first`` is 0: that process has the host's ids."""
    if not first:
        yield None
        return
    fd = namespace.open_namespace(pid, "user")
    try:
        yield Users(fd, first)
    finally:
        os.close(fd)


@contextlib.contextmanager
def made(first: int) -> Iterator[Users]:
    """A namespace that nobody is in, for as long as this is open. OSError.

    Needs a process of one thread.
    """
    there, here = os.pipe()
    pid = clone.fork(namespace.CLONE_NEWUSER)
    if pid == 0:
        os.close(here)
        os.read(there, 1)  # until the other end is closed
        os._exit(0)
    try:
        os.close(there)
        write_maps(pid, first)
        fd = namespace.open_namespace(pid, "user")
    finally:
        os.close(here)
        os.waitpid(pid, 0)
    try:
        yield Users(fd, first)
    finally:
        os.close(fd)


def write_maps(pid: int, first: int) -> None:
    """Of a process that has just made its user namespace. OSError.

    Written by root outside, so setgroups(2) stays allowed inside.
    """
    for name in ("uid_map", "gid_map"):
        with open(f"/proc/{pid}/{name}", "w") as file:
            file.write(f"0 {first} {COUNT}")


def become_root() -> None:
    """Root inside, once the namespace is ours: until then we are the host's root, who has no number
    there and so can make no file. Every right inside is kept."""
    os.setgroups([])
    os.setresgid(0, 0, 0)
    os.setresuid(0, 0, 0)
    capability.not_dumpable()


def idmap(mount_fd: int, users: Users, *, recursive: bool = False) -> None:
    """Show a detached mount's files with ``users``' ids. OSError: EINVAL where the file system
    cannot (5.12: ext4, vfat; 5.13 xfs; 5.15 btrfs; 6.3 tmpfs; overlayfs never)."""
    mount.mount_setattr(
        mount_fd,
        attr_set=mount.MOUNT_ATTR_IDMAP,
        userns_fd=users.fd,
        recursive=recursive,
    )


@contextlib.contextmanager
def making_files_of(first: int) -> Iterator[None]:
    """Files made meanwhile belong to root of that namespace; all other rights stay ours."""
    held = capability.held()
    os.setegid(first)
    os.seteuid(first)  # which takes the effective set away
    capability.limit(held)
    try:
        yield
    finally:
        os.seteuid(0)
        os.setegid(0)
        capability.limit(held)
