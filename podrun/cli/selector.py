"""Label selectors: ``app=web,tier!=db,env in (a, b),env notin (c),key,!key``."""

from __future__ import annotations

import re
from collections.abc import Mapping

import msgspec

from podrun.errors import UsageError

_KEY = r"(?:[A-Za-z0-9._-]+/)?[A-Za-z0-9._-]+"
_VALUE = r"[A-Za-z0-9._-]*"
_COMPARE = re.compile(rf"({_KEY})\s*(==|=|!=)\s*({_VALUE})")
_MEMBER = re.compile(rf"({_KEY})\s+(in|notin)\s+\(([^()]*)\)")
_EXISTS = re.compile(rf"(!?)\s*({_KEY})")


class Requirement(msgspec.Struct, frozen=True):
    """``values`` None: only whether the key exists counts. Like Kubernetes, a missing key
    satisfies ``!=`` and ``notin``."""

    key: str
    values: tuple[str, ...] | None
    wanted: bool

    def holds(self, labels: Mapping[str, str]) -> bool:
        if self.values is None:
            return (self.key in labels) is self.wanted
        return (labels.get(self.key) in self.values) is self.wanted


class Selector(msgspec.Struct, frozen=True):
    requirements: tuple[Requirement, ...] = ()

    def matches(self, labels: Mapping[str, str]) -> bool:
        return all(each.holds(labels) for each in self.requirements)


def parse_selector(text: str) -> Selector:
    """Raises UsageError when ``text`` is none."""
    parts = re.split(r",(?![^(]*\))", text) if text.strip() else []
    return Selector(tuple(_requirement(part.strip()) for part in parts))


def _requirement(text: str) -> Requirement:
    if found := _COMPARE.fullmatch(text):
        return Requirement(found[1], (found[3],), found[2] != "!=")
    if found := _MEMBER.fullmatch(text):
        values = tuple(value.strip() for value in found[3].split(","))
        return Requirement(found[1], values, found[2] == "in")
    if found := _EXISTS.fullmatch(text):
        return Requirement(found[2], None, not found[1])
    raise UsageError(
        f"{text!r} is no label selector", hint="for example app=web, tier!=db or 'env in (a,b)'"
    )
