"""Hard links of a layer: to a file of its own, or a copy of one of the layers below."""

from __future__ import annotations

import os
import stat

from podrun.image import attributes, lower
from podrun.image.tarread import Entry
from podrun.image.tree import Directory, Parts, Tree
from podrun.image.types import BadArchive

_NEW_FILE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC


def make(tree: Tree, directory: Directory, parts: Parts, entry: Entry) -> None:
    """``parts``, whose parent is ``directory``, becomes another name of the entry's target."""
    target = tree.split(entry.linkname)
    if not target:
        raise BadArchive(f"the hard link {entry.name!r} leads to the layer's root")
    if target[:-1] == parts[:-1] and _status(directory.fd, target[-1]):
        _link(tree, directory.fd, target[-1], directory, parts[-1], entry)
        return
    source = _target_directory(tree, target, entry)
    try:
        _link(tree, source, target[-1], directory, parts[-1], entry)
    finally:
        os.close(source)


def _link(
    tree: Tree, source: int, target: bytes, directory: Directory, name: bytes, entry: Entry
) -> None:
    found, there = _status(source, target), _status(directory.fd, name)
    if found is None or stat.S_ISDIR(found.st_mode) or lower.is_whiteout(found):
        raise _no_file(entry)
    if there and os.path.samestat(found, there):
        return
    if there:
        tree.clear(directory, name)
    os.link(target, name, src_dir_fd=source, dst_dir_fd=directory.fd, follow_symlinks=False)


def _status(directory: int, name: bytes) -> os.stat_result | None:
    try:
        return os.stat(name, dir_fd=directory, follow_symlinks=False)
    except FileNotFoundError:
        return None


def _target_directory(tree: Tree, target: Parts, entry: Entry) -> int:
    """The directory that has the link's target; one of a lower layer is copied up first."""
    try:
        fd = tree.look_up(target[:-1])
        if _status(fd, target[-1]):
            return fd
        os.close(fd)
    except (FileNotFoundError, NotADirectoryError):
        pass
    with lower.found(tree.lowers, target) as below:
        if below is None or not stat.S_ISREG(os.fstat(below).st_mode):
            raise _no_file(entry)
        return _copy_up(tree, below, target)


def _copy_up(tree: Tree, below: int, target: Parts) -> int:
    directory = tree.open_directory(target[:-1])
    try:
        before = os.fstat(directory)
        to = os.open(target[-1], _NEW_FILE, 0o600, dir_fd=directory)
        try:
            with open(f"/proc/self/fd/{below}", "rb", buffering=0) as file:
                while os.sendfile(to, file.fileno(), None, 1 << 30):
                    pass
            attributes.copy(below, to)
        finally:
            os.close(to)
        os.utime(directory, ns=(before.st_atime_ns, before.st_mtime_ns))
    except BaseException:
        os.close(directory)
        raise
    return directory


def _no_file(entry: Entry) -> BadArchive:
    return BadArchive(
        f"the hard link {entry.name!r} leads to {entry.linkname!r}, which is no file of this "
        "layer or those below"
    )
