"""Quantities: Kubernetes' own forms and roundings, exactly."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from podrun.api import quantity

CANONICAL = {
    "0": "0", "0Gi": "0", "0e5": "0", "-0": "0", "1": "1", "+1": "1", "-1": "-1", "5.": "5",
    ".5": "500m", "0.5": "500m", "1000": "1k", "1500m": "1500m", "100000m": "100", "1E": "1E",
    "1024Mi": "1Gi", "1.5Gi": "1536Mi", "0.5Mi": "512Ki", "1023Ki": "1023Ki", "2048": "2048",
    "0.1Ki": "102400m", "1e0": "1", "1e3": "1e3", "1E3": "1e3", "1e4": "10e3", "1e-3": "1e-3",
    "1n": "1n", "0.1n": "1n", "-0.1n": "-1n", "1000n": "1u", "123456789": "123456789",
    "1e99": "9223372036854775807", "10E": "9223372036854775807", "1e-99": "1e-9",
    "12Ei": "9223372036854775807",
}  # fmt: skip

BAD = [
    "", " ", "x", "1x", "1 ", " 1", "e3", "1e", "1e+", "1.2.3", ".", "--1", "+-1", "1ki", "1KI",
    "1mi", "1Kii", "1_0", "0x10", "٣", "1²", "1e²", "NaN", "inf", "1" * 129, "1e1.5", "1MiB", "1\n",
]  # fmt: skip


@pytest.mark.parametrize(("text", "canonical"), CANONICAL.items())
def test_canonical(text: str, canonical: str) -> None:
    assert quantity.canonical(text) == canonical


@pytest.mark.parametrize("text", BAD)
def test_bad_quantities_are_named(text: str) -> None:
    with pytest.raises(ValueError, match="is not a quantity"):
        quantity.parse(text)


@pytest.mark.parametrize(
    ("text", "milli"), [("1", 1000), ("250m", 250), ("0.1", 100), ("100u", 1), ("1n", 1), ("0", 0)]
)
def test_milli_cpu_rounds_up(text: str, milli: int) -> None:
    assert quantity.milli_cpu(text) == milli


@pytest.mark.parametrize(
    ("text", "size"),
    [("64Mi", 64 << 20), ("1k", 1000), ("1m", 1), ("1500m", 2), ("1e3", 1000), ("0.5Ki", 512)],
)
def test_bytes_round_up(text: str, size: int) -> None:
    assert quantity.bytes(text) == size


_SUFFIXES = {
    **{"n": Fraction(1, 10**9), "u": Fraction(1, 10**6), "m": Fraction(1, 1000), "": Fraction(1)},
    **{name: Fraction(1000 ** (power + 1)) for power, name in enumerate("kMGTPE")},
    **{f"{name}i": Fraction(1024 ** (power + 1)) for power, name in enumerate("KMGTPE")},
}


@st.composite
def quantities(draw: st.DrawFn) -> tuple[str, Fraction]:
    """A text and its exact value (before rounding and holding)."""
    sign = draw(st.sampled_from(["", "+", "-"]))
    whole, fraction = draw(st.integers(0, 10**12)), draw(st.text("0123456789", max_size=12))
    if draw(st.booleans()):
        suffix, factor = draw(st.sampled_from(sorted(_SUFFIXES.items())))
    else:
        power = draw(st.integers(-20, 20))
        suffix, factor = f"{draw(st.sampled_from('eE'))}{power}", Fraction(10) ** power
    number = f"{whole}.{fraction}" if fraction else str(whole)
    value = Fraction(int(f"{whole}{fraction}"), 10 ** len(fraction)) * factor
    return f"{sign}{number}{suffix}", -value if sign == "-" else value


@given(quantities())
def test_the_value_is_exact_up_to_a_billionth(pair: tuple[str, Fraction]) -> None:
    text, value = pair
    held = max(min(value, Fraction(2**63 - 1)), Fraction(-(2**63 - 1)))
    off = abs(Fraction(quantity.nanos(text), 10**9)) - abs(held)
    assert 0 <= off < Fraction(1, 10**9)


@given(quantities())
def test_canonical_keeps_the_value_and_is_canonical(pair: tuple[str, Fraction]) -> None:
    text, _ = pair
    once = quantity.canonical(text)
    assert quantity.nanos(once) == quantity.nanos(text)
    assert quantity.canonical(once) == once
    assert "." not in once


@given(st.text(max_size=200))
def test_parse_raises_nothing_else(text: str) -> None:
    try:
        quantity.parse(text)
    except ValueError as error:
        assert "is not a quantity" in str(error)
