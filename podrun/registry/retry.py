"""When a request is tried again, and how long is waited before.

try ──ok──► done
 │ Temporary (connect error, cut, stall, 408, 429, 5xx)
 ▼
tries left? ──no──► the failure, with the number of tries
 │ yes
 ▼
wait: Retry-After when the server gave one (more than ``retry_after_seconds``: given up at
      once), else 0.5 s, 1 s, 2 s … up to ``pause_max_seconds``, less up to a quarter by lot
"""

from __future__ import annotations

import random
import time
from email.utils import parsedate_to_datetime
from typing import Protocol

import msgspec

from podrun.registry.types import RegistryError

TEMPORARY_STATUSES = frozenset({408, 429, 500, 502, 503, 504})


class Clock(Protocol):
    """Seconds; a test gives one that does not really sleep."""

    def monotonic(self) -> float: ...
    def time(self) -> float: ...
    def sleep(self, seconds: float, /) -> None: ...


class Patience(msgspec.Struct, frozen=True):
    """How long to wait for what, in seconds, and how often to try."""

    connect_seconds: float = 15.0
    read_seconds: float = 30.0  # without a byte; the time for all headers; see registry.pace
    commit_seconds: float = 300.0  # for the answer to an upload: the registry may move it about
    document_seconds: float = 120.0  # for the whole of a manifest, a token, an error's text
    tries: int = 5
    connect_tries: int = 3  # nobody listens, no such route: a mirror may be waiting for its turn
    pause_first_seconds: float = 0.5
    pause_max_seconds: float = 30.0
    retry_after_seconds: float = 60.0
    # A blob that was cut is resumed; tries are counted anew after this many bytes.
    progress_bytes: int = 256 << 10


class Temporary(RegistryError):
    """Worth another try. ``after``: what Retry-After said, in seconds; ``connecting``: nothing
    was sent yet."""

    def __init__(
        self,
        message: str,
        *,
        hint: str = "",
        status: int = 0,
        after: float | None = None,
        connecting: bool = False,
    ) -> None:
        super().__init__(message, hint=hint, status=status)
        self.after = after
        self.connecting = connecting


class Backoff:
    """Counts the failures of one request (or of one blob between two bits of progress)."""

    def __init__(self, patience: Patience, clock: Clock = time) -> None:
        self._patience = patience
        self._clock = clock
        self._failures = 0

    def progress(self) -> None:
        self._failures = 0

    def pause(self, failure: Temporary) -> None:
        """Wait until it may be tried again. Raises RegistryError when it has been enough."""
        self._failures += 1
        patience = self._patience
        tries = patience.connect_tries if failure.connecting else patience.tries
        if self._failures >= tries:
            raise _given_up(failure, f"after {self._failures} tries") from failure
        if failure.after is not None and failure.after > patience.retry_after_seconds:
            wait = f"the registry asks to wait {failure.after:.0f} s"
            raise _given_up(failure, wait) from failure
        self._clock.sleep(self._seconds() if failure.after is None else failure.after)

    def _seconds(self) -> float:
        full = self._patience.pause_first_seconds * float(2 ** (self._failures - 1))
        return min(full, self._patience.pause_max_seconds) * random.uniform(0.75, 1.0)


def _given_up(failure: Temporary, why: str) -> RegistryError:
    return RegistryError(f"{failure.message}; {why}", hint=failure.hint, status=failure.status)


def retry_after(value: str | None, now: float) -> float | None:
    """Seconds of a Retry-After header (RFC 9110, 10.2.3: seconds or a date); None: not usable.

    ``now`` is the time since the epoch, for the date.
    """
    if not value or len(value) > 64:
        return None
    value = value.strip()
    if value.isascii() and value.isdigit():
        return float(value[:12])
    try:
        return max(0.0, parsedate_to_datetime(value).timestamp() - now)
    except (ValueError, OverflowError, TypeError):
        return None
