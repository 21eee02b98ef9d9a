"""The container's own /dev: a tmpfs with the usual nodes, prepared outside as a descriptor."""

from __future__ import annotations

import contextlib
import os
import stat
from pathlib import Path

from podrun.linux import mount

#: name → (major, minor); mode 0666
NODES = {
    "null": (1, 3),
    "zero": (1, 5),
    "full": (1, 7),
    "random": (1, 8),
    "urandom": (1, 9),
    "tty": (5, 0),
}

LINKS = {
    "fd": "/proc/self/fd",
    "stdin": "/proc/self/fd/0",
    "stdout": "/proc/self/fd/1",
    "stderr": "/proc/self/fd/2",
    "ptmx": "pts/ptmx",
}

_OWN = ("pts", "shm", "mqueue")

_TTY_GROUP = 5


def make_dev(*, privileged: bool, owner: int = 0) -> int:
    """A detached tmpfs for /dev; with every device of the host when ``privileged``.

    What every container has belongs to ``owner``, its root. The host's devices stay the host's.
    """
    fd = mount.new_filesystem("tmpfs", {"mode": "0755", "size": "65536k"}, mount.MOUNT_ATTR_NOSUID)
    try:
        for name in _OWN:
            os.mkdir(name, 0o755, dir_fd=fd)
        for name, (major, minor) in NODES.items():
            _node(fd, name, stat.S_IFCHR | 0o666, os.makedev(major, minor))
        for name, target in LINKS.items():
            os.symlink(target, name, dir_fd=fd)
        if owner:
            for name in (".", *_OWN, *NODES, *LINKS):
                os.chown(name, owner, owner, dir_fd=fd, follow_symlinks=False)
        if privileged:
            _copy_nodes(fd, Path("/dev"))
    except BaseException:
        os.close(fd)
        raise
    return fd


def make_pts(owner: int = 0) -> int:
    """A devpts instance of its own: a container cannot see, or type into, another's terminals."""
    fd = mount.new_filesystem(
        "devpts",
        {"newinstance": None, "ptmxmode": "0666", "mode": "0620", "gid": str(owner + _TTY_GROUP)},
        mount.MOUNT_ATTR_NOSUID | mount.MOUNT_ATTR_NOEXEC,
    )
    if owner:
        for name in (".", "ptmx"):
            os.chown(name, owner, owner, dir_fd=fd)
    return fd


def _node(dev: int, name: str, mode: int, device: int) -> None:
    os.mknod(name, mode, device, dir_fd=dev)
    os.chmod(name, stat.S_IMODE(mode), dir_fd=dev)  # whatever the umask


def _copy_nodes(dev: int, host: Path, below: str = "") -> None:
    for entry in os.scandir(host / below):
        name = f"{below}/{entry.name}" if below else entry.name
        info = entry.stat(follow_symlinks=False)
        if stat.S_ISDIR(info.st_mode) and name not in _OWN:
            os.mkdir(name, 0o755, dir_fd=dev)
            _copy_nodes(dev, host, name)
        elif stat.S_ISCHR(info.st_mode) or stat.S_ISBLK(info.st_mode):
            with contextlib.suppress(FileExistsError):
                _node(dev, name, info.st_mode, info.st_rdev)
                os.chown(name, info.st_uid, info.st_gid, dir_fd=dev)
