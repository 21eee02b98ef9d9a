"""What is happening, on a terminal: one line an object, rewritten in place on stderr.

Anywhere else nothing is shown but results: logs and scripts want those alone.
"""

from __future__ import annotations

import os
import sys
from types import TracebackType

import click

_CLEAR_LINE = "\r\x1b[K"
_UP = "\x1b[{}A"
_CLEAR_BELOW = "\x1b[J"


class Live:
    """A context manager; the lines are gone at its end. ``result`` prints what stays."""

    def __init__(self, *, quiet: bool = False) -> None:
        terminal = sys.stderr.isatty() and os.environ.get("TERM", "dumb") != "dumb"
        self._shown = terminal and not quiet
        self._quiet = quiet
        self._lines: dict[str, str] = {}
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
        if self._shown:
            self._lines[name] = text
            self._draw()

    def done(self, name: str) -> None:
        if self._lines.pop(name, None) is not None:
            self._draw()

    def result(self, text: str) -> None:
        """A line on stdout that stays, unless ``--quiet``."""
        self._erase()
        if not self._quiet:
            click.echo(text)
        self._draw()

    def warn(self, text: str) -> None:
        """A line on stderr that stays."""
        self._erase()
        click.echo(text, err=True)
        self._draw()

    def _draw(self) -> None:
        if not self._shown:
            return
        columns = _columns()
        self._erase()
        for name, text in self._lines.items():
            line = f"{name}: {' '.join(text.split())}"
            sys.stderr.write(line[: columns - 1] + "\n")
        self._drawn = len(self._lines)
        sys.stderr.flush()

    def _erase(self) -> None:
        if self._drawn:
            sys.stderr.write(_UP.format(self._drawn) + _CLEAR_LINE + _CLEAR_BELOW)
            sys.stderr.flush()
        self._drawn = 0


def _columns() -> int:
    """$COLUMNS, else what stderr's terminal says; shutil's answer would cost 4 ms of imports."""
    told = os.environ.get("COLUMNS", "")
    try:
        return int(told) if told.isdecimal() else os.get_terminal_size(2).columns or 80
    except OSError:
        return 80
