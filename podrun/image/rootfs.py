"""A container's root file system: the image's layers below, a writable layer of its own above.

overlay   upper layer in the attempt's directory
tmpfs     upper layer in memory, where that directory's file system cannot hold one (overlayfs
          itself, NFS, 9p)
copy      all layers copied, where there is no overlayfs; never the host's own root
"""

from __future__ import annotations

import contextlib
import errno
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import msgspec

from podrun.errors import MechanismFailed, Unavailable
from podrun.image import attributes, copy, host, overlay
from podrun.linux import mount
from podrun.linux.trees import remove_tree
from podrun.linux.users import Users
from podrun.node import idmapped

How = Literal["overlay", "tmpfs", "copy"]
_WAYS: tuple[How, ...] = ("overlay", "tmpfs", "copy")
#: What overlayfs says when a file system cannot be its upper layer.
_NO_UPPER = (errno.EINVAL, errno.EOPNOTSUPP, errno.EREMOTE, errno.EROFS, errno.EPERM)


class RootFs(msgspec.Struct, frozen=True):
    """``fd`` is a detached mount, the caller's to attach and close; ``note`` is for the user."""

    fd: int
    how: How
    note: str = ""


def prepare(
    lowers: Sequence[Path],
    upper_dir: Path,
    *,
    readonly: bool = False,
    ways: Sequence[How] = _WAYS,
    users: Users | None = None,
) -> RootFs:
    """Build the root file system from ``lowers`` (topmost first).

    ``upper_dir`` and ``work`` beside it are made when missing and kept by ``discard`` only. With
    ``readonly`` the mount is read-only at once: whoever must make mount points in it first does
    that on a writable one and calls mount_setattr. ``ways`` are tried in order. ``users`` are the
    pod's own, whom the files then belong to.
    Needs root and a process of one thread. Raises MechanismFailed, Unavailable.
    """
    if len(lowers) > overlay.LAYERS_MAX:  # EINVAL, which would be taken for another reason
        raise Unavailable(
            f"an image of {len(lowers)} layers: overlayfs takes {overlay.LAYERS_MAX} at the most",
            hint="build it with fewer layers, or squash them",
        )
    failures: list[str] = []
    for how in ways:
        try:
            fd = _WAY[how](lowers, upper_dir, users)
        except OSError as error:
            if how == "copy" or error.errno not in (*_NO_UPPER, errno.ENODEV):
                raise _failed(how, upper_dir, error) from error
            failures.append(f"{how}: {os.strerror(error.errno)}")
            continue
        if readonly:
            mount.mount_setattr(fd, attr_set=mount.MOUNT_ATTR_RDONLY)
        return RootFs(fd, how, _note(how, upper_dir, failures))
    raise Unavailable(
        f"no root file system can be built in {upper_dir.parent} ({'; '.join(failures)})",
        hint="put stateRoot on ext4 or xfs, and see that overlayfs is there: modprobe overlay",
    )


def discard(upper_dir: Path) -> None:
    """Remove what ``prepare`` made beside and in ``upper_dir``; nothing there is fine. OSError."""
    for name in (upper_dir.name, "work", "copy", "copy.partial"):
        remove_tree(upper_dir.parent / name)


def _overlay(lowers: Sequence[Path], upper_dir: Path, users: Users | None) -> int:
    work = upper_dir.parent / "work"
    work.mkdir(mode=0o700, parents=True, exist_ok=True)
    _make_upper(lowers[0], upper_dir, users)
    return overlay.mount_overlay(lowers, upper_dir, work, users)


def _make_upper(top: Path, upper_dir: Path, users: Users | None) -> None:
    """The merged root shows the upper layer's own mode and owner: they must be the image's."""
    with contextlib.suppress(FileExistsError):
        upper_dir.mkdir(mode=0o755)
        with contextlib.ExitStack() as opened:
            source = overlay.layer(top, opened, users)
            made = os.open(upper_dir, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
            opened.callback(os.close, made)
            attributes.copy(source, made)


def _tmpfs(lowers: Sequence[Path], upper_dir: Path, users: Users | None) -> int:
    upper_dir.mkdir(mode=0o755, parents=True, exist_ok=True)
    return overlay.mount_on_tmpfs(lowers, upper_dir, users)


def _copy(lowers: Sequence[Path], upper_dir: Path, users: Users | None) -> int:
    if host.ROOT in lowers:
        raise Unavailable(
            f"{host.NAME} needs overlayfs, which cannot be mounted here; it is never copied",
            hint="use an image of your own: podrun image import",
        )
    whole, partial = upper_dir.parent / "copy", upper_dir.parent / "copy.partial"
    if not whole.exists():
        remove_tree(partial)
        partial.mkdir(mode=0o755, parents=True)
        copy.merge(lowers, partial)
        os.rename(partial, whole)
    fd = mount.open_tree(mount.AT_FDCWD, str(whole))
    if users is not None:
        idmapped.idmap(fd, users, "the image's copy", whole, reason="CreateContainerError")
    return fd


_WAY = {"overlay": _overlay, "tmpfs": _tmpfs, "copy": _copy}


def _note(how: How, upper_dir: Path, failures: list[str]) -> str:
    why = f" ({'; '.join(failures)})" if failures else ""
    if how == "tmpfs":
        return (
            f"the file system of {upper_dir.parent} cannot hold overlayfs' upper layer{why}: "
            "what containers write goes to memory (tmpfs) and ends with them"
        )
    if how == "copy":
        return f"overlayfs cannot be used here{why}: every container gets a full copy of its image"
    return ""


def _failed(how: How, upper_dir: Path, error: OSError) -> MechanismFailed:
    hint = "the disk is full" if error.errno in (errno.ENOSPC, errno.EDQUOT) else ""
    return MechanismFailed.from_oserror(f"build the root file system ({how})", error, hint=hint)
