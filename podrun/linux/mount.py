"""Mounts as descriptors: fsopen(2), fsmount(2), open_tree(2), mount_setattr(2), move_mount(2).

A mount is prepared outside as a descriptor and attached inside: what a path means is decided once,
by us, before anything of the container runs.
"""

from __future__ import annotations

import ctypes
import os
import struct

from podrun.linux.syscall import (
    FSCONFIG,
    FSMOUNT,
    FSOPEN,
    MOUNT_SETATTR,
    MOVE_MOUNT,
    OPEN_TREE,
    libc,
    syscall,
)

AT_FDCWD = -100
AT_EMPTY_PATH = 0x1000
AT_RECURSIVE = 0x8000
AT_SYMLINK_NOFOLLOW = 0x100

OPEN_TREE_CLONE = 1
OPEN_TREE_CLOEXEC = os.O_CLOEXEC

FSOPEN_CLOEXEC = 1
FSMOUNT_CLOEXEC = 1
_FSCONFIG_SET_FLAG = 0
_FSCONFIG_SET_STRING = 1
_FSCONFIG_CMD_CREATE = 6

MOUNT_ATTR_RDONLY = 0x1
MOUNT_ATTR_NOSUID = 0x2
MOUNT_ATTR_NODEV = 0x4
MOUNT_ATTR_NOEXEC = 0x8
MOUNT_ATTR_IDMAP = 0x100000
MOUNT_ATTR_NOSYMFOLLOW = 0x200000

MOVE_MOUNT_F_EMPTY_PATH = 0x4
MOVE_MOUNT_T_EMPTY_PATH = 0x40

MS_RDONLY = 0x1
MS_NOSUID = 0x2
MS_NODEV = 0x4
MS_NOEXEC = 0x8
MS_BIND = 0x1000
MS_REC = 0x4000
MS_UNBINDABLE = 1 << 17
MS_PRIVATE = 1 << 18
MS_SLAVE = 1 << 19
MS_SHARED = 1 << 20
MNT_DETACH = 2
UMOUNT_NOFOLLOW = 8


def fsopen(fs_name: str, flags: int = FSOPEN_CLOEXEC) -> int:
    return syscall(FSOPEN, fs_name.encode(), flags, name=fs_name)


def fsconfig_string(fs_fd: int, key: str, value: str) -> None:
    """``value`` has at most 255 bytes (the kernel's limit for one string)."""
    syscall(
        FSCONFIG, fs_fd, _FSCONFIG_SET_STRING, key.encode(), os.fsencode(value), 0,
        name=f"{key}={value}",
    )  # fmt: skip


def fsconfig_flag(fs_fd: int, key: str) -> None:
    syscall(FSCONFIG, fs_fd, _FSCONFIG_SET_FLAG, key.encode(), None, 0, name=key)


def fsconfig_create(fs_fd: int, name: str = "") -> None:
    syscall(FSCONFIG, fs_fd, _FSCONFIG_CMD_CREATE, None, None, 0, name=name)


def fsmount(fs_fd: int, flags: int = FSMOUNT_CLOEXEC, attr_flags: int = 0) -> int:
    return syscall(FSMOUNT, fs_fd, flags, attr_flags, name="fsmount")


def new_filesystem(
    fs_name: str, options: dict[str, str | None] | None = None, attr_flags: int = 0
) -> int:
    """A detached mount of a new file system, the caller closes it; a value None makes a flag."""
    fs_fd = fsopen(fs_name)
    try:
        for key, value in (options or {}).items():
            if value is None:
                fsconfig_flag(fs_fd, key)
            else:
                fsconfig_string(fs_fd, key, value)
        fsconfig_create(fs_fd, fs_name)
        return fsmount(fs_fd, FSMOUNT_CLOEXEC, attr_flags)
    finally:
        os.close(fs_fd)


def open_tree(dir_fd: int, path: str, flags: int = OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC) -> int:
    """A detached copy of the mount at ``path``; with AT_EMPTY_PATH of what ``dir_fd`` is."""
    return syscall(OPEN_TREE, dir_fd, os.fsencode(path), flags, name=path)


def move_mount(
    from_fd: int, from_path: str, to_fd: int, to_path: str, flags: int = MOVE_MOUNT_F_EMPTY_PATH
) -> None:
    syscall(
        MOVE_MOUNT, from_fd, os.fsencode(from_path), to_fd, os.fsencode(to_path), flags,
        name=to_path or from_path,
    )  # fmt: skip


def attach(mount_fd: int, target_fd: int, name: str = "") -> None:
    """Put a detached mount on what ``target_fd`` (O_PATH) is: no path is looked up again."""
    syscall(
        MOVE_MOUNT, mount_fd, b"", target_fd, b"",
        MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH, name=name,
    )  # fmt: skip


def mount_setattr(
    dir_fd: int,
    path: str = "",
    *,
    attr_set: int = 0,
    attr_clear: int = 0,
    propagation: int = 0,
    userns_fd: int = 0,
    recursive: bool = False,
) -> None:
    """Change attributes in one step; with an empty ``path``, of the mount that ``dir_fd`` is."""
    attributes = struct.pack("=QQQQ", attr_set, attr_clear, propagation, userns_fd)
    buffer = ctypes.create_string_buffer(attributes, len(attributes))
    flags = (AT_EMPTY_PATH if not path else 0) | (AT_RECURSIVE if recursive else 0)
    syscall(
        MOUNT_SETATTR, dir_fd, os.fsencode(path), flags, buffer, len(attributes), name=path
    )  # fmt: skip


def mount(source: str, target: str, fs_type: str, flags: int, data: str = "") -> None:
    libc(
        "mount", os.fsencode(source), os.fsencode(target), fs_type.encode(), flags,
        os.fsencode(data) if data else None, name=target,
    )  # fmt: skip


def umount2(target: str, flags: int = 0) -> None:
    libc("umount2", os.fsencode(target), flags, name=target)


def pivot_root(new_root: str, put_old: str) -> None:
    number = 155 if os.uname().machine == "x86_64" else 41  # 41: asm-generic (aarch64, riscv64)
    syscall(number, os.fsencode(new_root), os.fsencode(put_old), name=new_root)
