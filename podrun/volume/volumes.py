"""A pod's volumes: made when the pod starts, opened as mount descriptors for each container.

emptyDir   a directory of the pod, 0777 whatever the umask, gone with the pod
hostPath   a path of the host, checked against its type; never removed
"""

from __future__ import annotations

import os
import stat
from collections.abc import Callable
from pathlib import Path

from podrun.errors import MechanismFailed
from podrun.linux import mount
from podrun.linux.trees import remove_tree
from podrun.node.paths import PodPaths
from podrun.volume.spec import Volume


def make(volume: Volume, pod: PodPaths) -> None:
    """Idempotent. Raises MechanismFailed (reason FailedMount) on a hostPath of the wrong type."""
    if volume.kind == "emptyDir":
        _make_empty_dir(pod.volume(volume.name))
    else:
        _make_host_path(volume)


def source(volume: Volume, pod: PodPaths) -> Path:
    """Where the volume's content is on the host."""
    return pod.volume(volume.name) if volume.kind == "emptyDir" else Path(volume.path)


def open_mount(volume: Volume, pod: PodPaths, *, read_only: bool) -> int:
    """A detached mount of the volume, for the container to attach; the caller closes it.

    hostPath carries the mounts below it along, as containerd's rbind does; ``read_only`` is for the
    top mount alone (recursiveReadOnly is a field of its own).
    """
    where = source(volume, pod)
    try:
        fd = mount.open_tree(
            mount.AT_FDCWD,
            str(where),
            mount.OPEN_TREE_CLONE | mount.OPEN_TREE_CLOEXEC | mount.AT_RECURSIVE,
        )
    except OSError as error:
        raise _failed(f'open volume "{volume.name}"', error) from None
    try:
        mount.mount_setattr(fd, propagation=mount.MS_PRIVATE, recursive=True)
        if read_only:
            mount.mount_setattr(fd, attr_set=mount.MOUNT_ATTR_RDONLY)
    except BaseException:
        os.close(fd)
        raise
    return fd


def remove_all(pod: PodPaths) -> None:
    """The pod's own volumes, with all that is in them. Links are removed, never followed."""
    remove_tree(pod.root / "volumes")


def _make_empty_dir(path: Path) -> None:
    path.mkdir(parents=True, exist_ok=True)
    os.chmod(path, 0o777)  # mkdir's mode would be cut by the umask


def _make_host_path(volume: Volume) -> None:
    path = Path(volume.path)
    kind = volume.path_type
    try:
        if kind == "DirectoryOrCreate" and not path.exists():
            path.mkdir(parents=True, mode=0o755)
        elif kind == "FileOrCreate" and not path.exists():
            os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC, 0o644))
        mode = path.stat().st_mode
    except OSError as error:
        raise _failed(f'hostPath of volume "{volume.name}"', error) from None
    wanted = _TYPES.get(kind)
    if wanted is not None and not wanted(mode):
        raise MechanismFailed(
            f'hostPath of volume "{volume.name}": {path} is not a {kind.removesuffix("OrCreate")}',
            hint="change the path or its type in the manifest",
            reason="FailedMount",
        )


_TYPES: dict[str, Callable[[int], bool]] = {
    "Directory": stat.S_ISDIR,
    "DirectoryOrCreate": stat.S_ISDIR,
    "File": stat.S_ISREG,
    "FileOrCreate": stat.S_ISREG,
    "Socket": stat.S_ISSOCK,
    "CharDevice": stat.S_ISCHR,
    "BlockDevice": stat.S_ISBLK,
}


def _failed(step: str, error: OSError) -> MechanismFailed:
    failed = MechanismFailed.from_oserror(step, error)
    failed.reason = "FailedMount"
    return failed
