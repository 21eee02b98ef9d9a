"""Manifests that are made to cost much, or to break what reads them."""

from __future__ import annotations

import json

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from podrun.api.defaults import with_defaults
from podrun.api.fields import SCHEMA, Row
from podrun.api.load import Loaded, load_manifests
from podrun.api.validate import validate
from podrun.errors import InvalidManifest
from tests.unit.test_api_load import _HEAD, _problems


def _bomb(width: int, depth: int) -> str:
    """``items`` of ``width`` aliases, each of as many, and so on."""
    lines = [f"- &a0 [{', '.join(['x'] * width)}]"]
    lines += [f"- &a{n} [{', '.join([f'*a{n - 1}'] * width)}]" for n in range(1, depth)]
    return "\n".join(lines)


def test_a_bomb_of_aliases_costs_nothing() -> None:
    assert _problems(_bomb(10, 60)) == ["f.yaml:1: expected an object (apiVersion, kind, …)"]
    text = "apiVersion: v1\nkind: Pod\nspec:\n  tolerations:\n  - &t {key: a, value: b}\n"
    args = "&a [" + ", ".join(["x"] * 1000) + "]"
    containers = ", ".join([f"{{args: {args}}}"] + ["{args: *a}"] * 200)
    problems = _problems(f"{text}  containers: [{containers}]\n")
    assert problems == ["f.yaml:6: aliases expand to more than 100000 values"]


def test_guesses_are_made_for_the_problems_that_are_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    guessed: list[str] = []

    def suggest(name: str, known: object) -> str:
        guessed.append(name)
        return ""

    monkeypatch.setattr("podrun.api.decode.suggest", suggest)
    _problems(_HEAD + "spec:\n" + "".join(f"  field{n}: 1\n" for n in range(1000)))
    assert len(guessed) == 21


def test_a_table_that_is_ahead_of_the_structs_is_a_refusal(monkeypatch: pytest.MonkeyPatch) -> None:
    row = Row("tomorrow", "string", "", None, "A field of tomorrow.")
    monkeypatch.setitem(SCHEMA["PodSpec"], "tomorrow", row)
    (problem,) = _problems(_HEAD + "spec: {tomorrow: x}\n")
    assert problem == "f.yaml:1: spec: Object contains unknown field `tomorrow`"


def test_a_bomb_of_merges_costs_nothing() -> None:
    wide = ", ".join(f"k{n}: 1" for n in range(1000))
    text = f"- &a {{{wide}}}\n- {{<<: [{', '.join(['*a'] * 1000)}]}}\n"
    assert _problems(text) == ["f.yaml:2: more than 100000 values"]


def _load_or_refuse(text: str | bytes) -> Loaded | None:
    try:
        return load_manifests(text, "f.yaml")
    except InvalidManifest as error:
        assert error.message
        return None


@given(st.text() | st.binary())
@example("a: !<tag:yaml.org,2002:str> x")
@example("%YAML 9.9\n---\na")
@example("--- !!set {a}\n...\n")
@example("!!map [a]")
@example("&a *a")
@example("{? : }")
@example("{[]: x}")
@example(b"\xef\xbb\xbfkind: Pod")
def test_nothing_but_invalid_manifest_is_raised(text: str | bytes) -> None:
    _load_or_refuse(text)


_KEYS = st.sampled_from(
    sorted({*SCHEMA["Pod"], *SCHEMA["PodSpec"], *SCHEMA["Container"], "items", "labels", "<<"})
)
_LEAVES = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5)
_TREES: st.SearchStrategy[object] = st.deferred(
    lambda: (
        _LEAVES
        | st.sampled_from(["v1", "Pod", "List"])
        | st.lists(_TREES, max_size=3)
        | st.dictionaries(_KEYS, _TREES, max_size=3)
    )
)


@settings(max_examples=200)
@given(st.dictionaries(_KEYS, _TREES, max_size=4))
def test_documents_of_any_shape_are_loaded_or_refused(tree: dict[str, object]) -> None:
    loaded = _load_or_refuse(json.dumps({"apiVersion": "v1", "kind": "Pod", **tree}))
    for each in loaded.objects if loaded else ():
        validate(with_defaults(each.pod))
