"""Remove a directory tree that somebody else has filled: any depth, any names, by descriptors.

shutil.rmtree recurses and holds a descriptor for each level, so a tree 2,000 levels deep (one tar
entry makes it) ends it. Here every subdirectory is first moved up into the tree's own root, so the
work is flat: two descriptors, no recursion, a bounded list of names, and a killed removal is
finished by the next call.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import stat
from pathlib import Path

_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_AT_A_TIME = 10_000


def remove_tree(path: Path) -> None:
    """Remove ``path`` and all below it; symbolic links are removed, never followed.

    Nothing there is fine. The tree must lie on one file system and have no other writer. OSError.
    """
    try:
        root = os.open(path, _DIRECTORY)
    except FileNotFoundError:
        return
    except NotADirectoryError:
        os.unlink(path)
        return
    try:
        _empty(root)
    finally:
        os.close(root)
    os.rmdir(path)


def _empty(root: int) -> None:
    while names := _some(root):
        for name, is_directory in names:
            if not is_directory:
                os.unlink(name, dir_fd=root)
                continue
            child = os.open(name, _DIRECTORY, dir_fd=root)
            try:
                _clear(child, root)
            finally:
                os.close(child)
            os.rmdir(name, dir_fd=root)


def _clear(directory: int, root: int) -> None:
    """Unlink what is in ``directory``; its subdirectories move up to ``root`` and wait there."""
    while names := _some(directory):
        for name, is_directory in names:
            if is_directory:
                _lift(name, directory, root)
            else:
                os.unlink(name, dir_fd=directory)


def _some(directory: int) -> list[tuple[str, bool]]:
    """The next few names, and whether each is a directory's: there can be millions in all."""
    with os.scandir(directory) as entries:
        some = itertools.islice(entries, _AT_A_TIME)
        return [(entry.name, entry.is_dir(follow_symlinks=False)) for entry in some]


def _lift(name: str, directory: int, root: int) -> None:
    inode = os.stat(name, dir_fd=directory, follow_symlinks=False).st_ino
    lifted = f".removing-{inode}"
    with contextlib.suppress(FileNotFoundError):
        if stat.S_ISDIR(os.stat(lifted, dir_fd=root, follow_symlinks=False).st_mode):
            lifted = f".removing-{inode}-{os.urandom(8).hex()}"
    os.rename(name, lifted, src_dir_fd=directory, dst_dir_fd=root)
