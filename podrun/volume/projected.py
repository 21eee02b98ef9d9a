"""Files that are all exchanged at once: the content of configMap, secret, … volumes.

    <volume>/key ──► ..data/key              made once, for each name at the top
    <volume>/..data ──► ..2026_11_24_01_10_59.abcd        the one link that moves, by rename(2)
    <volume>/..2026_11_24_01_10_59.abcd/key               what it was is removed afterwards

A reader that has opened ``..data`` sees all old files or all new ones. Killed at any point, the
next ``write`` finds the old content or the new one whole, and removes the rest. The layout is
Kubernetes', and programs that wait for a change of ``..data`` rely on it.
"""

from __future__ import annotations

import contextlib
import os
import stat
import tempfile
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

from podrun.linux.trees import remove_tree

DATA = "..data"
_NEXT = "..data_tmp"
#: what fsGroup adds, where nothing can be written: as the kubelet's for read-only volumes
_GROUP_BITS = 0o440
_GROUP_DIRECTORY_BITS = _GROUP_BITS | 0o110 | stat.S_ISGID


def write(root: Path, files: Mapping[str, tuple[bytes, int]], group: int | None = None) -> bool:
    """Make ``files`` (path → content, permission bits) the volume's content; whether it was other.

    ``group`` is the pod's fsGroup. OSError: the old content is still there.
    """
    wanted = {path: (content, _mode(mode, group)) for path, (content, mode) in files.items()}
    current = _target(root)
    changed = not current or _content(root / current, group) != wanted
    if changed:
        current = _exchange(root, wanted, group)
    _link(root, {path.partition("/")[0] for path in wanted})
    _sweep(root, keep=current)
    return changed


def _mode(mode: int, group: int | None) -> int:
    return mode if group is None else mode | _GROUP_BITS


def _target(root: Path) -> str:
    """The name of the directory that ``..data`` is; "" without one."""
    try:
        return os.readlink(root / DATA)
    except FileNotFoundError:
        return ""


def _content(directory: Path, group: int | None) -> dict[str, tuple[bytes, int]]:
    """What is there now; nothing of what another group has."""
    found = {}
    for path in _regular_files(directory):
        status = path.stat()
        if group in (None, status.st_gid):
            content = (path.read_bytes(), stat.S_IMODE(status.st_mode))
            found[str(path.relative_to(directory))] = content
    return found


def _regular_files(directory: Path) -> Iterator[Path]:
    return (path for path in directory.rglob("*") if path.is_file())


def _exchange(root: Path, files: Mapping[str, tuple[bytes, int]], group: int | None) -> str:
    """Gives the name of the new directory."""
    prefix = time.strftime("..%Y_%m_%d_%H_%M_%S.", time.gmtime())
    fresh = Path(tempfile.mkdtemp(prefix=prefix, dir=root))
    try:
        _own(fresh, 0o755, group)
        for path, (content, mode) in files.items():
            _write_file(fresh, path, content, mode, group)
        with contextlib.suppress(FileNotFoundError):
            os.unlink(root / _NEXT)
        os.symlink(fresh.name, root / _NEXT)
        os.rename(root / _NEXT, root / DATA)
    except BaseException:
        remove_tree(fresh)
        raise
    return fresh.name


def _write_file(directory: Path, path: str, content: bytes, mode: int, group: int | None) -> None:
    parent = directory
    for part in path.split("/")[:-1]:
        parent /= part
        if not parent.is_dir():
            parent.mkdir()
            _own(parent, 0o755, group)
    target = directory / path
    with open(target, "xb") as file:
        file.write(content)
        if group is not None:
            os.fchown(file.fileno(), -1, group)
        os.fchmod(file.fileno(), mode)  # after chown, and whatever the umask


def _own(directory: Path, mode: int, group: int | None) -> None:
    if group is not None:
        os.chown(directory, -1, group)
        mode |= _GROUP_DIRECTORY_BITS
    os.chmod(directory, mode)


def _link(root: Path, names: set[str]) -> None:
    """What a container sees by name: links into ``..data``, and none for what is not there.

    A directory comes from a subPath that was missing when a container was started with it.
    """
    there = {name for name in os.listdir(root) if not name.startswith("..")}
    links = {name for name in there if (root / name).is_symlink()}
    for name in there - (names & links):
        if name in links:
            os.unlink(root / name)
        else:
            remove_tree(root / name)
    for name in names - links:
        os.symlink(f"{DATA}/{name}", root / name)


def _sweep(root: Path, keep: str) -> None:
    for name in os.listdir(root):
        if name.startswith("..") and name not in (DATA, keep):
            if (root / name).is_symlink():
                os.unlink(root / name)
            else:
                remove_tree(root / name)
