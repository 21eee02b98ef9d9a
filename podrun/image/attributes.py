"""Owners, modes, times and extended attributes of what a layer unpacks.

The order matters: chown(2) clears set-user-ID and file capabilities, so mode and attributes come
after it, and times last. Only attributes that mean something inside a container are kept:
trusted.* would steer overlayfs itself (trusted.overlay.redirect leads anywhere in a lower layer),
user.overlay.* does so for overlays mounted without privilege, and security.selinux and the like
belong to the host that made the archive.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Mapping

from podrun.image.tarread import Entry
from podrun.image.types import BadArchive

DEFAULT_ACL = b"system.posix_acl_default"
_KEPT_WHOLE = (b"security.capability", b"system.posix_acl_access", DEFAULT_ACL)
#: A file system, or a kind of file, may have no room for user.* at all: images live without.
_NOT_HERE = (errno.ENOTSUP, errno.EPERM)
_USER, _GROUP = os.geteuid(), os.getegid()  # what a new file gets by itself


def kept(name: bytes) -> bool:
    if name.startswith(b"user."):
        return not name.startswith(b"user.overlay.")
    return name in _KEPT_WHOLE


def inherited(fd: int) -> bool:
    """Whether what is made in the directory gets a group or an ACL from it, not from us."""
    status = os.fstat(fd)
    return bool(status.st_mode & 0o2000) or status.st_gid != _GROUP or _has_default_acl(fd)


def hands_down(entry: Entry) -> bool:
    """The same of a directory that has just been given what ``entry`` says."""
    return bool(entry.mode & 0o2000) or entry.gid != _GROUP or DEFAULT_ACL in entry.xattrs


def _has_default_acl(fd: int) -> bool:
    try:
        os.getxattr(fd, DEFAULT_ACL)
    except OSError as error:
        if error.errno in (errno.ENODATA, errno.ENOTSUP):
            return False
        raise
    return True


def set_by_descriptor(fd: int, entry: Entry, *, bare: bool = False) -> None:
    """Of an open regular file or directory; its time is set when it is complete.

    ``bare``: just made, with the entry's own permissions and nothing inherited, so that what it is
    to have and has needs no system call.
    """
    if not bare or entry.uid != _USER or entry.gid != _GROUP:
        os.fchown(fd, entry.uid, entry.gid)
    if not bare:
        _strip(fd, entry.xattrs)
    if not bare or entry.mode & 0o7000:
        os.fchmod(fd, entry.mode)
    if entry.xattrs:
        set_xattrs(fd, entry.xattrs)


def set_by_name(directory: int, name: bytes, entry: Entry, *, bare: bool = False) -> None:
    """Of a device, a fifo or (``bare``, since it inherits nothing but a group) a symbolic link."""
    os.chown(name, entry.uid, entry.gid, dir_fd=directory, follow_symlinks=False)
    path = b"/proc/self/fd/%d/%s" % (directory, name)
    if not bare:
        _strip(path, entry.xattrs)
        os.chmod(name, entry.mode, dir_fd=directory)  # just made, and no link: nothing to follow
    if entry.xattrs:
        set_xattrs(path, entry.xattrs)
    times = (entry.mtime_ns, entry.mtime_ns)
    os.utime(name, ns=times, dir_fd=directory, follow_symlinks=False)


def _strip(target: int | bytes, wanted: Mapping[bytes, bytes]) -> None:
    """Take away what it has from its directory, or from an earlier entry of the same name."""
    follow = isinstance(target, int)
    try:
        names = os.listxattr(target, follow_symlinks=follow)
    except OSError as error:
        if error.errno == errno.ENOTSUP:
            return
        raise
    for name in map(os.fsencode, names):
        if kept(name) and name not in wanted:
            os.removexattr(target, name, follow_symlinks=follow)


def set_xattrs(target: int | bytes, xattrs: Mapping[bytes, bytes]) -> None:
    for name, value in xattrs.items():
        if not kept(name):
            continue
        if b"\0" in name:
            raise BadArchive(f"the extended attribute {name!r} is not allowed in a layer")
        try:
            os.setxattr(target, name, value, follow_symlinks=isinstance(target, int))
        except OSError as error:
            if error.errno not in _NOT_HERE or not name.startswith(b"user."):
                what = f"{error.strerror} (the extended attribute {os.fsdecode(name)!r})"
                raise OSError(error.errno, what) from error


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
