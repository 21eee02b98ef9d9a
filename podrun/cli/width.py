"""Lines that fit the terminal. In a pipe or a file they stay whole: programs read them."""

from __future__ import annotations

import os
import sys

#: characters in which text can still be read; with less room it goes elsewhere
LEAST = 20
_INDENT = "    "


def columns() -> int | None:
    """Of the terminal on stdout ($COLUMNS goes before it); None where there is none."""
    if not sys.stdout.isatty():
        return None
    told = os.environ.get("COLUMNS", "")
    if told.isdecimal() and int(told):
        return int(told)
    try:
        return os.get_terminal_size(sys.stdout.fileno()).columns or None
    except (OSError, ValueError):
        return None


def hanging(start: str, text: str, width: int | None, rest: str | None = None) -> list[str]:
    """``start`` and ``text``, whose further lines begin with ``rest`` (blanks below ``start``).

    Words are never cut: an identifier or an address is for copying.
    """
    rest = " " * len(start) if rest is None else rest
    if width is None or len(start) + len(text) <= width or width - len(rest) < LEAST:
        return [(start + text).rstrip()]
    import textwrap

    return textwrap.wrap(
        text,
        width,
        initial_indent=start,
        subsequent_indent=rest,
        break_long_words=False,
        break_on_hyphens=False,
    )


def row(start: str, text: str, width: int | None) -> list[str]:
    """A line of a table, ``text`` being its last cell. Without room for it, it goes below."""
    if width is None or len(start) + len(text) <= width or width - len(start) >= LEAST:
        return hanging(start, text, width)
    return [start.rstrip(), *hanging(_INDENT, text, width)]
