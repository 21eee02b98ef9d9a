"""When something is tried again, and after how long; no test really waits."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from podrun.registry.retry import Backoff, Patience, Temporary, retry_after
from podrun.registry.types import RegistryError
from tests.registry import NOW, FakeClock


def busy(after: float | None = None) -> Temporary:
    return Temporary("it is busy", status=503, hint="ask again", after=after)


def test_pauses_double_up_to_a_bound_and_vary() -> None:
    clock = FakeClock()
    backoff = Backoff(Patience(tries=9, pause_max_seconds=5), clock)
    for _ in range(8):
        backoff.pause(busy())
    full = [0.5, 1, 2, 4, 5, 5, 5, 5]
    assert all(f * 0.75 <= s <= f for s, f in zip(clock.slept, full, strict=True))
    assert len(set(clock.slept)) > 4


def test_it_is_given_up_after_so_many_tries_with_the_last_failure() -> None:
    clock = FakeClock()
    backoff = Backoff(Patience(tries=3), clock)
    backoff.pause(busy())
    backoff.pause(busy())
    with pytest.raises(RegistryError, match="it is busy; after 3 tries") as caught:
        backoff.pause(busy())
    assert not isinstance(caught.value, Temporary)
    assert (caught.value.status, caught.value.hint) == (503, "ask again")
    assert len(clock.slept) == 2


def test_one_try_means_no_pause() -> None:
    clock = FakeClock()
    with pytest.raises(RegistryError):
        Backoff(Patience(tries=1), clock).pause(busy())
    assert clock.slept == []


def test_connecting_has_tries_of_its_own() -> None:
    clock = FakeClock()
    backoff = Backoff(Patience(tries=9, connect_tries=2), clock)
    refused = Temporary("nobody listens", connecting=True)
    backoff.pause(refused)
    with pytest.raises(RegistryError, match="after 2 tries"):
        backoff.pause(refused)


def test_progress_forgives() -> None:
    clock = FakeClock()
    backoff = Backoff(Patience(tries=2), clock)
    for _ in range(20):
        backoff.pause(busy())
        backoff.progress()
    assert max(clock.slept) <= 0.5


def test_the_servers_wish_goes_before_ours_up_to_a_bound() -> None:
    clock = FakeClock()
    backoff = Backoff(Patience(retry_after_seconds=60), clock)
    backoff.pause(busy(after=60.0))
    backoff.pause(busy(after=0.0))
    assert clock.slept == [60.0, 0.0]
    with pytest.raises(RegistryError, match="asks to wait 61 s"):
        backoff.pause(busy(after=61.0))


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("0", 0.0),
        (" 120 ", 120.0),
        ("Tue, 14 Nov 2023 22:14:20 GMT", 60.0),
        ("Tue, 14 Nov 2023 22:14:20 -0000", 60.0),
        ("Tue, 14 Nov 2023 20:00:00 GMT", 0.0),
        ("Tuesday, 14-Nov-23 22:14:20 GMT", 60.0),
        (None, None),
        ("", None),
        ("soon", None),
        ("-5", None),
        ("1.5", None),
        ("²", None),
        ("9" * 60, 999_999_999_999.0),
        ("9" * 65, None),
        ("Tue, 14 Nov 99999 22:14:20 GMT", None),
    ],
)
def test_retry_after(value: str | None, seconds: float | None) -> None:
    assert retry_after(value, NOW) == seconds


@given(st.text())
def test_retry_after_is_never_negative_and_never_fails(value: str) -> None:
    found = retry_after(value, NOW)
    assert found is None or found >= 0
