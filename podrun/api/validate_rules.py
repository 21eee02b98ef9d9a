"""The forms a rule and its message take; the wording is Kubernetes'."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import msgspec

from podrun.api.problem import Problem

MAX_INT32 = 2**31 - 1
PULL_POLICIES = ("Always", "IfNotPresent", "Never")
_SHOWN = 80


def _quoted(value: Any) -> str:
    text = msgspec.json.encode(value).decode()
    return text if len(text) <= _SHOWN else text[: _SHOWN - 3] + "..."


def required(path: str, why: str = "") -> Problem:
    return Problem(path, f"Required value: {why}" if why else "Required value")


def invalid(path: str, value: Any, why: str) -> Problem:
    return Problem(path, f"Invalid value: {_quoted(value)}: {why}")


def forbidden(path: str, why: str) -> Problem:
    return Problem(path, f"Forbidden: {why}")


def not_found(path: str, value: str) -> Problem:
    return Problem(path, f"Not found: {_quoted(value)}")


def not_yet(path: str, value: str) -> Problem:
    """A value that Kubernetes allows and podrun does not support."""
    return Problem(path, f"podrun does not support the value {_quoted(value)} yet")


def check(path: str, value: str, rule: Callable[[str], str]) -> Iterator[Problem]:
    """``rule`` is one of ``podrun.api.names``."""
    if why := rule(value):
        yield invalid(path, value, why)


def choice(path: str, value: str, allowed: Sequence[str]) -> Iterator[Problem]:
    if value not in allowed:
        names = ", ".join(_quoted(each) for each in sorted(allowed) if each)
        yield Problem(path, f"Unsupported value: {_quoted(value)}: supported values: {names}")


def between(path: str, value: int | None, least: int, most: int) -> Iterator[Problem]:
    if value is not None and not least <= value <= most:
        yield invalid(path, value, f"must be between {least} and {most}, inclusive")


def not_negative(path: str, value: int) -> Iterator[Problem]:
    """For what is an int32 upstream."""
    if value < 0:
        yield invalid(path, value, "must be greater than or equal to 0")
    else:
        yield from between(path, value, 0, MAX_INT32)


def too_many(path: str, count: int, most: int) -> Iterator[Problem]:
    if count > most:
        yield Problem(path, f"Too many: {count}: must have at most {most} items")


def duplicates(values: Iterable[tuple[str, str]]) -> Iterator[Problem]:
    """``values`` are pairs of path and value; empty values do not count."""
    seen: set[str] = set()
    for path, value in values:
        if value and value in seen:
            yield Problem(path, f"Duplicate value: {_quoted(value)}")
        seen.add(value)
