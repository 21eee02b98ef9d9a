"""Kubernetes quantities ("250m", "1.5Gi", "2e3"), exactly: no floating point anywhere.

    quantity = [+-] (digits | digits . digits | digits . | . digits) [suffix]
    suffix   = n u m k M G T P E  |  Ki Mi Gi Ti Pi Ei  |  (e | E) [+-] digits

As in Kubernetes, a part smaller than a billionth is rounded up (away from zero) and a value above
2^63-1 is held there. The canonical form has no fraction, the largest suffix that allows this, and
stays in the family (decimal, binary, exponent) in which it was written.
"""

from __future__ import annotations

import msgspec

_NANO = 10**9
_MILLI = 10**6  # in billionths
_MAX = (2**63 - 1) * _NANO
_LONGEST = 128  # characters; nothing sensible is longer, and huge integers cost time

_DECIMAL = {"n": -9, "u": -6, "m": -3, "": 0, "k": 3, "M": 6, "G": 9, "T": 12, "P": 15, "E": 18}
_BINARY = {"Ki": 1, "Mi": 2, "Gi": 3, "Ti": 4, "Pi": 5, "Ei": 6}
_DECIMAL_NAMES = {power: name for name, power in _DECIMAL.items()}
_BINARY_NAMES = {power: name for name, power in _BINARY.items()}


class Quantity(msgspec.Struct, frozen=True):
    """``nanos`` is the value in billionths; ``family`` is "decimal", "binary" or "exponent"."""

    nanos: int
    family: str


def parse(text: str) -> Quantity:
    """Raises ValueError naming ``text`` when it is no quantity."""
    negative = text.startswith("-")
    body = text[1:] if text[:1] in ("+", "-") else text
    digits = len(body) - len(body.lstrip("0123456789."))
    number, suffix = body[:digits], body[digits:]
    whole, _, fraction = number.partition(".")
    if not (whole or fraction) or "." in fraction or len(text) > _LONGEST or not text.isascii():
        raise ValueError(f"{_short(text)} is not a quantity")
    numerator, denominator, family = _factor(text, suffix)
    scaled = int(whole + fraction) * numerator * _NANO
    nanos = min(-(-scaled // (denominator * 10 ** len(fraction))), _MAX)
    return Quantity(-nanos if negative else nanos, family)


def _factor(text: str, suffix: str) -> tuple[int, int, str]:
    """The suffix as numerator, denominator and family."""
    if suffix in _BINARY:
        return int(1024 ** _BINARY[suffix]), 1, "binary"
    power = _DECIMAL.get(suffix)
    family = "decimal"
    if power is None:
        power, family = _exponent(text, suffix), "exponent"
    return (int(10**power), 1, family) if power >= 0 else (1, int(10**-power), family)


def _exponent(text: str, suffix: str) -> int:
    sign = suffix[1:2] if suffix[1:2] in ("+", "-") else ""
    digits = suffix[1 + len(sign) :]
    if suffix[:1] not in ("e", "E") or not digits.isdigit():
        raise ValueError(
            f"{_short(text)} is not a quantity: the suffix must be one of n, u, m, k, M, G, T, P, "
            "E, Ki, Mi, Gi, Ti, Pi, Ei or an exponent"
        )
    power = min(int(digits), 2 * _LONGEST)  # beyond this every number is the largest or smallest
    return -power if sign == "-" else power


def _short(text: str) -> str:
    return repr(text if len(text) <= 40 else text[:37] + "...")


def canonical(text: str) -> str:
    """The one spelling of this value: "1024Mi" → "1Gi", "0.5" → "500m". ValueError as ``parse``."""
    return format_quantity(parse(text))


def round_to_milli(quantity: Quantity) -> Quantity:
    """Rounded up (away from zero) to thousandths: the finest step a resource has."""
    size = -(-abs(quantity.nanos) // _MILLI) * _MILLI
    return Quantity(-size if quantity.nanos < 0 else size, quantity.family)


def format_quantity(quantity: Quantity) -> str:
    sign, size = "-" if quantity.nanos < 0 else "", abs(quantity.nanos)
    if quantity.family == "binary" and size % _NANO == 0 and size >= 1024 * _NANO:
        number, power = _reduce(size // _NANO, 1024, 6)
        return f"{sign}{number}{_BINARY_NAMES.get(power, '')}"
    number, thousands = _reduce(size, 1000, 9)
    power = 3 * thousands - 9
    if quantity.family == "exponent":
        return f"{sign}{number}e{power}" if power else f"{sign}{number}"
    return f"{sign}{number}{_DECIMAL_NAMES[power]}"


def _reduce(number: int, base: int, most: int) -> tuple[int, int]:
    """``number`` = result * base**times, with as many ``times`` as possible (0: as for one)."""
    if number == 0:
        return 0, 3 if base == 1000 else 0
    times = 0
    while times < most and number % base == 0:
        number, times = number // base, times + 1
    return number, times


def nanos(text: str) -> int:
    """The value in billionths, for comparing. ValueError as ``parse``."""
    return parse(text).nanos


def milli_cpu(text: str) -> int:
    """Thousandths of a CPU, rounded up. ValueError as ``parse``."""
    return -(-parse(text).nanos // _MILLI)


def bytes(text: str) -> int:
    """Whole bytes, rounded up. ValueError as ``parse``."""
    return -(-parse(text).nanos // _NANO)
