"""What is mounted where, as proc_pid_mountinfo(5) tells this process."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from podrun.linux import mount


class Mounted(NamedTuple):
    """``shared``: what is mounted below it appears in its peers; ``slave``: theirs appear here."""

    id: int
    point: str
    kind: str
    shared: bool
    slave: bool


def mounts() -> Iterator[Mounted]:
    """In the order they were mounted, but for those that were moved."""
    text = os.fsdecode(Path("/proc/self/mountinfo").read_bytes())
    # Nothing else ends a line: names may have form feeds and all that Unicode takes for one.
    for line in text.rstrip("\n").split("\n"):
        before, _, after = line.partition(" - ")
        fields = before.split(" ")
        tags = {tag.partition(":")[0] for tag in fields[6:]}
        yield Mounted(
            int(fields[0]),
            _unescaped(fields[4]),
            after.split(" ")[0],
            "shared" in tags,
            "master" in tags,
        )


def mount_of(fd: int) -> Mounted | None:
    """The one that an open file lies on; None for a mount of no namespace of ours. OSError."""
    for line in Path(f"/proc/self/fdinfo/{fd}").read_text().splitlines():
        if line.startswith("mnt_id:"):
            wanted = int(line.split()[1])
            return next((each for each in mounts() if each.id == wanted), None)
    return None


def is_below(path: str, directory: str) -> bool:
    """Or the directory itself. Both without links and dots."""
    return path == directory or path.startswith(directory.rstrip("/") + "/")


def unmount_below(directory: Path) -> None:
    """All that is mounted on ``directory`` or below it: nothing of that is to be removed. OSError.

    With a volume that is shared a container mounts on the host, too, and may leave it there.
    """
    real = os.path.realpath(directory)
    found = [each.point for each in mounts() if is_below(each.point, real)]
    for point in sorted(found, key=lambda each: each.count("/"), reverse=True):
        mount.umount2(point, mount.MNT_DETACH | mount.UMOUNT_NOFOLLOW)


def _unescaped(text: str) -> str:
    raw = text.encode(errors="surrogateescape")
    return os.fsdecode(raw.decode("unicode_escape").encode("latin-1"))
