"""The container's file tree, assembled from inside it: every target is found by descriptor.

The root is pivoted to before anything is attached, and every name is resolved with
RESOLVE_IN_ROOT and without magic links: whatever links an image or a volume holds, no mount lands
outside the container (CVE-2019-19921, CVE-2021-30465, CVE-2025-52881).
"""

from __future__ import annotations

import contextlib
import errno
import os
import posixpath
import stat

from podrun.cgroup.hierarchy import Hierarchy
from podrun.linux import mount
from podrun.linux.openat import openat2

_QUIET = mount.MOUNT_ATTR_NOSUID | mount.MOUNT_ATTR_NODEV | mount.MOUNT_ATTR_NOEXEC

_NULL = os.makedev(1, 3)

#: as many as the kernel follows
_MAX_LINKS = 40

#: the kubelet's defaults (semantics of securityContext.procMount: Default)
MASKED = (
    "/proc/acpi", "/proc/asound", "/proc/interrupts", "/proc/kcore", "/proc/keys",
    "/proc/latency_stats", "/proc/sched_debug", "/proc/scsi", "/proc/timer_list",
    "/proc/timer_stats", "/sys/devices/virtual/powercap", "/sys/firmware",
)  # fmt: skip
READ_ONLY = ("/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger")


def enter_root(root: int) -> None:
    """Make the detached mount ``root`` the root of this (new) mount namespace."""
    mount.mount("", "/", "", mount.MS_REC | mount.MS_PRIVATE)
    mount.move_mount(root, "", mount.AT_FDCWD, "/")
    os.fchdir(root)
    mount.pivot_root(".", ".")
    mount.umount2(".", mount.MNT_DETACH)
    os.chdir("/")


def attach(mount_fd: int, target: str) -> None:
    """Attach at ``target``, which is made when it is missing: a directory, or a file for a file."""
    directory = stat.S_ISDIR(os.fstat(mount_fd).st_mode)
    fd = open_target(target, directory=directory)
    try:
        mount.attach(mount_fd, fd, target)
    finally:
        os.close(fd)
        os.close(mount_fd)


def open_target(path: str, *, directory: bool) -> int:
    """O_PATH descriptor of ``path`` inside the root, made with its parents when missing."""
    root = os.open("/", os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        return _open_or_make(root, path, directory=directory)
    finally:
        os.close(root)


def _open_or_make(root: int, path: str, *, directory: bool, links: int = 0) -> int:
    with contextlib.suppress(FileNotFoundError):
        return openat2(root, os.fsencode(path), os.O_PATH)
    parent_path, name = posixpath.split(path.rstrip("/"))
    parent = _open_or_make(root, parent_path or "/", directory=True, links=links)
    try:
        if directory:
            os.mkdir(name, 0o755, dir_fd=parent)
        else:
            flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
            os.close(os.open(name, flags, 0o644, dir_fd=parent))
    except FileExistsError:  # a link to nothing: make what it points at, inside the root
        if links == _MAX_LINKS:
            raise OSError(errno.ELOOP, os.strerror(errno.ELOOP), path) from None
        target = posixpath.join(parent_path or "/", os.readlink(name, dir_fd=parent))
        return _open_or_make(root, target, directory=directory, links=links + 1)
    finally:
        os.close(parent)
    return openat2(root, os.fsencode(path), os.O_PATH)


def kernel_file_systems(*, privileged: bool) -> dict[str, int]:
    """/proc, /sys and /dev/mqueue: they show the namespaces of who makes them.

    Before ``enter_root``: in a user namespace the kernel gives a new procfs or sysfs only to who
    can see a whole one already.
    """
    read_only = 0 if privileged else mount.MOUNT_ATTR_RDONLY
    return {
        "/proc": mount.new_filesystem("proc", None, _QUIET),
        "/sys": mount.new_filesystem("sysfs", None, _QUIET | read_only),
        "/dev/mqueue": mount.new_filesystem("mqueue", None, _QUIET),
    }


def mount_cgroups(hierarchy: Hierarchy, *, privileged: bool) -> None:
    """Those of the cgroup namespace that was just made: the container's own is their root."""
    _mount_cgroups(hierarchy, 0 if privileged else mount.MOUNT_ATTR_RDONLY)


def _mount_cgroups(hierarchy: Hierarchy, read_only: int) -> None:
    if not hierarchy.v1:
        attach(mount.new_filesystem("cgroup2", None, _QUIET | read_only), "/sys/fs/cgroup")
        return
    tmpfs = mount.new_filesystem("tmpfs", {"mode": "0755", "size": "64k"}, _QUIET)
    keep = os.dup(tmpfs)
    try:
        attach(tmpfs, "/sys/fs/cgroup")
        for root in dict.fromkeys(hierarchy.v1.values()):
            controllers = [name for name, where in hierarchy.v1.items() if where == root]
            options: dict[str, str | None] = dict.fromkeys(controllers)
            fd = mount.new_filesystem("cgroup", options, _QUIET | read_only)
            attach(fd, f"/sys/fs/cgroup/{','.join(controllers)}")
        if read_only:
            mount.mount_setattr(keep, attr_set=mount.MOUNT_ATTR_RDONLY)
    finally:
        os.close(keep)


def make_read_only(root: int) -> None:
    """The root alone: volumes and the kernel's file systems have their own say."""
    mount.mount_setattr(root, attr_set=mount.MOUNT_ATTR_RDONLY)


def hide_kernel_knobs() -> None:
    """Mask and write-protect what of /proc and /sys is the host's, not the container's.

    Nothing but the null device is ever bound over a file: /dev may be a volume, in which another
    container has put something else in its place, or nothing at all (CVE-2025-31133).
    """
    for path in READ_ONLY:
        with contextlib.suppress(FileNotFoundError):
            fd = mount.open_tree(
                mount.AT_FDCWD,
                path,
                mount.OPEN_TREE_CLONE | mount.OPEN_TREE_CLOEXEC | mount.AT_RECURSIVE,
            )
            mount.mount_setattr(fd, attr_set=mount.MOUNT_ATTR_RDONLY | _QUIET)
            attach(fd, path)
    for path in MASKED:
        with contextlib.suppress(FileNotFoundError):
            mode = os.stat(path, follow_symlinks=False).st_mode
            attach(_empty_directory() if stat.S_ISDIR(mode) else _empty_file(), path)


def _empty_directory() -> int:
    options: dict[str, str | None] = {"size": "4k", "mode": "0555"}
    return mount.new_filesystem("tmpfs", options, _QUIET | mount.MOUNT_ATTR_RDONLY)


def _empty_file() -> int:
    """The null device, or where /dev has none a file that nobody can write."""
    clone = mount.OPEN_TREE_CLONE | mount.OPEN_TREE_CLOEXEC
    with contextlib.suppress(FileNotFoundError):
        null = os.open("/dev/null", os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC)
        try:
            found = os.fstat(null)
            if stat.S_ISCHR(found.st_mode) and found.st_rdev == _NULL:
                return mount.open_tree(null, "", clone | mount.AT_EMPTY_PATH)
        finally:
            os.close(null)
    directory = mount.new_filesystem("tmpfs", {"size": "4k", "mode": "0555"}, _QUIET)
    try:
        os.close(os.open("empty", os.O_CREAT | os.O_WRONLY | os.O_CLOEXEC, 0o444, dir_fd=directory))
        mount.mount_setattr(directory, attr_set=mount.MOUNT_ATTR_RDONLY)
        return mount.open_tree(directory, "empty", clone)
    finally:
        os.close(directory)
