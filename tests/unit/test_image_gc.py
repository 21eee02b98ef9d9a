"""Which images go, and in which order, when the disk fills up."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from podrun.pod.imagegc import (
    Choice,
    Disk,
    Policy,
    Stored,
    candidates,
    choose,
    excess,
    parts_to_gain,
    used_percent,
)

NOW = 1_000_000.0
DEFAULT = Policy()


def stored(name: str, parts: str, *, age: float = 9999.0, used_ago: float | None = None) -> Stored:
    """``parts`` by one letter each."""
    last_used = 0.0 if used_ago is None else NOW - used_ago
    return Stored(name, frozenset(parts), NOW - age, last_used)


@pytest.mark.parametrize(("available", "percent", "to_free"), [
    (1000, 0, 0),
    (160, 84, 0),
    (150, 85, 50),
    (100, 90, 100),
    (0, 100, 200),
])  # fmt: skip
def test_the_two_marks(available: int, percent: int, to_free: int) -> None:
    disk = Disk(1000, available)
    assert (used_percent(disk), excess(disk, DEFAULT)) == (percent, to_free)


@pytest.mark.parametrize(("policy", "to_free"), [
    (Policy(high_percent=100), 0),
    (Policy(high_percent=0, low_percent=0), 900),
    (Policy(high_percent=80, low_percent=90), 100),  # a low mark above the high one is that one
])  # fmt: skip
def test_other_marks(policy: Policy, to_free: int) -> None:
    assert excess(Disk(1000, 100), policy) == to_free


def test_a_file_system_without_size_is_never_full() -> None:
    assert excess(Disk(0, 0), DEFAULT) == 0


def test_what_was_never_used_goes_first_then_the_longest_unused() -> None:
    images = [
        stored("yesterday", "a", used_ago=86400),
        stored("now", "b", used_ago=1),
        stored("hour", "c", used_ago=3600),
        stored("never", "d", age=500),
        stored("never, older", "e", age=5000),
    ]
    order = [image.id for image in candidates(images, {"now"}, NOW, DEFAULT)]
    assert order == ["never, older", "never", "yesterday", "hour"]


@pytest.mark.parametrize(("age", "goes"), [(119.0, False), (120.0, True)])
def test_what_has_just_come_stays(age: float, goes: bool) -> None:
    assert bool(candidates([stored("new", "a", age=age)], (), NOW, DEFAULT)) is goes


def test_no_more_goes_than_is_needed() -> None:
    images = [stored(name, name, used_ago=100 - i) for i, name in enumerate("abcd")]
    sizes = dict.fromkeys("abcd", 10)
    assert choose(images, images, sizes, 15) == Choice(("a", "b"), 20)
    assert choose(images, images, sizes, 20) == Choice(("a", "b"), 20)
    assert choose(images, images, sizes, 0) == Choice()
    assert choose(images, images, sizes, 999) == Choice(("a", "b", "c", "d"), 40)


def test_what_images_share_is_gained_with_the_last_of_them() -> None:
    kept, one, other = stored("kept", "xk"), stored("one", "xyz"), stored("other", "yz")
    images, order = [kept, one, other], [one, other]
    gained = parts_to_gain(order, images)
    assert gained == {"y", "z"}
    sizes = dict.fromkeys(gained, 10)
    assert choose(order, images, sizes, 1) == Choice(("one", "other"), 20)


_IMAGES = st.lists(
    st.builds(
        stored,
        st.uuids().map(str),
        st.text("abcdef", max_size=4),
        age=st.floats(0, 300),
        used_ago=st.none() | st.floats(0, 9999),
    ),
    max_size=8,
)


@given(images=_IMAGES, amount=st.integers(0, 100), data=st.data())
def test_any_store(images: list[Stored], amount: int, data: st.DataObject) -> None:
    ids = [image.id for image in images]
    used = set(data.draw(st.lists(st.sampled_from(ids)))) if ids else set()
    order = candidates(images, used, NOW, DEFAULT)
    sizes = dict.fromkeys(parts_to_gain(order, images), 7)
    choice = choose(order, images, sizes, amount)
    assert not used & set(choice.ids)
    assert choice.ids == tuple(image.id for image in order)[: len(choice.ids)]
    left = [image for image in images if image.id not in choice.ids]
    before = frozenset[str]().union(*(image.parts for image in images))
    after = frozenset[str]().union(*(image.parts for image in left))
    assert choice.bytes == 7 * len(before - after)
    assert choice.bytes >= amount or len(choice.ids) == len(order)
