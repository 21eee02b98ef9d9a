"""What is wrong with a manifest, and where."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from podrun.errors import InvalidManifest

SHOWN = 20  # problems in one message


class Problem(msgspec.Struct, frozen=True):
    """``path`` is ``spec.containers[0].name`` ("" for the whole); ``line`` counts from 1 (0: none).

    ``str()`` is ``file:line: path: message``.
    """

    path: str
    message: str
    source: str = ""
    line: int = 0

    def __str__(self) -> str:
        where = f"{self.source}:{self.line}" if self.source and self.line else self.source
        return ": ".join(part for part in (where, self.path, self.message) if part)


def refusal(problems: Sequence[Problem]) -> InvalidManifest:
    """The error to raise for ``problems``, one line each; after twenty only their number."""
    lines = list(dict.fromkeys(str(problem) for problem in problems))
    more = [f"and {len(lines) - SHOWN} more"] if len(lines) > SHOWN else []
    return InvalidManifest("\n".join(lines[:SHOWN] + more), reason="Invalid")
