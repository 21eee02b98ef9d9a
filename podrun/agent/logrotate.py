"""Compress rotated logs, all but the newest one of each run. The monitors rotate and prune.

log/pods/              watched for new pods                     N.log           written
  <ns>_<name>_<uid>/   watched for new containers               N.log.DATE      newest rotated
    <container>/       watched for files moved away ──► worker  N.log.DATE.gz   older ones
                                                    (nice 19)

Nothing here looks by the clock: an agent whose containers are silent sleeps. A directory is watched
first and looked into afterwards, so what came in between is seen at least once; compressing what
is compressed already does nothing.

    .NAME.gz.tmp written ─► renamed NAME.gz ─► NAME removed     killed in between: a .tmp that the
                                                                next pass removes, or both names,
                                                                of which readers take the plain one
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import logging
import os
import re
from pathlib import Path

from podrun.agent import worker
from podrun.errors import PodrunError
from podrun.linux import inotify
from podrun.linux.trees import remove_tree

log = logging.getLogger(__name__)

_ROTATED = re.compile(r"(\d+\.log)\.(\d{8}-\d{6}(?:-\d+)?)")
_LEFT_OVER = re.compile(r"\.\d+\.log\..*\.gz\.tmp")
_NEW = inotify.IN_CREATE | inotify.IN_MOVED_TO | inotify.IN_ONLYDIR
_MOVED = inotify.IN_MOVED_TO | inotify.IN_ONLYDIR
_DEPTH = 2  # of a container's directory below the root
_NICE = 19
_REMOVALS = 5


class LogRotation:
    """Of all logs below ``root``, the directory of the pods' log directories."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._fd = -1
        self._watches: dict[int, tuple[Path, int]] = {}  # directory and depth below the root
        self._waiting: set[Path] = set()
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Look at what is there, and watch. Without inotify logs stay uncompressed."""
        try:
            self._fd = inotify.inotify_init()
        except OSError as error:
            log.warning("rotated logs stay uncompressed: %s (fs.inotify.max_user_instances)", error)
            return
        asyncio.get_running_loop().add_reader(self._fd, self._read)
        self._watch(self._root, 0)

    def stop(self) -> None:
        """A worker under way dies with the agent; the next one mends what it leaves."""
        if self._task is not None:
            self._task.cancel()
        if self._fd >= 0:
            asyncio.get_running_loop().remove_reader(self._fd)
            os.close(self._fd)
            self._fd = -1

    def _watch(self, directory: Path, depth: int) -> None:
        mask = _NEW if depth < _DEPTH else _MOVED
        try:
            watch = inotify.inotify_add_watch(self._fd, str(directory), mask)
        except (FileNotFoundError, NotADirectoryError):
            return  # a file, or gone again
        except OSError as error:
            log.warning("rotated logs stay uncompressed: %s (fs.inotify.max_user_watches)", error)
            return
        self._watches[watch] = (directory, depth)
        if depth == _DEPTH:
            self._look_into(directory)
            return
        with contextlib.suppress(FileNotFoundError):
            for name in os.listdir(directory):
                self._watch(directory / name, depth + 1)

    def _read(self) -> None:
        for event in inotify.read_events(self._fd):
            directory, depth = self._watches.get(event.watch, (self._root, -1))
            if event.mask & inotify.IN_Q_OVERFLOW:
                self._watch(self._root, 0)
            elif event.mask & inotify.IN_IGNORED:
                self._watches.pop(event.watch, None)
            elif depth == _DEPTH and _ROTATED.fullmatch(event.name):
                self._look_into(directory)
            elif 0 <= depth < _DEPTH and event.mask & inotify.IN_ISDIR:
                self._watch(directory / event.name, depth + 1)

    def _look_into(self, directory: Path) -> None:
        if not work(directory):
            return
        self._waiting.add(directory)
        if self._task is None:
            self._task = asyncio.get_running_loop().create_task(self._compress_all())

    async def _compress_all(self) -> None:
        """One directory at a time: this is never urgent."""
        try:
            while self._waiting:
                directory = self._waiting.pop()
                try:
                    await worker.run(compress, str(directory))
                except PodrunError as error:
                    log.warning("compress logs in %s: %s", directory, error.message)
        finally:
            self._task = None


def remove(logs: Path) -> None:
    """Remove a pod's logs, beside a worker that may be compressing one of them.

    Waiting for it could take long at its priority. It stops at the first file that is gone, and
    makes one more name at the most.
    """
    for _ in range(_REMOVALS):
        try:
            return remove_tree(logs)
        except OSError as error:
            if error.errno not in (errno.ENOENT, errno.ENOTEMPTY):
                raise
    remove_tree(logs)


def work(directory: Path) -> list[str]:
    """Names of the files to compress or, after a crash, to remove; the oldest first."""
    try:
        names = sorted(os.listdir(directory))
    except (FileNotFoundError, NotADirectoryError):
        return []
    by_log: dict[str, list[str]] = {}
    for name in names:
        if match := _ROTATED.fullmatch(name.removesuffix(".gz")):
            by_log.setdefault(match[1], []).append(name)
    found = [name for name in names if _LEFT_OVER.fullmatch(name)]
    for group in by_log.values():
        newest = max(name.removesuffix(".gz") for name in group)
        found += [name for name in group if not name.endswith(".gz") and name != newest]
    return found


def compress(directory: str) -> None:
    """The worker's part. What is pruned or removed meanwhile stays so."""
    os.nice(_NICE)
    try:
        fd = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except FileNotFoundError:
        return
    try:
        for name in work(Path(directory)):
            with contextlib.suppress(FileNotFoundError):
                if _LEFT_OVER.fullmatch(name):
                    os.unlink(name, dir_fd=fd)
                else:
                    _compress_file(fd, name)
    finally:
        os.close(fd)


def _compress_file(directory: int, name: str) -> None:
    """FileNotFoundError when it is gone, or its directory."""
    temporary = f".{name}.gz.tmp"
    try:
        _write(directory, name, temporary)
        os.rename(temporary, f"{name}.gz", src_dir_fd=directory, dst_dir_fd=directory)
    except BaseException:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(temporary, dir_fd=directory)
        raise
    try:
        os.unlink(name, dir_fd=directory)
    except FileNotFoundError:  # pruned meanwhile: so is what we made of it
        os.unlink(f"{name}.gz", dir_fd=directory)


def _write(directory: int, name: str, temporary: str) -> None:
    """A compressed copy with owner, mode and time of ``name``: by its time a reader knows it."""
    import gzip
    import shutil

    def opener(path: str, flags: int) -> int:
        return os.open(path, flags | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600, dir_fd=directory)

    with open(name, "rb", opener=opener) as plain, open(temporary, "wb", opener=opener) as file:
        about = os.fstat(plain.fileno())
        with gzip.GzipFile(filename="", mode="wb", fileobj=file, mtime=0) as packed:
            shutil.copyfileobj(plain, packed, 1 << 18)
        file.flush()
        os.fsync(file.fileno())  # the plain one goes next
        os.fchown(file.fileno(), about.st_uid, about.st_gid)
        os.fchmod(file.fileno(), about.st_mode & 0o777)
        os.utime(file.fileno(), ns=(about.st_atime_ns, about.st_mtime_ns))
