"""The contents of one regular file, copied by the kernel, and put in place in one step.

    file without a name ──bytes──► owner, mode, time ──► linked beside ──► rename over the name
    (killed until here, nothing stays)                   (killed here: swept by the next copy)

What had the name before, be it a link or a device, is replaced and never opened. Only a file that
is mounted there (an /etc/hosts, a volume's subPath) cannot be replaced; it is written in place.
"""

from __future__ import annotations

import contextlib
import errno
import os
import re
import secrets
import stat
from collections.abc import Callable
from typing import NamedTuple

from podrun.linux import process
from podrun.linux.openat import RESOLVE_NO_XDEV, openat2

_CHUNK = 16 << 20  # so that an interrupt is not waited for
#: files of the kernel have no size; whatever is longer than this without one is no such file
_UNSIZED_MAX = 16 << 20
_CANNOT = (
    errno.EXDEV, errno.EINVAL, errno.EOPNOTSUPP, errno.ENOSYS, errno.EBADF, errno.EPERM,
    errno.ETXTBSY, errno.EISDIR,
)  # fmt: skip


class Owner(NamedTuple):
    uid: int
    gid: int


_PREFIX = ".podrun-cp-"
_TEMPORARY = re.compile(re.escape(_PREFIX) + r"([0-9]{1,9})-[0-9a-f]{12}")


def temporary_name() -> str:
    """Beside what is made; whose it is stands in it."""
    return f"{_PREFIX}{os.getpid()}-{secrets.token_hex(6)}"


def sweep(directory: int) -> None:
    """Remove from ``directory`` what copies that were killed left in it."""
    for name in os.listdir(directory):
        found = _TEMPORARY.fullmatch(name) if name.startswith(_PREFIX) else None
        if found is not None and process.stat(int(found[1])) is None:
            with contextlib.suppress(OSError):
                os.unlink(name, dir_fd=directory)


def copy_file(source: int, directory: int, name: str, owner: Owner) -> None:
    """Give ``directory`` a file ``name`` like ``source`` (open for reading). OSError.

    Permissions and the time of the last change come along; setuid, setgid and attributes do not.
    """
    if _is_mounted(directory, name):
        _overwrite(source, directory, name)
        return
    looks = os.fstat(source)
    temporary = temporary_name()
    fd, named = _temporary(directory, temporary)
    try:
        transfer(source, fd)
        os.fchown(fd, owner.uid, owner.gid)
        os.fchmod(fd, looks.st_mode & 0o777)
        os.utime(fd, ns=(looks.st_atime_ns, looks.st_mtime_ns))
        if not named:
            os.link(f"/proc/self/fd/{fd}", temporary, dst_dir_fd=directory, follow_symlinks=True)
        os.rename(temporary, name, src_dir_fd=directory, dst_dir_fd=directory)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(temporary, dir_fd=directory)
        raise
    finally:
        os.close(fd)


def _temporary(directory: int, name: str) -> tuple[int, bool]:
    """A new file, and whether it has ``name`` already: not all file systems have nameless ones."""
    flags = os.O_WRONLY | os.O_CLOEXEC
    try:
        return os.open(".", flags | os.O_TMPFILE, 0o600, dir_fd=directory), False
    except OSError as error:
        if error.errno not in (errno.EOPNOTSUPP, errno.EISDIR, errno.ENOENT, errno.EINVAL):
            raise
    flags |= os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW
    return os.open(name, flags, 0o600, dir_fd=directory), True


def _is_mounted(directory: int, name: str) -> bool:
    """Something is mounted on ``name``. From outside its mount namespace a rename would succeed,
    and take the mount away.
    """
    flags = os.O_PATH | os.O_NOFOLLOW
    try:
        os.close(openat2(directory, os.fsencode(name), flags, 0, RESOLVE_NO_XDEV))
    except FileNotFoundError:
        return False
    except OSError as error:
        if error.errno == errno.EXDEV:
            return True
        raise
    return False


def _overwrite(source: int, directory: int, name: str) -> None:
    pin = os.open(name, os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=directory)
    try:
        mode = os.fstat(pin).st_mode
        if not stat.S_ISREG(mode):
            number = errno.EISDIR if stat.S_ISDIR(mode) else errno.EBUSY
            raise OSError(number, os.strerror(number), name)
        fd = os.open(f"/proc/self/fd/{pin}", os.O_WRONLY | os.O_CLOEXEC | os.O_NOCTTY)
    finally:
        os.close(pin)
    try:
        os.ftruncate(fd, 0)
        transfer(source, fd)
    finally:
        os.close(fd)


def transfer(source: int, target: int) -> None:
    """All of ``source`` into the empty file ``target``; holes stay holes. OSError.

    What ``source`` grows by meanwhile is left out: it may never stop growing.
    """
    size = os.fstat(source).st_size
    if size == 0:
        _range(source, target, 0, _UNSIZED_MAX)
        return
    at = 0
    while at < size:
        start, stop = _data(source, at, size)
        if start >= size:
            break
        at = _range(source, target, start, stop)
        if at < stop:  # shorter than it said
            size = at
    os.ftruncate(target, size)


def _data(source: int, at: int, size: int) -> tuple[int, int]:
    """The next stretch that is no hole, from ``at`` on; (size, size) when there is none."""
    try:
        start = os.lseek(source, at, os.SEEK_DATA)
        return min(start, size), min(os.lseek(source, start, os.SEEK_HOLE), size)
    except OSError as error:
        return (size, size) if error.errno == errno.ENXIO else (at, size)


def _range(source: int, target: int, start: int, stop: int) -> int:
    """Copy [start, stop); where it ended, which is before ``stop`` at the end of the file."""
    at = start
    for some in _WAYS:
        with contextlib.suppress(_Cannot):
            while at < stop:
                count = some(source, target, at, min(stop - at, _CHUNK))
                if count == 0:
                    break  # the end, or a file of the kernel that is only to be read
                at += count
    return at


class _Cannot(Exception):
    pass


def _by_copy(source: int, target: int, at: int, count: int) -> int:
    try:
        return os.copy_file_range(source, target, count, at, at)
    except OSError as error:
        if error.errno in _CANNOT:
            raise _Cannot from None
        raise


def _by_sendfile(source: int, target: int, at: int, count: int) -> int:
    os.lseek(target, at, os.SEEK_SET)
    try:
        return os.sendfile(target, source, at, count)
    except OSError as error:
        if error.errno in _CANNOT:
            raise _Cannot from None
        raise


def _by_hand(source: int, target: int, at: int, count: int) -> int:
    data = os.pread(source, min(count, 1 << 20), at)
    done = 0
    while done < len(data):
        done += os.pwrite(target, data[done:], at + done)
    return done


_WAYS: tuple[Callable[[int, int, int, int], int], ...] = (_by_copy, _by_sendfile, _by_hand)
