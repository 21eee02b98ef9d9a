"""Run our programs from mounts that nobody can write through.

What joins a container can be made to execute itself there (an entrypoint ``/proc/self/exe``, a
script that begins with ``#!/proc/self/exe``): the container then holds a descriptor of our program,
and writes to it as soon as it runs nowhere any more (CVE-2019-5736). The descriptor carries the
mount it came through along. So ours come through a detached copy of their mount, which is
read-only, has no name, and cannot be made writable by anybody who has not all of the host anyway.
"""

from __future__ import annotations

import os
import sys

from podrun.linux import mount


def open_program(path: str | os.PathLike[str]) -> int:
    """A descriptor (close-on-exec) to execute as ``path_of`` says. OSError."""
    fd = mount.open_tree(mount.AT_FDCWD, os.fspath(path))
    try:
        mount.mount_setattr(fd, attr_set=mount.MOUNT_ATTR_RDONLY)
    except BaseException:
        os.close(fd)
        raise
    return fd


def path_of(fd: int) -> str:
    return f"/proc/self/fd/{fd}"


def is_sealed() -> bool:
    """This process's own program cannot be written to through its mount."""
    return bool(os.statvfs("/proc/self/exe").f_flag & os.ST_RDONLY)


def seal_this_process() -> None:
    """Execute ourselves anew, with the same arguments, unless that was done. OSError.

    To be called before anything has begun: all but inherited descriptors is lost.
    """
    if not is_sealed():
        fd = open_program("/proc/self/exe")
        os.execv(path_of(fd), [sys.orig_argv[0], *sys.orig_argv[1:]])


def name_this_process(name: str) -> None:
    """For ps(1), which would show the number of a descriptor."""
    with open("/proc/self/comm", "w") as file:
        file.write(name)
