"""The table of fields as text: for ``podrun explain`` and as docs/fields.md."""

from __future__ import annotations

import textwrap

from podrun.api.fields import SCHEMA, Field, below, element, find
from podrun.api.kinds import KINDS, POD, Kind

WORDS = {
    "yes": "yes",
    "note": "accepted, without effect",
    "no": "not supported yet: refused",
    "set": "filled in by podrun",
}

_HEAD = """\
# The fields of objects

Every field of every kind of object podrun takes (as of Kubernetes 1.36), and what podrun does with it: {kinds}.
This page is generated: `python -m podrun.api.fields > docs/fields.md`. The same text: `podrun explain pod.spec.containers`,
`podrun explain configmap.data`.

| podrun | means |
|---|---|
| yes | it works |
| note | accepted, checked and kept, without effect on one machine; `apply` says so |
| set | podrun fills it in; in a manifest it is ignored, so that the output of `kubectl get -o yaml` can be applied |
| no | not supported yet: the manifest is refused with the field's path |

An unknown field is refused too. An empty string, list or map and `null` are the same as no field.
"""  # noqa: E501


def explain(path: str, width: int = 90) -> str:
    """What ``podrun explain`` prints for ``pod.spec.containers``, in ``width`` columns.

    Raises NotFound.
    """
    field = find(path)
    lines = [
        f"FIELD: {field.path or field.row.name} <{field.row.type}>",
        f"SUPPORTED: {WORDS[field.support]}",
        "",
        *_indented(field.row.text, "    ", width),
    ]
    rows = SCHEMA.get(element(field.row.type), {})
    if rows:
        lines += ["", "FIELDS:"]
    for row in rows.values():
        support = row.support or field.support
        mark = "" if support == "yes" else f"  [{WORDS[support]}]"
        head = f"  {row.name} <{row.type}>"
        lines += [head + mark] if len(head + mark) <= width else [head, f"  {mark}"]
        lines += _indented(row.text, "      ", width)
    return "\n".join(lines) + "\n"


def _indented(text: str, indent: str, width: int) -> list[str]:
    """Names of fields and values stay whole, however narrow it is."""
    return textwrap.wrap(
        text, width, initial_indent=indent, subsequent_indent=indent, break_long_words=False
    )


def markdown() -> str:
    """docs/fields.md: one section for each kind and each type, in the order a reader meets them."""
    known: set[str] = set()
    sections = []
    for kind in _kinds():
        types = {name: at for name, at in _by_type(kind).items() if name not in known}
        known |= types.keys()
        sections += [_section(places) for places in types.values()]
    links = ", ".join(f"[{kind.name}](#{kind.singular})" for kind in _kinds())
    return _HEAD.replace("{kinds}", links) + "".join(sections)


def _kinds() -> list[Kind]:
    """The Pod first: the others refer to its types."""
    return sorted(KINDS, key=lambda kind: kind is not POD)


def _by_type(root: Kind) -> dict[str, list[Field]]:
    """The places in ``root`` of each type that has fields of its own."""
    types: dict[str, list[Field]] = {root.name: [find(root.singular)]}
    for field in below(root.name):
        if element(field.row.type) in SCHEMA:
            types.setdefault(element(field.row.type), []).append(field)
    return types


def _section(places: list[Field]) -> str:
    kind = element(places[0].row.type)
    best = min((place.support for place in places), key=list(WORDS).index)
    where = ", ".join(f"`{_marked(place)}`" for place in places[:4])
    more = f" and {len(places) - 4} more" if len(places) > 4 else ""
    head = f"\n## {kind}\n\n{where}{more}\n\n" if places[0].path else f"\n## {kind}\n\n"
    rows = (
        f"| {row.name} | {row.type} | {row.support or best} | {row.text} |\n"
        for row in SCHEMA[kind].values()
    )
    return f"{head}| field | type | podrun | |\n|---|---|---|---|\n{''.join(rows)}"


def _marked(field: Field) -> str:
    """The path, a list marked as one."""
    return field.path + ("[]" if field.row.type.startswith("[]") else "")
