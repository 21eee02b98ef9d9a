"""``$(NAME)`` in env, command, args, exec probes and subPathExpr.

Semantics: Kubernetes' third_party/forked/golang/expansion. There is no end to what a few variables
that hold each other twice can grow to: what no program could be given is refused.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from podrun.errors import PodrunError
from podrun.pod.missing import CONFIG_ERROR

#: the kernel's limits (execve(2)), in characters: of one string, and of all that a program is given
STRING_MAX = 128 << 10
TOTAL_MAX = 6 << 20

_REFERENCE = re.compile(r"\$(?:\$|\(([^)]*)\))")


def expand(text: str, values: Mapping[str, str]) -> str:
    """``$(X)`` becomes its value and stays as it is without one; ``$$`` is a dollar sign.

    Raises PodrunError (CreateContainerConfigError) for what grows beyond STRING_MAX.
    """
    size = len(text)

    def value(found: re.Match[str]) -> str:
        nonlocal size
        new = "$" if found[0] == "$$" else values.get(found[1], found[0])
        size += len(new) - len(found[0])
        if size > STRING_MAX:
            raise _too_large(STRING_MAX, "one variable or argument")
        return new

    closed = text.rfind(")") + 1  # behind it nothing is closed, and need not be looked for
    return _REFERENCE.sub(value, text[:closed]) + text[closed:].replace("$$", "$")


def expand_all(texts: Iterable[str], values: Mapping[str, str]) -> tuple[str, ...]:
    """The same of each, and of all together no more than TOTAL_MAX."""
    room = Room()
    return tuple(room.take(expand(text, values)) for text in texts)


class Room:
    """For all that one program is given: TOTAL_MAX."""

    def __init__(self) -> None:
        self._left = TOTAL_MAX

    def take(self, text: str) -> str:
        """``text`` itself. Raises PodrunError when it has no room."""
        self._left -= len(text)
        if self._left < 0:
            raise _too_large(TOTAL_MAX, "all of them")
        return text


def _too_large(most: int, what: str) -> PodrunError:
    return PodrunError(
        f"variables and arguments are too large: {what} can have {most >> 10} KiB",
        hint="a program cannot be given more: use a file in a volume",
        reason=CONFIG_ERROR,
    )


def references(text: str) -> list[str]:
    """The names that ``text`` asks for, each once."""
    found = _REFERENCE.finditer(text[: text.rfind(")") + 1])
    return list(dict.fromkeys(each[1] for each in found if each[1] is not None))
