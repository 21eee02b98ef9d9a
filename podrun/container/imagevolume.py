"""Image volumes: an image's files, or one file or directory of them, read-only in a container."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Sequence
from pathlib import Path

from podrun.errors import MechanismFailed
from podrun.image import readonly
from podrun.linux import mount
from podrun.linux.users import Users
from podrun.node.paths import PodPaths
from podrun.volume import subpath
from podrun.volume.spec import Volume

#: Read-only and without execution is what Kubernetes promises (KEP-4639); set-user-ID files mean
#: nothing without execution, and an image's device nodes are not for who reads its files.
_ATTRIBUTES = (
    mount.MOUNT_ATTR_RDONLY
    | mount.MOUNT_ATTR_NOEXEC
    | mount.MOUNT_ATTR_NOSUID
    | mount.MOUNT_ATTR_NODEV
)
_CLONE = mount.OPEN_TREE_CLONE | mount.OPEN_TREE_CLOEXEC | mount.AT_EMPTY_PATH


def open_mount(
    volume: Volume,
    lowers: Sequence[str],
    sub_path: str,
    pod: PodPaths,
    users: Users | None = None,
) -> int:
    """A detached mount, for the container to attach; the caller closes it.

    Raises MechanismFailed (reason CreateContainerError, in the words of the CRI), Unavailable.
    """
    with contextlib.ExitStack() as opened:
        try:
            layers = [Path(path) for path in lowers]
            root = opened.enter_context(readonly.opened(layers, pod.volume(volume.name), users))
        except OSError as error:
            raise _failed(f'mount the image of volume "{volume.name}"', error) from None
        return _clone(volume, root, sub_path)


def _clone(volume: Volume, root: int, sub_path: str) -> int:
    try:
        part = subpath.open_path(root, sub_path)
    except FileNotFoundError:
        raise _error(
            f'subPath "{sub_path}" does not exist in image volume "{volume.name}"'
        ) from None
    except OSError as error:
        raise _failed(f'open subPath "{sub_path}" of image volume "{volume.name}"', error) from None
    try:
        fd = mount.open_tree(part, "", _CLONE)
    except OSError as error:
        raise _failed(f'mount the image of volume "{volume.name}"', error) from None
    finally:
        os.close(part)
    try:
        mount.mount_setattr(fd, attr_set=_ATTRIBUTES, propagation=mount.MS_PRIVATE)
    except BaseException:
        os.close(fd)
        raise
    return fd


def _failed(step: str, error: OSError) -> MechanismFailed:
    return _error(f"{step}: {error.strerror}", error.errno or 0)


def _error(message: str, errno: int = 0) -> MechanismFailed:
    return MechanismFailed(
        f"ImageVolumeMountFailed: {message}", reason="CreateContainerError", errno=errno
    )
