"""The one table of all fields: what each means and whether podrun supports it.

``podrun explain``, docs/fields.md and the check of manifests (``podrun.api.decode``) all read it.
The tables are written for people; a block is a type, a row is a field, indented lines continue it:

    [Type]
    name type [support] [=harmless]: What it means; what podrun does.

type      string, boolean, integer, Quantity, IntOrString, Time, any, another block's name;
          []T and map[string]T
support   absent: as the parent's (the object itself: yes)
          no      refused, by its path
          note    accepted, checked and kept, without effect; the user is told
          set     podrun's to fill in; ignored in a manifest
harmless  this value of a "no" or "note" field is what podrun does anyway: accepted in silence

A row that ``podrun.api.fields.pending`` names is "no" whatever its mark.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import msgspec

from podrun.api.fields import configuration, container, pod, scheduling, status, volume, workload
from podrun.api.fields.pending import PENDING
from podrun.api.kinds import POD, Kind, kind_of
from podrun.errors import NotFound


class Row(msgspec.Struct, frozen=True):
    """One row; ``support`` is "" where it is the parent's, ``pending`` turns it into no."""

    name: str
    type: str
    support: str
    harmless: str | None
    text: str
    pending: bool = False


class Field(msgspec.Struct, frozen=True):
    """A row at its place: ``path`` as in ``spec.containers.image``, ``support`` never empty."""

    path: str
    row: Row
    support: str


def _rows(kind: str, block: str) -> dict[str, Row]:
    lines = filter(None, block.replace("\n    ", " ").splitlines())
    return {row.name: row for row in (_row(kind, line) for line in lines)}


def _row(block: str, line: str) -> Row:
    head, _, text = line.partition(": ")
    name, kind, *marks = head.split()
    harmless = marks.pop()[1:] if marks and marks[-1].startswith("=") else None
    pending = f"{block}.{name}" in PENDING
    support = "no" if pending else "".join(marks)
    return Row(name, kind, support, harmless, text, pending)


def _parse(*tables: str) -> dict[str, dict[str, Row]]:
    blocks = (block for table in tables for block in table.split("\n[")[1:])
    parted = (block.partition("]\n") for block in blocks)
    return {name: _rows(name, body) for name, _, body in parted}


SCHEMA: dict[str, dict[str, Row]] = _parse(
    pod.TABLE,
    container.TABLE,
    volume.TABLE,
    scheduling.TABLE,
    status.TABLE,
    configuration.TABLE,
    workload.TABLE,
)


def element(kind: str) -> str:
    """The innermost type: "[]Container" → "Container", "map[string]string" → "string"."""
    return kind.removeprefix("[]").removeprefix("map[string]")


def below(kind: str, path: str = "", support: str = "yes") -> Iterator[Field]:
    """Every field of block ``kind`` and of the blocks below it, parents first."""
    for row in SCHEMA.get(kind, {}).values():
        field = Field(f"{path}.{row.name}" if path else row.name, row, row.support or support)
        yield field
        yield from below(element(row.type), field.path, field.support)


def suggest(name: str, known: Iterable[str]) -> str:
    """`` (did you mean "x"?)``, or nothing when no known name is close."""
    import difflib

    lower = {each.lower(): each for each in known}
    close = difflib.get_close_matches(name.lower(), list(lower), n=1, cutoff=0.7)
    return f' (did you mean "{lower[close[0]]}"?)' if close else ""


def find(path: str) -> Field:
    """The field at ``pod.spec.containers.image`` or ``configmap.data``; ``[0]`` may be there or
    not, and so may ``pod.``.

    NotFound names the part that does not exist.
    """
    root, parts = root_of(path)
    kind, support, done, found = root.name, "yes", "", None
    for part in parts:
        row = SCHEMA.get(kind, {}).get(part)
        if row is None:
            guess = suggest(part, SCHEMA.get(kind, {}))
            raise NotFound(f"a {root.name} has no field {done}{part}{guess}")
        support = row.support or support
        found = Field(done + part, row, support)
        kind, done = element(row.type), f"{done}{part}."
    text = f"A {root.name} ({root.api_version})."
    return found or Field("", Row(root.singular, root.name, "", None, text), "yes")


def root_of(path: str) -> tuple[Kind, list[str]]:
    """The kind of object ``path`` begins at, and the names of the fields below it."""
    first, *rest = [part.partition("[")[0] for part in path.strip(".").split(".")]
    root = kind_of(first)
    return (root, rest) if root is not None else (POD, [first, *rest])
