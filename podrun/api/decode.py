"""A document against the table of fields: every problem with its path and line, not only the first.

What comes out has only known, supported fields of the right type, and converts to the Structs.
"""

from __future__ import annotations

from typing import Any

from podrun.api.fields import SCHEMA, Row, element, suggest
from podrun.api.nodes import MAX_NODES, Mapping, Node, Scalar, Sequence, Unreadable
from podrun.api.problem import SHOWN, Problem

_ABSENT = object()
_INT64 = range(-(2**63), 2**63)
_WANTED = {
    "string": "a string",
    "Time": "a string",
    "boolean": "true or false",
    "integer": "an integer",
    "Quantity": "a quantity",
    "IntOrString": "an integer or a string",
}


class Decoder:
    """One object. ``lines`` is where each path is written; notes are for the user to read.

    ``pending`` accepts the fields of ``podrun.api.fields.pending`` too.
    """

    def __init__(self, *, pending: bool = False) -> None:
        self.problems: list[Problem] = []
        self.notes: list[Problem] = []
        self.lines: dict[str, int] = {}
        self._visited = 0
        self._pending = pending
        self._secret = False

    def decode(self, kind: str, node: Mapping) -> dict[str, Any]:
        """``node`` as plain data. Raises Unreadable when aliases make it too large."""
        self._secret = kind == "Secret"
        return self._object(kind, node, "", noted=False)

    def _object(self, kind: str, node: Mapping, path: str, *, noted: bool) -> dict[str, Any]:
        result = {}
        for name, child in node.items.items():
            at = f"{path}.{name}" if path else name
            self.lines[at] = node.lines[name]
            if _is_null(child):
                continue
            row = SCHEMA[kind].get(name)
            if row is None:
                self._unknown(at, name, kind)
            elif self._wanted(row, child, at, noted=noted):
                value = self._value(row.type, child, at, noted=noted or row.support == "note")
                if value is not _ABSENT:
                    result[name] = value
        return result

    def _unknown(self, path: str, name: str, kind: str) -> None:
        """A guess takes about a millisecond: none when there are more problems than are shown."""
        guess = suggest(name, SCHEMA[kind]) if len(self.problems) <= SHOWN else ""
        self._problem(path, f"unknown field{guess}")

    def _wanted(self, row: Row, node: Node, path: str, *, noted: bool) -> bool:
        """Whether the field's value is to be read; says so when it is refused or has no effect."""
        if row.support == "set":
            return False
        silent = _is_empty(node, row.type) or (
            isinstance(node, Scalar) and _spelled(node) == row.harmless
        )
        if row.support == "no" and not (row.pending and (self._pending or silent)):
            if not silent:
                self._problem(path, "podrun does not support this field yet")
            return False
        if row.support == "note" and not silent and not noted:
            self.notes.append(Problem(path, "has no effect here", line=self.lines[path]))
        return True

    def _value(self, kind: str, node: Node, path: str, *, noted: bool) -> Any:
        self._visited += 1
        if self._visited > MAX_NODES:
            raise Unreadable(f"aliases expand to more than {MAX_NODES} values", node.line)
        if kind.startswith("[]"):
            return self._list(kind, node, path, noted=noted)
        if kind.startswith("map["):
            return self._map(kind, node, path, noted=noted)
        if kind not in SCHEMA:
            return self._scalar(kind, node, path)
        if isinstance(node, Mapping):
            return self._object(kind, node, path, noted=noted)
        return self._mismatch(path, "a mapping", node)

    def _list(self, kind: str, node: Node, path: str, *, noted: bool) -> Any:
        if not isinstance(node, Sequence):
            return self._mismatch(path, "a list", node)
        values = []
        for index, item in enumerate(node.items):
            at = f"{path}[{index}]"
            self.lines[at] = item.line
            if _is_null(item):
                self._problem(at, "null is not allowed in a list")
            else:
                values.append(self._value(element(kind), item, at, noted=noted))
        return values

    def _map(self, kind: str, node: Node, path: str, *, noted: bool) -> Any:
        if not isinstance(node, Mapping):
            return self._mismatch(path, "a mapping", node)
        values = {}
        for key, item in node.items.items():
            at = f"{path}[{key}]"
            self.lines[at] = node.lines[key]
            if not _is_null(item):
                values[key] = self._value(element(kind), item, at, noted=noted)
        return values

    def _scalar(self, kind: str, node: Node, path: str) -> Any:
        value = node.value if isinstance(node, Scalar) else _ABSENT
        number = isinstance(value, int | float) and not isinstance(value, bool)
        if isinstance(value, str) and kind in ("string", "Time", "Quantity", "IntOrString"):
            return value
        if kind == "boolean" and isinstance(value, bool):
            return value
        if number and kind == "Quantity" and isinstance(node, Scalar):
            return str(value) if isinstance(value, int) else node.text.replace("_", "")
        if number and kind in ("integer", "IntOrString"):
            return self._integer(value, node, path)
        return self._mismatch(path, _WANTED[kind], node)

    def _integer(self, value: Any, node: Node, path: str) -> Any:
        if isinstance(value, float) and not value.is_integer():
            return self._mismatch(path, "an integer", node)
        if int(value) not in _INT64:
            self._problem(path, f"the number {int(value)} is too large")
            return _ABSENT
        return int(value)

    def _mismatch(self, path: str, wanted: str, node: Node) -> Any:
        hint = ""
        got = _described(node)
        if wanted == "a string" and isinstance(node, Scalar):
            hint = f' (quote it: "{node.text}")'
        if self._secret and isinstance(node, Scalar):  # it may be a password
            got, hint = "something else", " (quote it)" if hint else ""
        self._problem(path, f"expected {wanted}, got {got}{hint}")
        return _ABSENT

    def _problem(self, path: str, message: str) -> None:
        self.problems.append(Problem(path, message, line=self.lines.get(path, 0)))


def _is_null(node: Node) -> bool:
    return isinstance(node, Scalar) and node.value is None


def _is_empty(node: Node, kind: str) -> bool:
    """An empty string, list or map is as good as none; an empty object is not."""
    if isinstance(node, Mapping):
        return not node.items and kind.startswith("map[")
    return not node.items if isinstance(node, Sequence) else node.value == ""


def _spelled(node: Scalar) -> str:
    return str(node.value).lower() if isinstance(node.value, bool) else str(node.value)


def _described(node: Node) -> str:
    if isinstance(node, Mapping):
        return "a mapping"
    if isinstance(node, Sequence):
        return "a list"
    text = node.text if len(node.text) <= 40 else node.text[:37] + "..."
    if isinstance(node.value, bool):
        return f"the boolean {text}"
    return f'the string "{text}"' if isinstance(node.value, str) else f"the number {text}"
