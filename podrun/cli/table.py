"""Tables as kubectl prints them: columns as wide as their widest cell, three blanks between."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

_GAP = "   "
_NARROW_GAP = " "
_NARROWEST = 3  # kubectl's columns have 6 characters at the least, the gap among them


def table(
    header: Sequence[str],
    rows: Iterable[Sequence[str]],
    *,
    headers: bool = True,
    width: int | None = None,
) -> str:
    """The lines, each with its newline; without rows only the header. ``width``: see ``line``."""
    lines = [*([header] if headers else []), *(tuple(map(printable, cells)) for cells in rows)]
    widths = widths_of(lines)
    return "".join(line(cells, widths, width) for cells in lines)


def widths_of(lines: Iterable[Sequence[str]]) -> list[int]:
    return [max(_NARROWEST, *map(len, column)) for column in zip(*lines, strict=True)]


def printable(text: str) -> str:
    """Nothing a container says may move the cursor or rename the window (CVE-2021-25743)."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else repr(c)[1:-1] for c in text)


def line(cells: Sequence[str], widths: Sequence[int], width: int | None = None) -> str:
    """In ``width`` columns, if given: the last cell, which is text, is wrapped below itself."""
    if width is None:
        return _GAP.join(_padded(cells, widths)) + "\n"
    from podrun.cli.width import row

    most = sum(widths[:-1]) + len(_GAP) * len(widths[:-1])
    gap = _GAP if most <= width else _NARROW_GAP
    *start, text = _padded(cells, widths)
    return "".join(f"{each}\n" for each in row(gap.join([*start, ""]), text, width))


def _padded(cells: Sequence[str], widths: Sequence[int]) -> list[str]:
    padded = [cell.ljust(width) for cell, width in zip(cells[:-1], widths, strict=False)]
    return [*padded, cells[-1]]
