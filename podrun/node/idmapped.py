"""Mounts seen with a pod's own user ids, and whose file system cannot do it."""

from __future__ import annotations

import errno
import os
from pathlib import Path

from podrun.errors import MechanismFailed
from podrun.linux import mount, mountinfo, users
from podrun.linux.users import Users

_CLONE = mount.OPEN_TREE_CLONE | mount.OPEN_TREE_CLOEXEC


def idmap(fd: int, owner: Users, what: str, path: Path, *, reason: str = "FailedMount") -> None:
    """Give the detached mount ``fd``, and those below it, the ids of ``owner``.

    ``what`` is a copy of ``path``, both for messages. Raises MechanismFailed with ``reason``.
    """
    try:
        users.idmap(fd, owner, recursive=True)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.EPERM, errno.ENOSYS):
            raise MechanismFailed.from_oserror(f"map the ids of {what}", error) from None
        raise MechanismFailed(
            f"{what}: {_culprit(path, owner)} cannot be mounted with the pod's own user ids "
            "(idmapped)",
            hint="put it on ext4, xfs or btrfs (tmpfs since Linux 6.3), or leave out hostUsers",
            reason=reason,
            errno=error.errno,
        ) from None


def _culprit(path: Path, owner: Users) -> str:
    """The mount that cannot, of what holds ``path`` and what is mounted below it."""
    real = os.path.realpath(path)
    rows = list(mountinfo.mounts())
    above = [row for row in rows if mountinfo.is_below(real, row.point)]
    holder = max(above, key=lambda row: len(row.point))
    for row in (holder, *(row for row in rows if mountinfo.is_below(row.point, real))):
        if not _can(row.point, owner):
            return f"the file system of {row.point} ({row.kind})"
    return f"the file system of {real} ({holder.kind})"


def _can(point: str, owner: Users) -> bool:
    try:
        fd = mount.open_tree(mount.AT_FDCWD, point, _CLONE)
    except OSError:
        return False
    try:
        users.idmap(fd, owner)
    except OSError:
        return False
    finally:
        os.close(fd)
    return True
