"""Tars to order, trees to compare, and a store of the test's own."""

from __future__ import annotations

import contextlib
import io
import os
import signal
import stat
import tarfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from podrun.image.store import ImageStore
from podrun.image.types import DEFAULT_LIMITS, Limits
from podrun.image.unpack import unpack
from podrun.node.config import Config
from podrun.node.paths import Paths
from tests.registry import need as need
from tests.registry import run as run


def member(name: str, content: bytes = b"", **fields: Any) -> tuple[tarfile.TarInfo, bytes]:
    """A regular file, unless ``type`` says otherwise."""
    info = tarfile.TarInfo(name)
    info.size = len(content)
    for key, value in fields.items():
        setattr(info, key, value)
    return info, content


def directory(name: str, **fields: Any) -> tuple[tarfile.TarInfo, bytes]:
    return member(name, **{"type": tarfile.DIRTYPE, "mode": 0o755, **fields})


def symlink(name: str, target: str) -> tuple[tarfile.TarInfo, bytes]:
    return member(name, type=tarfile.SYMTYPE, linkname=target, mode=0o777)


def hardlink(name: str, target: str) -> tuple[tarfile.TarInfo, bytes]:
    return member(name, type=tarfile.LNKTYPE, linkname=target)


def tar_of(*members: tuple[tarfile.TarInfo, bytes]) -> bytes:
    """Exactly these entries: hostile names included, which GNU tar would refuse to write."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for info, content in members:
            tar.addfile(info, io.BytesIO(content))
    return out.getvalue()


def unpacked(
    root: Path,
    *members: tuple[tarfile.TarInfo, bytes],
    lowers: Sequence[Path] = (),
    limits: Limits = DEFAULT_LIMITS,
) -> Path:
    """``members`` unpacked into the new directory ``root``."""
    root.mkdir(mode=0o755)
    unpack(io.BytesIO(tar_of(*members)), root, lowers, limits)
    return root


def tree(root: Path, *, times: bool = True) -> dict[str, tuple[object, ...]]:
    """Everything of a tree that an image must keep, by path; hard links by their group."""
    groups: dict[int, str] = {}
    found: dict[str, tuple[object, ...]] = {}
    paths = [root, *sorted(root.rglob("*"))]
    for path in paths:
        name, status = str(path.relative_to(root)), path.lstat()
        first = groups.setdefault(status.st_ino, name)
        found[name] = (
            oct(status.st_mode), status.st_uid, status.st_gid, status.st_rdev,
            status.st_mtime_ns if times else 0, _content(path, status), xattrs(path),
            first if not stat.S_ISDIR(status.st_mode) else "",
        )  # fmt: skip
    return found


def _content(path: Path, status: os.stat_result) -> object:
    if stat.S_ISLNK(status.st_mode):
        return os.readlink(path)
    return path.read_bytes() if stat.S_ISREG(status.st_mode) else None


def xattrs(path: Path) -> dict[str, bytes]:
    found = {}
    with contextlib.suppress(OSError):
        for name in os.listxattr(path, follow_symlinks=False):
            found[name] = os.getxattr(path, name, follow_symlinks=False)
    return found


def is_whiteout(path: Path) -> bool:
    status = path.lstat()
    return stat.S_ISCHR(status.st_mode) and status.st_rdev == 0


def is_opaque(path: Path) -> bool:
    return xattrs(path).get("trusted.overlay.opaque") == b"y"


def new_store(root: Path, limits: Limits = DEFAULT_LIMITS) -> ImageStore:
    return ImageStore(Paths(Config(state_root=str(root))), limits)


def rootfs_tree(root: Path) -> Path:
    """A small root file system with one of everything."""
    (root / "bin").mkdir(parents=True)
    (root / "etc/deep").mkdir(parents=True)
    (root / "bin/sh").write_bytes(b"\x7fELF" + bytes(3000))
    (root / "bin/sh").chmod(0o4755)
    os.link(root / "bin/sh", root / "bin/bash")
    (root / "etc/passwd").write_text("root:x:0:0::/root:/bin/sh\n")
    (root / "etc/Grüße").write_text("ü")
    os.chown(root / "etc/passwd", 1234, 70000)
    (root / "etc/link").symlink_to("../bin/sh")
    (root / "etc/absolute").symlink_to("/etc/passwd")
    os.mkfifo(root / "etc/fifo", 0o620)
    os.mknod(root / "etc/null", stat.S_IFCHR | 0o666, os.makedev(1, 3))
    os.setxattr(root / "etc/passwd", "user.mark", b"\0\x01binary=\n\xff")
    # VFS_CAP_REVISION_2, cap_net_raw permitted and effective
    capability = bytes.fromhex("0100000200200000000000000000000000000000")
    os.setxattr(root / "bin/sh", "security.capability", capability)
    with open(root / "etc/sparse", "wb") as file:
        file.truncate(10 << 20)
        file.seek(5 << 20)
        file.write(b"island")
    (root / ("long-" * 40)).write_text("a name beyond ustar's 100 bytes")
    os.utime(root / "etc/passwd", ns=(1, 1_234_567_890_123_456_789))
    os.utime(root / "etc/deep", ns=(1, 987_654_321_000_000_001))
    return root


def small(content: bytes = b"hello") -> io.BytesIO:
    return io.BytesIO(tar_of(directory("etc"), member("etc/file", content)))


def is_empty(store: ImageStore) -> bool:
    blobs = list(store.layout.blobs.iterdir())
    staged = list((store.layout.images / ".staging").iterdir())
    return not blobs and not staged and not list(store.layout.snapshots.iterdir())


def killed_after(seconds: float, act: Callable[[], object]) -> None:
    """``act`` in a child that the kernel ends after ``seconds``, wherever it is then."""
    pid = os.fork()
    if pid == 0:
        try:
            signal.signal(signal.SIGALRM, signal.SIG_DFL)
            signal.setitimer(signal.ITIMER_REAL, seconds)
            act()
        finally:
            os._exit(0)
    os.waitpid(pid, 0)
