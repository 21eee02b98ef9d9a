"""WWW-Authenticate, as RFC 9110 (11.6.1) writes it: several challenges, quoted strings, commas.

Bearer realm="https://auth.example/token",service="r",scope="repository:a:pull", Basic realm="r"
"""

from __future__ import annotations

import re

import msgspec

_HEADER_MAX = 16 << 10
_SCHEME = re.compile(r"[\s,]*([!#$%&'*+.^_`|~0-9A-Za-z-]+)(?=\s|,|$)(?!\s*=)")
_PARAMETER = re.compile(
    r"""[\s,]*([!#$%&'*+.^_`|~0-9A-Za-z-]+)\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s,"]*))"""
)
_TOKEN68 = re.compile(r"\s*[A-Za-z0-9._~+/-]+=*(?=\s*(?:,|$))")


class Challenge(msgspec.Struct, frozen=True):
    """``scheme`` in lower case; names of parameters too."""

    scheme: str
    parameters: dict[str, str]


def parse(headers: list[str]) -> list[Challenge]:
    """The challenges of all WWW-Authenticate headers; what cannot be read is left out."""
    return [found for header in headers for found in _parse_one(header[:_HEADER_MAX])]


def _parse_one(header: str) -> list[Challenge]:
    found: list[Challenge] = []
    position = 0
    while scheme := _SCHEME.match(header, position):
        parameters: dict[str, str] = {}
        position = scheme.end()
        while parameter := _PARAMETER.match(header, position):
            name, quoted, plain = parameter.groups()
            value = plain if quoted is None else re.sub(r"\\(.)", r"\1", quoted)
            parameters.setdefault(name.lower(), value)
            position = parameter.end()
        if not parameters and (token := _TOKEN68.match(header, position)):
            position = token.end()  # Negotiate's way: one word, no parameters
        found.append(Challenge(scheme[1].lower(), parameters))
    return found
