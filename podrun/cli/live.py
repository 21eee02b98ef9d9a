"""What is happening, on a terminal: one line an object, rewritten in place on stderr.

Anywhere else nothing is shown but results, and what ``note`` tells: logs and scripts want those
alone.
"""

from __future__ import annotations

import os
import sys
from types import TracebackType

_CLEAR_LINE = "\x1b[K"
_UP = "\r\x1b[{}A"
_CLEAR_BELOW = "\x1b[J"


class Live:
    """A context manager; the lines are gone at its end. ``result`` prints what stays."""

    def __init__(self, *, quiet: bool = False) -> None:
        terminal = sys.stderr.isatty() and os.environ.get("TERM", "dumb") != "dumb"
        self._shown = terminal and not quiet
        self._quiet = quiet
        self._lines: dict[str, str] = {}
        self._settled: set[str] = set()
        self._drawn = 0

    def __enter__(self) -> Live:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._erase()

    def say(self, name: str, text: str) -> None:
        """``text`` is what ``name`` is doing now."""
        self.line(name, f"{name}: {' '.join(text.split())}")

    def line(self, name: str, text: str, *, draw: bool = True, settled: bool = False) -> None:
        """The whole line of ``name``. What is ``settled`` goes first when the screen is full."""
        if self._shown:
            self._lines[name] = text
            (self._settled.add if settled else self._settled.discard)(name)
            if draw:
                self._draw()

    def done(self, name: str) -> None:
        if self._lines.pop(name, None) is not None:
            self._draw()

    def note(self, text: str) -> None:
        """A line on stderr, where there is no terminal to show it live; none with ``--quiet``."""
        if not self._shown and not self._quiet:
            print(text, file=sys.stderr, flush=True)

    def result(self, text: str) -> None:
        """A line on stdout that stays, unless ``--quiet``."""
        self._erase()
        if not self._quiet:
            print(text, flush=True)
        self._draw()

    def warn(self, text: str) -> None:
        """A line on stderr that stays."""
        self._erase()
        print(text, file=sys.stderr, flush=True)
        self._draw()

    def _draw(self) -> None:
        """One write, over what is there: nothing flickers."""
        if not self._shown:
            return
        wide, lines = columns(), self._visible()
        up = _UP.format(self._drawn) if self._drawn else ""
        text = "".join(f"{line[: wide - 1]}{_CLEAR_LINE}\n" for line in lines)
        sys.stderr.write(up + text + _CLEAR_BELOW)
        sys.stderr.flush()
        self._drawn = len(lines)

    def _visible(self) -> list[str]:
        """What fits on the screen: the cursor cannot go up beyond it."""
        room = max(_rows() - 1, 1)
        excess = len(self._lines) - room
        left_out = [name for name in self._lines if name in self._settled][: max(excess, 0)]
        lines = [line for name, line in self._lines.items() if name not in left_out]
        if len(lines) > room:
            return [*lines[: room - 1], f"… and {len(lines) - room + 1} more"]
        return lines

    def _erase(self) -> None:
        if self._drawn:
            sys.stderr.write(_UP.format(self._drawn) + _CLEAR_LINE + _CLEAR_BELOW)
            sys.stderr.flush()
        self._drawn = 0


def columns() -> int:
    """$COLUMNS, else what stderr's terminal says; shutil's answer would cost 4 ms of imports."""
    told = os.environ.get("COLUMNS", "")
    try:
        return int(told) if told.isdecimal() else os.get_terminal_size(2).columns or 80
    except OSError:
        return 80


def _rows() -> int:
    try:
        return os.get_terminal_size(2).lines or 24
    except OSError:
        return 24
