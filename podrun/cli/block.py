"""Nested ``Name:  value`` blocks, as ``kubectl describe`` lays them out."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from podrun.cli.table import printable
from podrun.cli.width import hanging

INDENT = "  "
NONE = "<none>"


@dataclass(frozen=True)
class Headed:
    """A scalar, and below it scalars of its own in the same column."""

    word: str
    details: Mapping[str, str]


#: a scalar, lines of their own below the name, or a block within the block
Plain = str | Sequence[str] | Mapping[str, "Value"]
Value = Plain | Headed


def block(
    values: Mapping[str, Value], depth: int = 0, *, columns: int | None = None
) -> Iterator[str]:
    """Lines without newline; the scalars of a block stand in one column.

    With ``columns`` long scalars are wrapped below themselves; other lines are as they come.
    """
    lines = list(_with_details(values))
    scalars = [name for name, value in lines if isinstance(value, str)]
    width = max(map(len, scalars), default=0) + len(":  ")
    for name, value in lines:
        name = printable(name)
        if isinstance(value, str):
            start = f"{INDENT * depth}{name + ':':<{width}}"
            for line in map(printable, value.splitlines() or [""]):
                yield from hanging(start, line, columns)
                start = " " * len(start)
            continue
        yield f"{INDENT * depth}{name}:"
        if isinstance(value, Mapping):
            yield from block(value, depth + 1, columns=columns)
        else:
            yield from (f"{INDENT * (depth + 1)}{printable(line)}".rstrip() for line in value)


def _with_details(values: Mapping[str, Value]) -> Iterator[tuple[str, Plain]]:
    """Pairs, not a mapping: two states of one container have details of the same names."""
    for name, value in values.items():
        if isinstance(value, Headed):
            yield name, value.word
            yield from ((f"{INDENT}{each}", text) for each, text in value.details.items())
        else:
            yield name, value


def pairs(values: Mapping[str, str], separator: str = "=") -> str:
    """Labels and the like, one a line."""
    return "\n".join(f"{name}{separator}{value}" for name, value in values.items()) or NONE
