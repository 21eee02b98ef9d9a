"""YAML (and so JSON) text to a tree that knows its lines, within limits.

The tree is built from libyaml's events, which come one at a time: depth and number are checked
before anything deep or large exists. An alias is the very node it names, so a bomb of aliases stays
small here; who walks the tree counts what it visits (``MAX_NODES``).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import yaml

from podrun.api.scalars import STANDARD_TAGS, TAG, Value, resolve

MAX_BYTES = 3 * 1024 * 1024
MAX_DEPTH = 64
MAX_NODES = 100_000
MAX_KEY = 1024  # characters, YAML's own limit for most keys

_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_SURROGATES = r"(?s)\\(?:u([dD][89abAB]..)\\u([dD][c-fC-F]..)|.)"


class Unreadable(Exception):
    """The text is not YAML we accept; ``line`` counts from 1."""

    def __init__(self, message: str, line: int = 0) -> None:
        super().__init__(message)
        self.message, self.line = message, line


class Scalar:
    """``text`` as written, ``value`` what it means."""

    __slots__ = ("line", "text", "value")

    def __init__(self, text: str, value: Value, line: int) -> None:
        self.text, self.value, self.line = text, value, line


class Sequence:
    __slots__ = ("items", "line")

    def __init__(self, line: int) -> None:
        self.items: list[Node] = []
        self.line = line


class Mapping:
    """``lines`` are those of the keys."""

    __slots__ = ("items", "line", "lines")

    def __init__(self, line: int) -> None:
        self.items: dict[str, Node] = {}
        self.lines: dict[str, int] = {}
        self.line = line


Node = Scalar | Sequence | Mapping


def documents(text: str | bytes) -> Iterator[Node]:
    """The documents of ``text``, one after the other. Raises Unreadable."""
    composer = _Composer(_events(_decoded(text)))
    try:
        yield from composer.documents()
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        context = f"{error.context}: " if error.context else ""
        hint = " (indent with blanks: YAML takes no tabs)" if _is_tab(error, mark, text) else ""
        raise Unreadable(f"{context}{error.problem}{hint}", mark.line + 1 if mark else 0) from None
    except yaml.YAMLError as error:  # a character that YAML does not allow
        raise Unreadable(str(error).splitlines()[0]) from None


def _is_tab(error: yaml.MarkedYAMLError, mark: Any, text: str | bytes) -> bool:
    lines = (text if isinstance(text, str) else text.decode(errors="replace")).splitlines()
    found = lines[mark.line] if mark is not None and mark.line < len(lines) else ""
    return "cannot start any token" in str(error.problem) and found.lstrip(" ").startswith("\t")


def _decoded(text: str | bytes) -> str:
    try:
        data = text.encode() if isinstance(text, str) else text
        decoded = data.decode("utf-8-sig")
    except UnicodeError as error:
        raise Unreadable(f"not UTF-8 text: {error}") from None
    if len(data) > MAX_BYTES:
        raise Unreadable(f"larger than {MAX_BYTES // 1024 // 1024} MiB")
    if decoded.lstrip()[:1] in ("{", "[") and "\\u" in decoded:
        decoded = re.sub(_SURROGATES, _joined, decoded)  # 😀 is two escapes in JSON, one in YAML
    return decoded


def _joined(match: re.Match[str]) -> str:
    try:
        high, low = int(match[1] or "", 16), int(match[2] or "", 16)
    except ValueError:
        return match[0]
    return chr(0x10000 + ((high - 0xD800) << 10) + (low - 0xDC00))


def _events(text: str) -> Iterator[Any]:
    events: Iterator[Any] = yaml.parse(text, Loader=_LOADER)
    return events


class _Composer:
    """Events to nodes; one at a time, so that limits hold before memory is used."""

    def __init__(self, events: Iterator[Any]) -> None:
        self._next = events.__next__
        self._count = 0
        self._anchors: dict[str, Node | None] = {}

    def documents(self) -> Iterator[Node]:
        while not isinstance(event := self._next(), yaml.StreamEndEvent):
            if isinstance(event, yaml.DocumentStartEvent):
                self._anchors = {}
                yield self._node(self._next(), 0)

    def _node(self, event: Any, depth: int) -> Node:
        line = event.start_mark.line + 1
        if isinstance(event, yaml.AliasEvent):
            return self._alias(str(event.anchor), line)
        self._spend(line)
        if depth > MAX_DEPTH:
            raise Unreadable(f"nested more than {MAX_DEPTH} levels deep", line)
        if event.anchor:
            self._anchors[event.anchor] = None  # not usable before it is complete
        if isinstance(event, yaml.ScalarEvent):
            node: Node = self._scalar(event, line)
        elif isinstance(event, yaml.SequenceStartEvent):
            node = self._sequence(event, line, depth)
        else:
            node = self._mapping(event, line, depth)
        if event.anchor:
            self._anchors[event.anchor] = node
        return node

    def _spend(self, line: int, nodes: int = 1) -> None:
        self._count += nodes
        if self._count > MAX_NODES:
            raise Unreadable(f"more than {MAX_NODES} values", line)

    def _alias(self, name: str, line: int) -> Node:
        node = self._anchors.get(name)
        if node is None:
            why = "refers to itself" if name in self._anchors else "is not defined"
            raise Unreadable(f"the alias *{name} {why}", line)
        return node

    def _scalar(self, event: Any, line: int) -> Scalar:
        tag = None if event.tag == "!" else event.tag
        if tag not in STANDARD_TAGS and tag is not None:
            raise Unreadable(f"the tag {_tag(tag)} is not supported", line)
        plain = event.style in (None, "") and event.tag != "!"
        try:
            return Scalar(event.value, resolve(event.value, plain=plain, tag=tag), line)
        except ValueError as error:
            raise Unreadable(str(error), line) from None

    def _sequence(self, event: Any, line: int, depth: int) -> Sequence:
        _expect_tag(event, "seq", line)
        node = Sequence(line)
        while not isinstance(inner := self._next(), yaml.SequenceEndEvent):
            node.items.append(self._node(inner, depth + 1))
        return node

    def _mapping(self, event: Any, line: int, depth: int) -> Mapping:
        _expect_tag(event, "map", line)
        node, merged = Mapping(line), Mapping(line)
        while not isinstance(inner := self._next(), yaml.MappingEndEvent):
            at = inner.start_mark.line + 1
            merge = isinstance(inner, yaml.ScalarEvent) and inner.value == "<<" and not inner.style
            key = "<<" if merge else _key(self._node(inner, depth + 1), at)
            value = self._node(self._next(), depth + 1)
            if merge:
                self._merge(merged, value, at)
            elif key in node.items:
                raise Unreadable(f'the key "{key}" is already on line {node.lines[key]}', at)
            else:
                node.items[key], node.lines[key] = value, at
        node.items = node.items | {k: v for k, v in merged.items.items() if k not in node.items}
        node.lines = merged.lines | node.lines
        return node

    def _merge(self, into: Mapping, value: Node, line: int) -> None:
        """``<<``: the keys of a mapping, or of several (the first one wins)."""
        for each in value.items if isinstance(value, Sequence) else [value]:
            if not isinstance(each, Mapping):
                raise Unreadable("<< needs a mapping or a list of mappings", line)
            self._spend(line, len(each.items))
            into.items = each.items | into.items
            into.lines = each.lines | into.lines


def _key(node: Node, line: int) -> str:
    if not isinstance(node, Scalar) or node.value is None:
        raise Unreadable("a key must be a string", line)
    if len(node.text) > MAX_KEY:
        raise Unreadable(f"a key is longer than {MAX_KEY} characters", line)
    if isinstance(node.value, bool | float):
        raise Unreadable(f'the key {node.text} is not a string: quote it ("{node.text}")', line)
    return str(node.value)


def _expect_tag(event: Any, name: str, line: int) -> None:
    if event.tag not in (None, "!", TAG + name):
        raise Unreadable(f"the tag {_tag(event.tag)} is not supported", line)


def _tag(tag: str) -> str:
    short = "!!" + tag.removeprefix(TAG) if tag.startswith(TAG) else tag
    return short if len(short) <= 60 else short[:57] + "..."
