"""Owners, modes, times and extended attributes of what a layer unpacks.

The order matters: chown(2) clears set-user-ID and file capabilities, so mode and attributes come
after it, and times last. Only attributes that mean something inside a container are kept:
trusted.* would steer overlayfs itself (trusted.overlay.redirect leads anywhere in a lower layer),
security.selinux and the like belong to the host that made the archive.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Mapping

from podrun.image.tarread import Entry

_KEPT = (b"user.",)
_KEPT_WHOLE = (
    b"security.capability", b"system.posix_acl_access", b"system.posix_acl_default",
)  # fmt: skip
#: A file system, or a kind of file, may have no room for user.* at all: images live without.
_NOT_HERE = (errno.ENOTSUP, errno.EPERM)


def kept(name: bytes) -> bool:
    return name.startswith(_KEPT) or name in _KEPT_WHOLE


def set_by_descriptor(fd: int, entry: Entry) -> None:
    """Of an open regular file or directory; a directory's time is set when it is complete."""
    os.fchown(fd, entry.uid, entry.gid)
    os.fchmod(fd, entry.mode)
    if entry.xattrs:
        set_xattrs(fd, entry.xattrs)


def set_by_name(directory: int, name: bytes, entry: Entry) -> None:
    """Of a link, a device or a fifo, which cannot be opened; the mode came with its creation."""
    os.chown(name, entry.uid, entry.gid, dir_fd=directory, follow_symlinks=False)
    if entry.xattrs:
        set_xattrs(b"/proc/self/fd/%d/%s" % (directory, name), entry.xattrs)
    times = (entry.mtime_ns, entry.mtime_ns)
    os.utime(name, ns=times, dir_fd=directory, follow_symlinks=False)


def set_xattrs(target: int | bytes, xattrs: Mapping[bytes, bytes]) -> None:
    for name, value in xattrs.items():
        if not kept(name):
            continue
        try:
            if isinstance(target, int):
                os.setxattr(target, name, value)
            else:
                os.setxattr(target, name, value, follow_symlinks=False)
        except OSError as error:
            if error.errno not in _NOT_HERE or not name.startswith(b"user."):
                error.filename = os.fsdecode(name)
                raise


def copy(source: int, target: int) -> None:
    """Make ``target`` look like ``source`` (O_PATH will do): what overlayfs' copy-up keeps."""
    status = os.fstat(source)
    path = f"/proc/self/fd/{source}"
    os.fchown(target, status.st_uid, status.st_gid)
    os.fchmod(target, status.st_mode & 0o7777)
    for name in os.listxattr(path):
        if kept(os.fsencode(name)):
            os.setxattr(target, name, os.getxattr(path, name))
    os.utime(target, ns=(status.st_atime_ns, status.st_mtime_ns))
