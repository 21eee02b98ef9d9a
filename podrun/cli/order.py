"""Options of a verb that stand before it: kubectl takes ``-n NS`` at either place."""

from __future__ import annotations

from collections.abc import Sequence


def verb_first(args: Sequence[str]) -> list[str]:
    """``-n NS get pods`` as ``get -n NS pods``; a verb without that option refuses it then."""
    moved: list[str] = []
    rest = list(args)
    while rest and (width := _width(rest)):
        moved += rest[:width]
        del rest[:width]
    return [*rest[:1], *moved, *rest[1:]]


def _width(args: Sequence[str]) -> int:
    """How many words the option at the beginning has; 0: it is none of these."""
    first = args[0]
    if first in ("-n", "--namespace"):
        return 2
    attached = first.startswith("--namespace=") or (first[:2] == "-n" and len(first) > 2)
    return 1 if attached or first == "--debug" else 0
