"""What PersistentVolumeClaims hold: directories that outlive pods, and the claims themselves.

    state/claims/<namespace>/<name>/    made when a pod first mounts it
    state/claims/.removed/<uuid>/       given back, and about to go

Removing takes its time: nobody finds half of what was there under its name, and what a killed
worker left is removed with the next, or by the next agent.
"""

from __future__ import annotations

import contextlib
import os
import uuid
from pathlib import Path

from podrun.errors import MechanismFailed
from podrun.linux.mountinfo import unmount_below
from podrun.linux.trees import remove_tree
from podrun.node.paths import Paths

_REMOVED = ".removed"  # no namespace begins with a dot


def directory(paths: Paths, namespace: str, name: str) -> Path:
    return paths.claims / namespace / name


def reclaim(paths: Paths, namespace: str, name: str) -> None:
    """Remove what the claim held, if there is anything. Idempotent. Raises MechanismFailed."""
    path = directory(paths, namespace, name)
    rubbish = paths.claims / _REMOVED
    try:
        if path.exists():
            unmount_below(path)  # what containers have mounted there
            rubbish.mkdir(mode=0o700, exist_ok=True)
            path.rename(rubbish / str(uuid.uuid4()))
        with contextlib.suppress(OSError):  # other claims of the namespace are there
            path.parent.rmdir()
        remove_tree(rubbish)
    except OSError as error:
        what = f"remove the data of persistentvolumeclaim {namespace}/{name}"
        raise MechanismFailed.from_oserror(what, error) from None


def has_rubbish(paths: Paths) -> bool:
    return (paths.claims / _REMOVED).exists()


def sweep(paths: Paths) -> None:
    """Remove what a killed worker has left. OSError."""
    remove_tree(paths.claims / _REMOVED)


def disk_bytes(paths: Paths) -> int:
    """The size of the disk that claims lie on, full or not. OSError."""
    path = paths.claims
    while not path.exists():
        path = path.parent
    disk = os.statvfs(path)
    return disk.f_blocks * disk.f_frsize
