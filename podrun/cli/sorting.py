"""``--sort-by JSONPATH``, as kubectl has it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, TypeVar

from podrun.cli.command import option
from podrun.errors import UsageError

F = TypeVar("F", bound=Callable[..., Any])
T = TypeVar("T")
_Key = tuple[int, float, tuple[tuple[bool, int, str], ...]]


def sort_option(function: F) -> F:
    return option(
        "--sort-by",
        "sort",
        default="",
        metavar="JSONPATH",
        help="In the order of a field, as .metadata.name.",
    )(function)


def sorted_by(path: str, items: Sequence[T], plain: Callable[[T], Any]) -> list[T]:
    """``items`` in the order of what ``path`` finds in ``plain`` of each; without it, the first.

    Numbers are compared as numbers, in text too (``web-2`` before ``web-10``). Raises UsageError
    when ``path`` is none, or found in nothing.
    """
    from podrun.cli import jsonpath

    bare = path.strip().removeprefix("{").removesuffix("}")
    jsonpath.check(bare)
    found = [jsonpath.values(bare, plain(item)) for item in items]
    if items and not any(found):
        raise UsageError(f"--sort-by {path}: no object has such a field")
    order = sorted(range(len(items)), key=lambda index: _key(found[index]))
    return [items[index] for index in order]


def _key(found: Sequence[Any]) -> _Key:
    if not found:
        return 0, 0.0, ()
    value = found[0]
    if isinstance(value, int | float):
        return 1, float(value), ()
    from podrun.cli import jsonpath

    return 2, 0.0, tuple(_natural(jsonpath.text(value)))


def _natural(text: str) -> Iterable[tuple[bool, int, str]]:
    import re

    for part in re.split(r"(\d+)", text):
        digits = part.isdecimal()
        yield not digits, int(part) if digits else 0, "" if digits else part
