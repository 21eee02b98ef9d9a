"""Tar archives byte by byte: what no honest writer would write.

Every field may be given as a number or as the bytes that shall stand there; the checksum is right.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

BLOCK = 512
END = bytes(2 * BLOCK)
FILE, HARDLINK, SYMLINK, CHAR, BLOCK_DEVICE, DIRECTORY, FIFO = (b"%d" % n for n in range(7))
USTAR, GNU = b"ustar\x0000", b"ustar  \0"

Field = int | bytes


def entry(
    name: str | bytes = b"f",
    content: bytes = b"",
    *,
    kind: bytes = FILE,
    link: str | bytes = b"",
    mode: Field = 0o644,
    uid: Field = 0,
    gid: Field = 0,
    size: Field | None = None,
    mtime: Field = 1_000_000,
    major: Field = 0,
    minor: Field = 0,
    magic: bytes = USTAR,
    tail: bytes = b"",
) -> bytes:
    """One header and its padded content. ``size`` is what the header claims; ``tail`` the last
    167 bytes of the header (ustar's prefix, GNU's sparse map)."""
    numbers = (_number(mode, 8), _number(uid, 8), _number(gid, 8))
    claimed = _number(len(content) if size is None else size, 12)
    block = b"".join(
        [
            _bytes(name)[:100].ljust(100, b"\0"), *numbers, claimed, _number(mtime, 12), b" " * 8,
            kind, _bytes(link)[:100].ljust(100, b"\0"), magic, bytes(64), _number(major, 8),
            _number(minor, 8), tail.ljust(167, b"\0"),
        ]
    )  # fmt: skip
    assert len(block) == BLOCK
    return checked(block) + padded(content)


def checked(block: bytes) -> bytes:
    """The header with its checksum set right."""
    block = block[:148] + b" " * 8 + block[156:]
    return block[:148] + b"%06o\0 " % sum(block) + block[156:]


def pax(records: Mapping[str, bytes | str] | Iterable[tuple[str, bytes | str]]) -> bytes:
    """An extended header for the next entry."""
    return extension(b"x", b"".join(record(key, value) for key, value in _pairs(records)))


def pax_global(records: Mapping[str, bytes | str]) -> bytes:
    return extension(b"g", b"".join(record(key, value) for key, value in _pairs(records)))


def extension(kind: bytes, data: bytes) -> bytes:
    """x, g: pax; L, K: GNU's long name and long link."""
    return entry(b"././@PaxHeader", data, kind=kind)


def record(key: str, value: bytes | str) -> bytes:
    rest = b" %s=%s\n" % (key.encode("utf-8", "surrogateescape"), _bytes(value))
    length = len(rest) + 1
    while len(b"%d" % length) + len(rest) != length:
        length += 1
    return b"%d%s" % (length, rest)


def base256(value: int, width: int = 12) -> bytes:
    """GNU's binary number; negative ones have all bits above set."""
    return (value % (1 << (8 * width)) | 1 << (8 * width - 1)).to_bytes(width, "big")


def padded(content: bytes) -> bytes:
    return content + bytes(-len(content) % BLOCK)


def archive(*pieces: bytes) -> bytes:
    return b"".join(pieces) + END


# Short ways to what layers are made of; names of any length ───────────────────────────────────


def folder(name: str, *, mode: int = 0o755, gid: int = 0, uid: int = 0, mtime: int = 9) -> bytes:
    header = pax({"path": name}) if len(name) > 100 else b""
    return header + entry(name, kind=DIRECTORY, mode=mode, uid=uid, gid=gid, mtime=mtime)


def link(name: str, target: object) -> bytes:
    return pax({"linkpath": str(target)}) + entry(name, kind=SYMLINK, mode=0o777)


def hardlink(name: str, target: object) -> bytes:
    return pax({"linkpath": str(target)}) + entry(name, kind=HARDLINK)


def named(name: object, content: bytes = b"x") -> bytes:
    return pax({"path": str(name)}) + entry("short", content)


def _number(value: Field, width: int) -> bytes:
    if isinstance(value, bytes):
        return value.ljust(width, b"\0")
    return b"%0*o\0" % (width - 1, value)


def _bytes(text: str | bytes) -> bytes:
    return text if isinstance(text, bytes) else text.encode("utf-8", "surrogateescape")


def _pairs(
    records: Mapping[str, bytes | str] | Iterable[tuple[str, bytes | str]],
) -> Iterable[tuple[str, bytes | str]]:
    return records.items() if isinstance(records, Mapping) else records
