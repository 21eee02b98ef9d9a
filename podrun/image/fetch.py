"""The body of a process that fetches one blob of a registry into its partial file."""

from __future__ import annotations

import errno
import fcntl
import os
import time
from collections.abc import Callable, Sequence

from podrun.errors import MechanismFailed
from podrun.image.partial import Partial, tell_more
from podrun.registry.client import Repository
from podrun.registry.retry import Temporary
from podrun.registry.types import RegistryError

_UNAVAILABLE = "RegistryUnavailable"
_PIECE = 256 << 10
_WAIT = 0.05  # seconds between two looks at what somebody else is fetching


def fetch(
    repositories: Sequence[Repository],
    digest: str,
    partial: Partial,
    wake: int,
    count: Callable[[int], None],
) -> None:
    """Bring ``partial`` to its full size, from the first repository that gives the bytes.

    ``count`` is told how many there are, ``wake`` gets a byte when there are more. Somebody else
    who is fetching the same blob is waited for, and replaced when he ends. RegistryError names
    what each repository said; MechanismFailed.
    """
    with partial.writing() as fd:
        while not _locked(fd):
            count(partial.present())
            tell_more(wake)
            time.sleep(_WAIT)
        failures: list[RegistryError] = []
        for repository in repositories:
            repository.after_fork()
            try:
                _copy(repository, digest, partial, fd, wake, count)
                return
            except RegistryError as error:
                failures.append(error)
        raise all_failed(failures)


def _locked(fd: int) -> bool:
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _copy(
    repository: Repository,
    digest: str,
    partial: Partial,
    fd: int,
    wake: int,
    count: Callable[[int], None],
) -> None:
    with repository.blob(digest, partial.size, partial.present()) as blob:
        while data := blob.read(_PIECE):
            try:
                _write(fd, data)
            except OSError as error:
                step = f"keep what is downloaded ({partial.path})"
                full = error.errno in (errno.ENOSPC, errno.EDQUOT)
                hint = "the disk is full" if full else ""
                raise MechanismFailed.from_oserror(step, error, hint=hint) from error
            count(blob.position)
            tell_more(wake)


def _write(fd: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(fd, view) :]


def all_failed(failures: Sequence[RegistryError]) -> RegistryError:
    """One error for all the places that were asked; its reason says whether nobody answered."""
    hints = {failure.hint for failure in failures}
    return RegistryError(
        "; ".join(failure.message for failure in failures),
        hint=hints.pop() if len(hints) == 1 else "",
        reason=_UNAVAILABLE if all(map(_unavailable, failures)) else "ErrImagePull",
        status=failures[-1].status,
    )


def _unavailable(failure: RegistryError) -> bool:
    """It could not be asked, or not now: tries were given up while one of them was handled."""
    tried = isinstance(failure, Temporary) or isinstance(failure.__context__, Temporary)
    return tried or failure.reason == _UNAVAILABLE
