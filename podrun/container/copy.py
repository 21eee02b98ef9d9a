"""Files and directories into a container and out of it, without anything of it taking part.

    source path ──openat2, inside the source's root──► descriptor ─┐ reopened, never by its name
                                                                   ▼
    target path ──openat2, inside the target's root──► directory, name ──► made beside, renamed

A container may change its tree while it is copied. So everything is done on descriptors: what was
looked at is what is read, directories are gone down one name at a time without following links, and
".." is never gone. Links are followed only in the path that the user named, and end at the root of
the container (CVE-2018-15664, CVE-2019-1002101).
"""

from __future__ import annotations

import contextlib
import errno
import os
import posixpath
import stat
from collections.abc import Callable, Iterator

from podrun.container.copyfile import copy_file, sweep, temporary_name
from podrun.container.place import Place
from podrun.errors import MechanismFailed, PodrunError

Note = Callable[[str], None]

#: two descriptors a level; a tree that is deeper was made to hurt
_MAX_DEPTH = 200
_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


def copy(
    source: tuple[Place, str], target: tuple[Place, str], note: Note, *, merge: bool = False
) -> None:
    """Copy a file, or a directory with all below it. Raises PodrunError.

    Into a directory that is there it goes under its own name; with ``merge`` a directory's contents
    do. ``note`` is told what was left out: sockets, FIFOs, devices, the kernel's file systems.
    """
    place, path = source
    with contextlib.ExitStack() as stack:
        with _failing(f"read {place.name(path)}"):
            fd = place.open(path)
        stack.callback(os.close, fd)
        directory = stat.S_ISDIR(os.fstat(fd).st_mode)
        base = posixpath.basename(path.rstrip("/"))
        whole = directory and (merge or base in ("", ".", ".."))
        with _failing(f"write {target[0].name(target[1])}"):
            where, name, shown = _aim(*target, base, directory=directory, whole=whole)
        stack.callback(os.close, where)
        if name:
            _sweep(where)
        work = _Copy(place, target[0], note)
        if not work.entry(fd, path, where, name, shown, 0):
            raise PodrunError(f"{place.name(path)} is neither a file nor a directory")


def _sweep(where: int) -> None:
    """``where`` is an O_PATH descriptor."""
    with contextlib.suppress(OSError):
        fd = os.open(".", _DIRECTORY, dir_fd=where)
        try:
            sweep(fd)
        finally:
            os.close(fd)


def _aim(
    place: Place, path: str, base: str, *, directory: bool, whole: bool
) -> tuple[int, str, str]:
    """The directory, the name in it ("": the directory itself) and the path of that. OSError."""
    try:
        found = place.open(path, os.O_DIRECTORY)
    except (FileNotFoundError, NotADirectoryError):
        if path.endswith("/") and not directory:
            raise
    else:
        return (found, "", path) if whole else (found, base, posixpath.join(path, base))
    head, name = posixpath.split(path.rstrip("/"))
    if name in (".", ".."):
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), path)
    parent = head or ("/" if path.startswith("/") else ".")
    return place.open(parent, os.O_DIRECTORY), name, path


