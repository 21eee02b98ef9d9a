"""The table of fields agrees with the Structs and with docs/fields.md."""

from __future__ import annotations

import types
import typing
from pathlib import Path
from typing import Any

import msgspec
import pytest

from podrun.api.fields import SCHEMA, below, element, find
from podrun.api.fields.explain import explain, markdown
from podrun.api.fields.pending import PENDING
from podrun.api.kinds import KINDS
from podrun.api.pod import Pod
from podrun.errors import NotFound

_ROOTS = {kind for kind, rows in SCHEMA.items() if {"apiVersion", "metadata"} <= set(rows)}
_SCALARS = {"string", "boolean", "integer", "Quantity", "IntOrString", "Time", "any"}


def _structs(kind: Any) -> list[type[msgspec.Struct]]:
    """The Structs inside an annotation such as ``tuple[Container, ...] | None``."""
    if isinstance(kind, type) and issubclass(kind, msgspec.Struct):
        return [kind]
    if typing.get_origin(kind) in (tuple, dict, types.UnionType, typing.Union):
        return [each for part in typing.get_args(kind) for each in _structs(part)]
    return []


def _paths(struct: type[msgspec.Struct], path: str = "") -> set[str]:
    """All field paths of ``struct``, as the table writes them."""
    hints = typing.get_type_hints(struct)
    found = set()
    for field in msgspec.structs.fields(struct):
        at = f"{path}.{field.encode_name}" if path else field.encode_name
        found.add(at)
        for inner in _structs(hints[field.name]):
            found |= _paths(inner, at)
    return found


def test_every_struct_field_is_in_the_table_and_accepted_or_set() -> None:
    support = {field.path: field.support for field in below("Pod")}
    refused = {path for path in _paths(Pod) if support.get(path, "no") == "no"}
    assert refused == {path for path in refused if path in support and _is_pending(path)}


def _is_pending(path: str) -> bool:
    """Whether the field or one above it is typed but not accepted yet."""
    parts = path.split(".")
    return any(find(".".join(parts[:n])).row.pending for n in range(1, len(parts) + 1))


def test_every_pending_field_has_a_row_and_a_struct_field() -> None:
    pending = {field.path for field in below("Pod") if field.row.pending}
    assert {f"{kind}.{name}" for kind in SCHEMA for name in SCHEMA[kind]} >= PENDING
    assert pending - _paths(Pod) == set()


def test_every_supported_row_has_a_struct_field() -> None:
    supported = {field.path for field in below("Pod") if field.support == "yes"}
    assert supported - _paths(Pod) == set()


def test_every_noted_row_is_kept_by_the_structs() -> None:
    noted = {field.path for field in below("Pod") if field.row.support == "note"}
    assert noted - _paths(Pod) == set()


def test_every_type_is_defined_and_used() -> None:
    used = {element(field.row.type) for kind in _ROOTS for field in below(kind)}
    undefined = used - set(SCHEMA) - _SCALARS
    assert undefined == {"ManagedFieldsEntry"}  # never read
    assert set(SCHEMA) - used == _ROOTS


def test_every_row_explains_itself() -> None:
    marks = {row.support for rows in SCHEMA.values() for row in rows.values()}
    assert marks == {"", "no", "note", "set"}
    silent = [row for rows in SCHEMA.values() for row in rows.values() if not row.text.strip()]
    assert silent == []


def test_the_page_is_up_to_date() -> None:
    page = Path(__file__).parents[2] / "docs" / "fields.md"
    assert page.read_text() == markdown(), "run: python -m podrun.api.fields > docs/fields.md"


@pytest.mark.parametrize(
    ("path", "support"),
    [
        ("pod.spec.containers.image", "yes"),
        ("spec.containers[0].image", "yes"),
        ("pods.spec.volumes.nfs.server", "no"),
        ("spec.affinity.nodeAffinity", "note"),
        ("status.phase", "set"),
        ("pod", "yes"),
        ("configmap", "yes"),
        ("cm.data", "yes"),
        ("Secrets.stringData", "yes"),
        ("pvc.spec.selector", "no"),
    ],
)
def test_find(path: str, support: str) -> None:
    assert find(path).support == support


def test_find_suggests() -> None:
    with pytest.raises(NotFound, match=r'no field spec\.contaners \(did you mean "containers"\?\)'):
        find("pod.spec.contaners.image")


def test_explain_says_that_a_field_is_refused_and_what_is_below_it() -> None:
    text = explain("pod.spec.volumes.nfs")
    assert "FIELD: spec.volumes.nfs <NFSVolumeSource>" in text
    assert "SUPPORTED: not supported yet: refused" in text
    assert "server <string>" in text


def test_each_kind_is_a_root_of_its_own() -> None:
    with pytest.raises(NotFound, match=r'a ConfigMap has no field dta \(did you mean "data"\?\)'):
        find("configmap.dta")
    assert explain("secret").startswith("FIELD: secret <Secret>\nSUPPORTED: yes\n")
    page = markdown()
    for kind in KINDS:
        assert page.count(f"\n## {kind.name}\n") == 1
    assert page.index("## Pod\n") < page.index("## ConfigMap\n")
