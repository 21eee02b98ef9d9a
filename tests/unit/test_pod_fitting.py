"""Admission: a pod fits as a whole or waits; the oldest goes first, and nobody starves."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from podrun.pod.fitting import Applicant, allocatable, amount_text, never_fits, review
from podrun.pod.resources import Amounts
from tests.unit import podsim

GI = 1 << 30
ROOM = {"cpu": 4000, "memory": 4 * GI}


def asks(name: str, since: float = 0.0, **request: int) -> Applicant:
    return Applicant(f"uid-{name}", f"default/{name}", dict(request), since)


def messages(taken: list[Amounts], *waiting: Applicant) -> dict[str, str]:
    return {answer.uid[4:]: answer.message for answer in review(ROOM, taken, waiting)}


def test_what_fits_is_admitted() -> None:
    assert messages([{"memory": GI}], asks("a", memory=3 * GI)) == {"a": ""}


def test_what_does_not_fit_waits_and_is_told_why() -> None:
    found = messages([{"memory": 3 * GI // 2}], asks("a", memory=3 * GI))
    assert found == {"a": "Insufficient memory: needs 3Gi, 2.5Gi free"}


def test_every_resource_that_lacks_is_named() -> None:
    found = messages([{"memory": 4 * GI, "cpu": 3500}], asks("a", cpu=1000, memory=GI))
    assert found["a"] == (
        "Insufficient cpu: needs 1, 500m free; Insufficient memory: needs 1Gi, 0 free"
    )


def test_nothing_asked_is_always_there() -> None:
    assert messages([{"memory": 4 * GI}], asks("a")) == {"a": ""}


def test_the_oldest_goes_first_and_takes_its_share() -> None:
    found = messages([], asks("young", 2.0, memory=3 * GI), asks("old", 1.0, memory=3 * GI))
    assert found == {"old": "", "young": "Insufficient memory: needs 3Gi, 1Gi free"}


def test_a_younger_one_does_not_overtake_who_waits_for_the_same() -> None:
    found = messages(
        [{"memory": 2 * GI}], asks("old", 1.0, memory=3 * GI), asks("young", 2.0, memory=GI)
    )
    assert found["young"] == (
        "Insufficient memory: needs 1Gi, 2Gi free, kept for default/old, which came first"
    )


def test_who_needs_something_else_is_not_held_up() -> None:
    found = messages(
        [{"memory": 2 * GI}], asks("old", 1.0, memory=3 * GI), asks("young", 2.0, cpu=1000)
    )
    assert found["young"] == ""


def test_more_than_the_node_has_never_fits() -> None:
    pod = podsim.pod(podsim.asks("a", memory="5Gi"))
    why = never_fits(pod, ROOM)
    assert why == "Insufficient memory: needs 5Gi, the node has 4Gi for all pods"
    assert never_fits(pod, {"memory": 5 * GI}) == ""


def test_what_is_reserved_is_not_allocatable() -> None:
    assert allocatable(ROOM, {"memory": GI}) == {"cpu": 4000, "memory": 3 * GI}
    assert allocatable({"memory": GI}, {"memory": 2 * GI}) == {"memory": 0}


def test_amounts_read_as_one_would_write_them() -> None:
    texts = [amount_text("memory", a) for a in (0, 512, GI // 2, 5 * GI // 2, 3 * GI)]
    assert texts == ["0", "512", "512Mi", "2.5Gi", "3Gi"]
    assert [amount_text("cpu", a) for a in (500, 4000)] == ["500m", "4"]


requests = st.dictionaries(st.sampled_from(["cpu", "memory"]), st.integers(1, 6))


@given(st.lists(requests, max_size=4), st.lists(requests, max_size=8))
def test_never_more_is_given_than_there_is(taken: list[Amounts], asked: list[Amounts]) -> None:
    room = {"cpu": 12, "memory": 12}
    waiting = [asks(str(i), float(i), **request) for i, request in enumerate(asked)]
    given_to = {a.uid for a in review(room, taken, waiting) if a.admitted}
    for name, most in room.items():
        before = sum(request.get(name, 0) for request in taken)
        more = sum(w.request.get(name, 0) for w in waiting if w.uid in given_to)
        assert before + more <= max(most, before)


@given(st.lists(requests, min_size=1, max_size=8))
def test_the_oldest_is_admitted_as_soon_as_all_others_are_over(asked: list[Amounts]) -> None:
    waiting = [asks(str(i), float(i), **request) for i, request in enumerate(asked)]
    first = review({"cpu": 6, "memory": 6}, [], waiting)[0]
    assert (first.uid, first.admitted) == ("uid-0", True)
