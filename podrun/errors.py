"""Everything that podrun raises on purpose.

    PodrunError                exit 1   it failed
    ├── UsageError             exit 2   the command line is wrong
    ├── InvalidManifest        exit 3   a manifest is wrong; nothing was changed
    ├── WaitTimeout            exit 124 a bounded wait ran out
    ├── NotFound               exit 1   the named object does not exist
    ├── Conflict               exit 1   somebody else has it (a name, a hostPort, an address)
    ├── Unavailable            exit 1   this host lacks something podrun needs
    └── MechanismFailed        exit 1   a kernel call failed: names the step and its object

One place prints them (``podrun.cli.main``); workers send them to the agent, and the agent to the
command line, as the mapping of ``to_wire``.
"""

from __future__ import annotations

import os

TYPE_CHECKING = False  # the module typing, which has it, takes a command 3 ms to import
if TYPE_CHECKING:
    from typing import Any, ClassVar


class PodrunError(Exception):
    """What failed, on what (``message``), and what to do about it (``hint``, may be empty).

    ``reason`` is a CamelCase word in Kubernetes' sense, for statuses and events.
    """

    exit_code: ClassVar[int] = 1

    def __init__(self, message: str, *, hint: str = "", reason: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.reason = reason

    @property
    def text(self) -> str:
        """In one line, the hint in brackets."""
        return f"{self.message} ({self.hint})" if self.hint else self.message

    def to_wire(self) -> dict[str, Any]:
        return {
            "kind": type(self).__name__,
            "message": self.message,
            "hint": self.hint,
            "reason": self.reason,
        }


class UsageError(PodrunError):
    exit_code = 2


class InvalidManifest(PodrunError):
    exit_code = 3


class WaitTimeout(PodrunError):
    exit_code = 124


class NotFound(PodrunError):
    pass


class Conflict(PodrunError):
    pass


class Unavailable(PodrunError):
    pass


class MechanismFailed(PodrunError):
    """A step of mechanism that the kernel refused; ``errno`` is 0 when it was not a syscall."""

    def __init__(self, message: str, *, hint: str = "", reason: str = "", errno: int = 0) -> None:
        super().__init__(message, hint=hint, reason=reason)
        self.errno = errno

    @classmethod
    def from_oserror(cls, step: str, error: OSError, *, hint: str = "") -> MechanismFailed:
        """``step`` is what was being done to which object: "mount the overlay of web/app"."""
        text = os.strerror(error.errno) if error.errno else str(error)
        name = f" ({error.filename})" if error.filename else ""
        return cls(f"{step}: {text}{name}", hint=hint, errno=error.errno or 0)

    def to_wire(self) -> dict[str, Any]:
        return {**super().to_wire(), "errno": self.errno}


_KINDS: dict[str, type[PodrunError]] = {
    kind.__name__: kind
    for kind in (
        UsageError, InvalidManifest, WaitTimeout, NotFound, Conflict, Unavailable, MechanismFailed,
    )
}  # fmt: skip


def from_wire(wire: dict[str, Any]) -> PodrunError:
    """The error that ``to_wire`` described, of its own class (an unknown kind: ``PodrunError``)."""
    kind = _KINDS.get(wire.get("kind", ""), PodrunError)
    error = kind(
        wire.get("message", "unknown error"),
        hint=wire.get("hint", ""),
        reason=wire.get("reason", ""),
    )
    if isinstance(error, MechanismFailed):
        error.errno = wire.get("errno", 0)
    return error
