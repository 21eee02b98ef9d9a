"""What a YAML scalar means to Kubernetes.

Its tools read YAML 1.1 the way go-yaml v2 does, so this does too: ``yes``, ``on`` and ``y`` are
true, ``0644`` is octal, ``0x1F``, ``0b11`` and ``1_000`` are numbers; ``12:30:45`` and dates are
strings, as is everything quoted.
"""

from __future__ import annotations

import re

Value = None | bool | int | float | str

TAG = "tag:yaml.org,2002:"
STANDARD_TAGS = frozenset(TAG + name for name in ("str", "int", "float", "bool", "null"))

_WORDS: dict[str, Value] = {"": None, "~": None}
for _value, _names in ((True, "y yes true on"), (False, "n no false off"), (None, "null")):
    for _name in _names.split():
        _WORDS |= {_name: _value, _name.capitalize(): _value, _name.upper(): _value}
for _sign, _number in (("", "inf"), ("+", "inf"), ("-", "-inf")):
    _WORDS |= {f"{_sign}.{_case}": float(_number) for _case in ("inf", "Inf", "INF")}
_WORDS |= dict.fromkeys((".nan", ".NaN", ".NAN"), float("nan"))

_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_INTEGER = re.compile(r"([-+]?)(?:0[xX]([0-9a-fA-F]+)|0[bB]([01]+)|0[oO]?([0-7]+)|(0|[1-9][0-9]*))")
_LONGEST = 64  # characters of a number


def resolve(text: str, *, plain: bool, tag: str | None) -> Value:
    """The value of ``text``; ``plain`` means unquoted, ``tag`` is None or one of STANDARD_TAGS.

    Raises ValueError where the tag and the text disagree (``!!int abc``).
    """
    if tag == TAG + "str" or (tag is None and not plain):
        return text
    value = _implicit(text)
    if tag is None or tag in _tags_of(value):
        return value
    raise ValueError(f"cannot read {text!r} as !!{tag.removeprefix(TAG)}")


def _implicit(text: str) -> Value:
    if text in _WORDS:
        return _WORDS[text]
    if text[0] not in "+-.0123456789" or len(text) > _LONGEST:
        return text
    digits = text.replace("_", "") if text[0] != "." else text
    if match := _INTEGER.fullmatch(digits):
        return _integer(*match.groups(default=""))
    return float(digits) if _FLOAT.fullmatch(digits) else text


def _integer(sign: str, hexadecimal: str, binary: str, octal: str, decimal: str) -> int:
    bases = ((hexadecimal, 16), (binary, 2), (octal, 8), (decimal, 10))
    size = next(int(digits, base) for digits, base in bases if digits)
    return -size if sign == "-" else size


def _tags_of(value: Value) -> tuple[str, ...]:
    names: dict[type, tuple[str, ...]] = {
        type(None): ("null",),
        bool: ("bool",),
        int: ("int", "float"),
        float: ("float",),
    }
    return tuple(TAG + name for name in names.get(type(value), ("str",)))
