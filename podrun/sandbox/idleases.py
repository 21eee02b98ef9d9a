"""Which pod has which user ids: a symbolic link for each range, ``users/<first id> → <uid>``.

    free ── lease (first sandbox) ──► the pod's, over sandboxes and boots ── release ──► free

As with addresses, a link is made whole or not at all and never over another one: whoever is killed
when, no two pods have one range. Root in one pod is nobody in another.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
from collections.abc import Collection, Iterator
from pathlib import Path

from podrun.errors import MechanismFailed, Unavailable
from podrun.linux.users import COUNT
from podrun.node.config import Config
from podrun.node.paths import Paths

#: Ids from 2^31 on are taken for negative numbers by some programs.
_END = 1 << 31

#: ranges that this machine's users may map for themselves, subuid(5)
_SUBORDINATE = (Path("/etc/subuid"), Path("/etc/subgid"))


def lease(config: Config, paths: Paths, uid: str) -> int:
    """The first of ``uid``'s 65,536 ids, the same one as long as it is not released.

    Raises Unavailable when no range is left, MechanismFailed.
    """
    with _locked(paths):
        taken = by_range(paths)
        for first, owner in taken.items():
            if owner == uid:
                return first
        first = _free(config.userns_first_id, taken, _subordinate())
        try:
            os.symlink(uid, paths.users / str(first))
        except OSError as error:
            raise MechanismFailed.from_oserror(f"lease user ids to pod {uid}", error) from None
        return first


def held(paths: Paths, uid: str) -> int:
    """The first id of ``uid``'s range; 0 when it has none."""
    return next((first for first, owner in by_range(paths).items() if owner == uid), 0)


def release(paths: Paths, uid: str) -> None:
    """Idempotent."""
    for first, owner in by_range(paths).items():
        if owner == uid:
            (paths.users / str(first)).unlink(missing_ok=True)


def release_all_but(paths: Paths, uids: Collection[str]) -> None:
    """Those of pods that are no more."""
    for owner in set(by_range(paths).values()) - set(uids):
        release(paths, owner)


def by_range(paths: Paths) -> dict[int, str]:
    """first id → uid of the pod. Whatever else is in the directory is passed over."""
    found = {}
    with contextlib.suppress(FileNotFoundError):
        for name in os.listdir(paths.users):
            with contextlib.suppress(OSError):
                if name.isdecimal():
                    found[int(name)] = os.readlink(paths.users / name)
    return found


def _free(start: int, taken: Collection[int], others: Collection[range]) -> int:
    for first in range(start, _END - COUNT + 1, COUNT):
        theirs = any(first < other.stop and other.start < first + COUNT for other in others)
        if first not in taken and not theirs:
            return first
    raise Unavailable(
        f"no {COUNT} user ids are left from {start} on for another pod",
        hint="delete pods that are not needed, or set a smaller usernsFirstId",
        reason="FailedCreatePodSandBox",
    )


def _subordinate() -> list[range]:
    found = []
    for path in _SUBORDINATE:
        with contextlib.suppress(OSError):
            for line in path.read_text(errors="replace").splitlines():
                _, *numbers = line.split(":")
                if len(numbers) == 2 and all(number.isdecimal() for number in numbers):
                    first, count = map(int, numbers)
                    found.append(range(first, first + count))
    return found


@contextlib.contextmanager
def _locked(paths: Paths) -> Iterator[None]:
    paths.users.mkdir(mode=0o755, parents=True, exist_ok=True)
    fd = os.open(paths.users / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX)
        yield
    finally:
        os.close(fd)
