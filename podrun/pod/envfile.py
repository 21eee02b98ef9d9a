"""Files of variables, as ``fileKeyRef`` reads them (Kubernetes' EnvFiles): a part of shell syntax.

    # a comment, or a blank line
    NAME='value'            literally what is between the quotes, line breaks too
    NAME='value' # comment
    NAME= whatever          empty, as for a shell

No space before "=", no value without quotes. Lines may end as Windows ends them.
"""

from __future__ import annotations

import re

_SKIPPED = re.compile(r"[ \t]*(?:#[^\n]*)?(?:\n|$)")
_NAME = re.compile(r"[ \t]*+([^=\n]*[^=\s])=")
_QUOTED = re.compile(r"'([^']*)'[ \t]*(?:#[^\n]*)?(?:\n|$)")
_EMPTY = re.compile(r"[ \t][^\n]*(?:\n|$)")


def value_of(text: str, key: str) -> str | None:
    """The first value of ``key``; None without one. ValueError names the line that is wrong, up to
    where the key was found."""
    text = text.replace("\r\n", "\n").removesuffix("\r")
    at = 0
    while at < len(text):
        if skipped := _SKIPPED.match(text, at):
            at = skipped.end()
            continue
        name = _NAME.match(text, at)
        if name is None:
            raise ValueError(f"line {_line(text, at)}: expected NAME='value'")
        quoted = _QUOTED.match(text, name.end())
        found = quoted or _EMPTY.match(text, name.end())
        if found is None:
            raise ValueError(f"line {_line(text, at)}: the value must be in single quotes")
        if name[1] == key:
            return quoted[1] if quoted else ""
        at = found.end()
    return None


def _line(text: str, at: int) -> int:
    return text.count("\n", 0, at) + 1
