"""One lock for the node's network, held by the kernel for as long as its holder lives."""

from __future__ import annotations

import contextlib
import fcntl
import os
from collections.abc import Iterator
from pathlib import Path

from podrun.errors import MechanismFailed
from podrun.node.paths import Paths


@contextlib.contextmanager
def locked(paths: Paths) -> Iterator[None]:
    """Be the only one who changes leases, claims, the bridge and the table."""
    try:
        fd = _lock(paths.network / "lock")
    except OSError as error:
        raise MechanismFailed.from_oserror("lock the network", error) from None
    try:
        yield
    finally:
        os.close(fd)


def _lock(path: Path) -> int:
    """Whoever waited while ``reset`` removed the file holds a lock on nothing, and tries again."""
    while True:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except FileNotFoundError:
            continue
        fcntl.flock(fd, fcntl.LOCK_EX)
        try:
            if os.path.samestat(os.fstat(fd), os.stat(path)):
                return fd
        except FileNotFoundError:
            pass
        os.close(fd)
