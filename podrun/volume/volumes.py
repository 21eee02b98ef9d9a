"""A pod's volumes: made when the pod starts, opened as mount descriptors for each container.

emptyDir   a directory of the pod, 0777 whatever the umask, gone with the pod; or a tmpfs or
           hugetlbfs there
hostPath   a path of the host, checked against its type; never removed
claim      a directory that outlives all pods: 0777 when it is made, then as they leave it
projected  a directory of the pod, or a tmpfs there, whose files podrun.volume.projected writes
image      layers, put together for each container by itself (podrun.container.imagevolume)
"""

from __future__ import annotations

import contextlib
import os
import stat
from collections.abc import Callable
from pathlib import Path

from podrun.errors import MechanismFailed
from podrun.linux import mount, mountinfo
from podrun.linux.trees import remove_tree
from podrun.linux.users import Users
from podrun.node import idmapped
from podrun.node.paths import PodPaths
from podrun.volume import subpath
from podrun.volume.ownership import GroupOwner, give
from podrun.volume.propagation import check, flag_of
from podrun.volume.spec import Volume

_CLONE = mount.OPEN_TREE_CLONE | mount.OPEN_TREE_CLOEXEC | mount.AT_EMPTY_PATH


def make(volume: Volume, pod: PodPaths, owner: GroupOwner | None = None) -> None:
    """Idempotent. ``owner`` is the pod's fsGroup; a hostPath is not given to it.

    Raises MechanismFailed (reason FailedMount) on a hostPath of the wrong type.
    """
    if volume.kind == "emptyDir":
        _make_empty_dir(volume, pod.volume(volume.name), owner)
    elif volume.kind == "projected":
        _make_empty_dir(volume, pod.volume(volume.name), None)
    elif volume.kind == "hostPath":
        _make_host_path(volume)
    elif volume.kind == "claim":
        _make_claim(volume, pod, owner)


def source(volume: Volume, pod: PodPaths) -> Path:
    """Where the volume's content is on the host; of an image a copy, should one be needed."""
    if volume.kind == "claim":
        return pod.all_claims / volume.path
    return Path(volume.path) if volume.kind == "hostPath" else pod.volume(volume.name)


def open_mount(
    volume: Volume,
    pod: PodPaths,
    *,
    read_only: bool = False,
    recursive: bool = False,
    sub_path: str = "",
    propagation: str = "",
    users: Users | None = None,
) -> int:
    """A detached mount of the volume, for the container to attach; the caller closes it.

    ``sub_path`` is one file or directory of it; a missing one is made, as a directory. hostPath
    carries the mounts below it along, as containerd's rbind does; ``read_only`` is for the top
    mount alone, unless it is ``recursive``. ``propagation`` is one of podrun.volume.propagation.
    ``users`` are the pod's own, whom the files then seem to belong to. Raises MechanismFailed.
    """
    path = source(volume, pod)
    with contextlib.ExitStack() as opened:
        try:
            top = os.open(path, os.O_PATH | os.O_CLOEXEC)
        except OSError as error:
            raise failed(f'open volume "{volume.name}"', error) from None
        opened.callback(os.close, top)
        if sub_path:
            try:
                top = subpath.open_or_make(top, sub_path)
            except OSError as error:
                raise sub_path_failed(volume, sub_path, error) from None
            opened.callback(os.close, top)
        check(propagation, volume.name, str(path), top)
        fd = _clone(volume, top, flag_of(propagation, own_users=users is not None))
        opened.callback(os.close, fd)
        if read_only:
            mount.mount_setattr(fd, attr_set=mount.MOUNT_ATTR_RDONLY, recursive=recursive)
        if users is not None:
            idmapped.idmap(fd, users, f'volume "{volume.name}"', path)
        return os.dup(fd)


def _clone(volume: Volume, top: int, propagation: int) -> int:
    try:
        fd = mount.open_tree(top, "", _CLONE | mount.AT_RECURSIVE)
    except OSError as error:
        raise failed(f'open volume "{volume.name}"', error) from None
    try:
        mount.mount_setattr(fd, propagation=propagation, recursive=True)
    except BaseException:
        os.close(fd)
        raise
    return fd


def remove_all(pod: PodPaths) -> None:
    """The pod's own volumes, with all that is in them. Links are removed, never followed."""
    root = pod.root / "volumes"
    mountinfo.unmount_below(root)
    remove_tree(root)


def _make_empty_dir(volume: Volume, path: Path, owner: GroupOwner | None) -> None:
    """Root's alone, as is what the pod mounts of Secrets: who may read the pod's records may not
    look in here. Containers get it by descriptor."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    path.mkdir(exist_ok=True)
    if (volume.memory or volume.page_bytes) and not os.path.ismount(path):
        _mount_memory(volume, path)
    mode = stat.S_IMODE(path.stat().st_mode)
    if mode & 0o777 != 0o777:  # mkdir's was cut by the umask; set-group-ID stays
        os.chmod(path, mode | 0o777)
    _give(volume, path, owner)


def _give(volume: Volume, path: Path, owner: GroupOwner | None) -> None:
    if owner is not None:
        try:
            give(path, owner)
        except OSError as error:
            raise failed(f'set fsGroup of volume "{volume.name}"', error) from None


def _make_claim(volume: Volume, pod: PodPaths, owner: GroupOwner | None) -> None:
    """Its mode is the pods' own from the first moment: a database may insist on 0700."""
    path = source(volume, pod)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        umask = os.umask(0)
        try:
            path.mkdir(mode=0o777, exist_ok=True)
        finally:
            os.umask(umask)
    except OSError as error:
        raise failed(f'make volume "{volume.name}"', error) from None
    _give(volume, path, owner)


def _mount_memory(volume: Volume, path: Path) -> None:
    """On the host, as the kubelet does: it outlives the sandbox, and the agent."""
    kind = "hugetlbfs" if volume.page_bytes else "tmpfs"
    options: dict[str, str | None] = {"mode": "0777"}
    if volume.size_bytes:
        options["size"] = str(volume.size_bytes)
    if volume.page_bytes:
        options["pagesize"] = str(volume.page_bytes)
    try:
        quiet = mount.MOUNT_ATTR_NOSUID | mount.MOUNT_ATTR_NODEV
        fd = mount.new_filesystem(kind, options, quiet)
        try:
            mount.mount_setattr(fd, propagation=mount.MS_PRIVATE)
            mount.move_mount(fd, "", mount.AT_FDCWD, str(path))
        finally:
            os.close(fd)
    except OSError as error:
        raise failed(f'mount the {kind} of volume "{volume.name}"', error) from None


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
        raise failed(f'hostPath of volume "{volume.name}"', error) from None
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


def failed(step: str, error: OSError) -> MechanismFailed:
    mechanism = MechanismFailed.from_oserror(step, error)
    mechanism.reason = "FailedMount"
    return mechanism


def sub_path_failed(volume: Volume, sub_path: str, error: OSError) -> MechanismFailed:
    """In the kubelet's words, and with the reason it gives the container."""
    step = f'failed to prepare subPath "{sub_path}" for volumeMount "{volume.name}"'
    mechanism = MechanismFailed.from_oserror(step, OSError(error.errno, error.strerror))
    mechanism.reason = "CreateContainerConfigError"
    return mechanism