@contextlib.contextmanager
def _failing(step: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise MechanismFailed(
            f"{step}: {os.strerror(error.errno or errno.EIO)}",
            hint=_HINTS.get(error.errno or 0, ""),
            errno=error.errno or 0,
        ) from None


_HINTS = {
    errno.EROFS: "it is mounted read-only there",
    errno.EISDIR: "a directory has that name there",
    errno.ENOTDIR: "what is on the way, or has that name there, is no directory",
    errno.ELOOP: "a link has that name there",
}


class _Copy:
    def __init__(self, source: Place, target: Place, note: Note) -> None:
        self._source = source
        self._target = target
        self._note = note
        self._made: set[tuple[int, int]] = set()  # directories, so that none is copied into itself

    def entry(self, fd: int, path: str, where: int, name: str, shown: str, depth: int) -> bool:
        """Copy what ``fd`` (O_PATH) is to ``name`` in ``where``; False: it is nothing to copy."""
        kind = stat.S_IFMT(os.fstat(fd).st_mode)
        if kind == stat.S_IFDIR:
            self._directory(fd, path, where, name, shown, depth)
        elif kind == stat.S_IFREG:
            step = f"copy {self._source.name(path)} to {self._target.name(shown)}"
            with _failing(step), _reopened(fd) as data:
                copy_file(data, where, name, self._target.owner)
        elif kind == stat.S_IFLNK:
            with _failing(f"make the link {self._target.name(shown)}"):
                self._link(os.readlink("", dir_fd=fd), where, name)
        else:
            return False
        return True

    def _directory(self, fd: int, path: str, where: int, name: str, shown: str, depth: int) -> None:
        if depth > _MAX_DEPTH:
            raise PodrunError(f"{self._source.name(path)} is more than {_MAX_DEPTH} levels deep")
        looks = os.fstat(fd)
        with contextlib.ExitStack() as stack:
            with _failing(f"make the directory {self._target.name(shown)}"):
                there, made = self._make(where, name)
            stack.callback(os.close, there)
            if not made:
                sweep(there)
            with _failing(f"read {self._source.name(path)}"):
                here = os.open(".", _DIRECTORY, dir_fd=fd)
                stack.callback(os.close, here)
                names = sorted(os.listdir(here))
            for each in names:
                below = posixpath.join(path, each), posixpath.join(shown, each)
                self._child(here, each, looks.st_dev, there, below, depth + 1)
            if made:
                os.fchmod(there, looks.st_mode & 0o1777)
                os.utime(there, ns=(looks.st_atime_ns, looks.st_mtime_ns))

    def _child(
        self, here: int, name: str, device: int, there: int, paths: tuple[str, str], depth: int
    ) -> None:
        if name in ("", ".", "..") or "/" in name:  # a file system that lies
            raise PodrunError(f"{self._source.name(paths[0])} has a name that is not allowed")
        try:
            fd = os.open(name, os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=here)
        except FileNotFoundError:
            return  # it has gone since the directory was read
        try:
            looks = os.fstat(fd)
            if looks.st_dev != device and looks.st_dev in self._source.kernel:
                self._skip(paths[0], "a file system of the kernel")
            elif (looks.st_dev, looks.st_ino) in self._made:
                self._skip(paths[0], "made by this very copy")
            elif not self.entry(fd, paths[0], there, name, paths[1], depth):
                self._skip(paths[0], _KINDS.get(stat.S_IFMT(looks.st_mode), "no file"))
        finally:
            os.close(fd)

    def _skip(self, path: str, why: str) -> None:
        self._note(f"skipped {self._source.name(path)}: {why}")

    def _make(self, where: int, name: str) -> tuple[int, bool]:
        """The directory ``name``, open for reading, and whether it was made. OSError."""
        if not name:
            return os.open(".", _DIRECTORY, dir_fd=where), False
        made = True
        try:
            os.mkdir(name, 0o700, dir_fd=where)
        except FileExistsError:
            made = False
        fd = os.open(name, _DIRECTORY, dir_fd=where)
        try:
            if made:
                self._own(fd)
        except BaseException:
            os.close(fd)
            raise
        return fd, made

    def _own(self, fd: int) -> None:
        """Nobody shall get a directory that was put in the place of ours since it was made."""
        looks = os.fstat(fd)
        if looks.st_uid != os.geteuid() or looks.st_mode & 0o777 != 0o700 or os.listdir(fd):
            raise OSError(errno.ESTALE, os.strerror(errno.ESTALE))
        os.fchown(fd, *self._target.owner)
        self._made.add((looks.st_dev, looks.st_ino))

    def _link(self, text: str, where: int, name: str) -> None:
        temporary = temporary_name()
        os.symlink(text, temporary, dir_fd=where)
        try:
            pin = os.open(temporary, os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=where)
            try:
                looks = os.fstat(pin)
                if not stat.S_ISLNK(looks.st_mode) or looks.st_uid != os.geteuid():
                    raise OSError(errno.ESTALE, os.strerror(errno.ESTALE))
                os.chown(f"/proc/self/fd/{pin}", *self._target.owner)  # the link, not what it names
            finally:
                os.close(pin)
            os.rename(temporary, name, src_dir_fd=where, dst_dir_fd=where)
        except BaseException:
            with contextlib.suppress(OSError):
                os.unlink(temporary, dir_fd=where)
            raise


_KINDS = {
    stat.S_IFSOCK: "a socket",
    stat.S_IFIFO: "a FIFO",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
}


@contextlib.contextmanager
def _reopened(fd: int) -> Iterator[int]:
    """The file that the O_PATH descriptor ``fd`` is, open for reading: no name is looked up."""
    flags = os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC
    opened = os.open(f"/proc/self/fd/{fd}", flags)
    try:
        yield opened
    finally:
        os.close(opened)
