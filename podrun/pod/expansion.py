"""``$(NAME)`` in env, command, args, exec probes and subPathExpr.

Semantics: Kubernetes' third_party/forked/golang/expansion.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

_REFERENCE = re.compile(r"\$(?:\$|\(([^)]*)\))")


def expand(text: str, values: Mapping[str, str]) -> str:
    """``$(X)`` becomes its value and stays as it is without one; ``$$`` is a dollar sign."""

    def value(found: re.Match[str]) -> str:
        return "$" if found[0] == "$$" else values.get(found[1], found[0])

    return _REFERENCE.sub(value, text)


def references(text: str) -> list[str]:
    """The names that ``text`` asks for, each once."""
    names = (found[1] for found in _REFERENCE.finditer(text))
    return list(dict.fromkeys(name for name in names if name is not None))
