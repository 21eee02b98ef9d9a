"""An image's files, to be read only: what an image volume shows.

One layer needs no overlayfs (and overlayfs wants two): its tree is taken as it is, since the lowest
layer has no whiteouts. Several are merged for a moment, in a mount namespace of our own, so that
parts of them can be taken out (open_tree(2) clones no part of a mount that is nowhere attached,
until 6.15); what was taken out stays when the namespace is gone.
"""

from __future__ import annotations

import contextlib
import errno
import os
from collections.abc import Iterator, Sequence
from pathlib import Path

from podrun.errors import Unavailable
from podrun.image import copy, host
from podrun.image.overlay import attach_layers, layer, private_mounts
from podrun.linux import mount
from podrun.linux.trees import remove_tree
from podrun.linux.users import Users

_NO_OVERLAY = (errno.ENODEV, errno.EINVAL, errno.EPERM, errno.EOPNOTSUPP)
_DIRECTORY = os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC


@contextlib.contextmanager
def opened(lowers: Sequence[Path], spare: Path, users: Users | None = None) -> Iterator[int]:
    """An O_PATH descriptor of the root of ``lowers`` (topmost first), attached as long as this is
    open. ``spare`` is the directory for a merged copy, where there is no overlayfs. ``users`` are
    the pod's own, whom the files then belong to.

    Needs root and a process of one thread. Raises OSError, Unavailable.
    """
    if len(lowers) == 1:
        with _shown(lowers[0], users) as root:
            yield root
        return
    with contextlib.ExitStack() as stack:
        try:
            root = stack.enter_context(_merged(lowers, users))
        except OSError as error:
            if error.errno not in _NO_OVERLAY:
                raise
            root = stack.enter_context(_shown(_copied(lowers, spare), users))
        yield root


@contextlib.contextmanager
def _directory(path: Path) -> Iterator[int]:
    root = os.open(path, _DIRECTORY)
    try:
        yield root
    finally:
        os.close(root)


@contextlib.contextmanager
def _shown(path: Path, users: Users | None) -> Iterator[int]:
    """One directory as it is, but for its owners."""
    if users is None:
        with _directory(path) as root:
            yield root
        return
    with contextlib.ExitStack() as stack:
        stack.enter_context(private_mounts())
        root = layer(path, stack, users)
        attach_layers([root], path.parent)
        yield root


@contextlib.contextmanager
def _merged(lowers: Sequence[Path], users: Users | None) -> Iterator[int]:
    """mount(2) it is, as in ``overlay``: its one string has room for 127 descriptors."""
    target = lowers[0].parent  # any directory would do: nobody else sees it
    with contextlib.ExitStack() as stack:
        stack.enter_context(private_mounts())
        layers = [layer(path, stack, users) for path in lowers]
        if users is not None:
            attach_layers(layers, target)
        below = ":".join(map(str, layers))
        os.chdir("/proc/self/fd")
        options = f"lowerdir={below},index=off,xino=off,metacopy=off"
        mount.mount("podrun", str(target), "overlay", mount.MS_RDONLY, options)
        yield stack.enter_context(_directory(target))


def _copied(lowers: Sequence[Path], spare: Path) -> Path:
    if host.ROOT in lowers:
        raise Unavailable(f"{host.NAME} is never copied", hint="modprobe overlay")
    whole = spare / "copy"
    if not whole.exists():
        partial = spare / f"copy.{os.getpid()}"  # a worker for each container, all at once
        partial.mkdir(mode=0o755, parents=True)
        copy.merge(lowers, partial)
        try:
            os.rename(partial, whole)
        except OSError as error:
            if error.errno not in (errno.EEXIST, errno.ENOTEMPTY):
                raise
            remove_tree(partial)  # another one was quicker: theirs is as good
    return whole
