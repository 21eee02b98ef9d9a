"""$(NAME): Kubernetes' rules, letter by letter, and no more than a program can be given."""

from __future__ import annotations

import time
from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from podrun.errors import PodrunError
from podrun.pod.expansion import STRING_MAX, TOTAL_MAX, expand, expand_all, references

VALUES = {"A": "1", "B": "$(A)", "a b": "2", "": "none", "$(A": "odd"}


@pytest.mark.parametrize(("text", "expected"), [
    ("", ""),
    ("plain", "plain"),
    ("$(A)", "1"),
    ("<$(A)$(A)>", "<11>"),
    ("$(B)", "$(A)"),  # what came out is not looked at again
    ("$(C)", "$(C)"),
    ("$$", "$"),
    ("$$(A)", "$(A)"),
    ("$$$(A)", "$1"),
    ("$$$$(A)", "$$(A)"),
    ("$A ${A} $", "$A ${A} $"),
    ("$(a b)", "2"),
    ("$()", "none"),
    ("$(A", "$(A"),
    ("$(A$(A)", "$(A$(A)"),
    ("$($(A)", "odd"),
    ("$(A) $( $$", "1 $( $"),
    ("$(A\n)", "$(A\n)"),
    (")$(A)(", ")1("),
])  # fmt: skip
def test_the_rules(text: str, expected: str) -> None:
    assert expand(text, VALUES) == expected


def _by_hand(text: str, values: Mapping[str, str]) -> str:
    """One character after the other."""
    done, at = "", 0
    while at < len(text):
        end = text.find(")", at)
        if text.startswith("$$", at):
            done, at = done + "$", at + 2
        elif text.startswith("$(", at) and end > 0:
            done, at = done + values.get(text[at + 2 : end], text[at : end + 1]), end + 1
        else:
            done, at = done + text[at], at + 1
    return done


@pytest.mark.parametrize("text", ["$(E)x", "$(E)"])
def test_a_value_may_be_empty(text: str) -> None:
    assert expand(text, {"E": ""}) == text[4:]


@given(st.text("$()AB ", max_size=30))
def test_any_text(text: str) -> None:
    assert expand(text, VALUES) == _by_hand(text, VALUES)


def test_the_names_that_are_asked_for() -> None:
    assert references("$(A)/$$(B)/$(C d)/$(A)/$(E") == ["A", "C d"]


def test_what_is_never_closed_takes_no_longer_than_what_is() -> None:
    began = time.process_time()
    assert expand("$(" * 1_000_000, VALUES) == "$(" * 1_000_000
    assert references("$(" * 1_000_000) == []
    assert time.process_time() - began < 30  # each looking for its end: an hour


@pytest.mark.parametrize("text", ["$(X)$(X)", "$(X)" * 100_000, "y" * STRING_MAX + "$(X)"])
def test_nothing_grows_beyond_what_a_program_can_be_given(text: str) -> None:
    with pytest.raises(PodrunError) as caught:
        expand(text, {"X": "x" * (STRING_MAX - 1)})
    assert caught.value.message.endswith("one variable or argument can have 128 KiB")
    assert caught.value.reason == "CreateContainerConfigError"


def test_all_together_have_a_limit_too() -> None:
    values = {"X": "x" * STRING_MAX}
    most = TOTAL_MAX // STRING_MAX
    assert expand_all(["$(X)"] * most, values) == ("x" * STRING_MAX,) * most
    with pytest.raises(PodrunError, match="all of them can have 6144 KiB"):
        expand_all(["$(X)"] * 1_000_000, values)
