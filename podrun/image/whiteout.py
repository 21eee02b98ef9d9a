"""Whiteouts: what a layer says about the layers below it, in overlayfs' own terms.

    .wh.NAME        a character device 0/0 called NAME      (hides NAME of the layers below)
    .wh..wh..opq    trusted.overlay.opaque=y on the directory (hides all of the layers below)
    .wh..wh.*       aufs' own book-keeping: ignored, and what is below it

A whiteout speaks of the layers below only, wherever in the archive it stands: what this layer
itself has under that name stays, and a directory becomes opaque. (Image specification, "Whiteouts";
Documentation/filesystems/overlayfs.rst.)
"""

from __future__ import annotations

import os
import stat

from podrun.image import lower
from podrun.image.mkdirs import DIRECTORY
from podrun.image.tree import Directory, Parts, Tree
from podrun.image.types import BadArchive

PREFIX = b".wh."
_OPAQUE = b".wh..wh..opq"
_AUFS = b".wh..wh."


def handled(tree: Tree, parts: Parts) -> bool:
    """Whether ``parts`` is no name of its own; then all is done. BadArchive, OSError."""
    if any(part.startswith(_AUFS) for part in parts) and parts[-1:] != (_OPAQUE,):
        return True
    if any(part.startswith(PREFIX) for part in parts[:-1]):
        raise BadArchive(f"{b'/'.join(parts)!r} is below a whiteout, which is no directory")
    if not parts[-1].startswith(PREFIX):
        return False
    _apply(tree, tree.directory(parts[:-1]), parts)
    return True


def _apply(tree: Tree, directory: Directory, parts: Parts) -> None:
    if parts[-1] == _OPAQUE:
        os.setxattr(directory.fd, lower.OPAQUE, b"y")
        return
    name = parts[-1][len(PREFIX) :]
    if name in (b"", b".", b".."):
        raise BadArchive(f"the whiteout {b'/'.join(parts)!r} hides nothing that can be named")
    if tree.below.has(parts[:-1], name):
        _hide(directory.fd, name)  # over nothing, it would show in a directory that is not merged


def _hide(directory: int, name: bytes) -> None:
    try:
        status = os.stat(name, dir_fd=directory, follow_symlinks=False)
    except FileNotFoundError:
        os.mknod(name, stat.S_IFCHR, os.makedev(0, 0), dir_fd=directory)
        return
    if stat.S_ISDIR(status.st_mode):
        fd = os.open(name, DIRECTORY, dir_fd=directory)
        try:
            os.setxattr(fd, lower.OPAQUE, b"y")
        finally:
            os.close(fd)
