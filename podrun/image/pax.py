"""pax extended headers (POSIX, pax(1)): records "LENGTH KEY=VALUE\\n" about the entry behind them.

Only what a layer can use is kept. Global headers (type g) are not applied: the tools that build
and read images ignore them, and an entry's name or size must not mean one thing to a scanner and
another here.
"""

from __future__ import annotations

import re

from podrun.image.types import BadArchive

XATTR = b"SCHILY.xattr."
_SPARSE = b"GNU.sparse."
_KEPT = (b"path", b"linkpath", b"size", b"uid", b"gid", b"mtime")
_REPEATED = (b"GNU.sparse.offset", b"GNU.sparse.numbytes")
_TIME = re.compile(rb"(-?)([0-9]{0,20})(?:\.([0-9]*))?\Z")

Records = dict[bytes, bytes]


def records(data: bytes) -> Records:
    """The last value of each key; the repeated ones of sparse 0.0 become a 0.1 map. BadArchive."""
    found: Records = {}
    sparse: list[bytes] = []
    at = 0
    while at < len(data) and data[at]:  # some writers pad with zeros
        key, value, at = _record(data, at)
        if key in _REPEATED:
            sparse.append(value)
        elif key in _KEPT or key.startswith((XATTR, _SPARSE)):
            found[key] = value
    if sparse:
        found[b"GNU.sparse.map"] = b",".join(sparse)
    return found


def _record(data: bytes, at: int) -> tuple[bytes, bytes, int]:
    """The record at ``at`` and where the next one begins."""
    space = data.find(b" ", at, at + 9)
    length = data[at:space] if space > at else b""
    end = at + int(length) if length.isdigit() else 0
    equals = data.find(b"=", space, end)
    if end > len(data) or equals < 0 or data[end - 1] != 0x0A:
        raise BadArchive(f"a damaged pax record {data[at : at + 20]!r}")
    return data[space + 1 : equals], data[equals + 1 : end - 1], end


def decimal(found: Records, key: bytes, default: int) -> int:
    """A size or an owner; empty and absent mean what the plain header says. BadArchive."""
    text = found.get(key)
    if not text:
        return default
    if not text.lstrip(b"-").isdigit() or len(text) > 20:
        raise BadArchive(f"a damaged pax record: {key.decode()}={text[:40]!r}")
    return int(text)


def nanoseconds(text: bytes) -> int:
    """pax's decimal seconds, exactly: b"-1.5" → -1500000000. BadArchive."""
    matched = _TIME.match(text.strip())
    if not matched:
        raise BadArchive(f"a damaged pax record: mtime={text[:40]!r}")
    sign, whole, fraction = matched.groups(b"")
    value = int(whole or b"0") * 1_000_000_000 + int((fraction + b"0" * 9)[:9])
    return -value if sign else value
