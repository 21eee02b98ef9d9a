"""What the monitor writes about one run (version 1; pause/protocol has the other side)."""

from __future__ import annotations

import msgspec

#: the step of a StartFailure that was none: the run was never let go, so it did not happen
WAITS_FOR_RECORD = "wait for the record"


class StartedRecord(msgspec.Struct, frozen=True, rename="camel"):
    """started.json of the monitor: the application was executed."""

    version: int
    started_at: float


class ExitRecord(msgspec.Struct, frozen=True, rename="camel"):
    """exit.json of the monitor. ``error`` says why the application was never executed."""

    version: int
    code: int
    signal: int
    finished_at: float
    started_at: float | None = None
    dropped_lines: int = 0
    error: StartFailure | None = None


class StartFailure(msgspec.Struct, frozen=True, omit_defaults=True):
    """What the child says on the status pipe when it cannot become the application."""

    message: str
    step: str = ""
    errno: int = 0
