"""Who the application runs as: names are looked up in the container's own /etc, once inside it.

The files are the image's, so hostile: read with a limit, only when they are regular files, and a
line that makes no sense is passed over.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator

import msgspec

from podrun.container.spec import Process
from podrun.errors import MechanismFailed
from podrun.linux.openat import openat2

_MAX_BYTES = 1 << 20
_MAX_ID = 2**31 - 1
_MAX_DIGITS = 4300  # int() raises ValueError beyond


class User(msgspec.Struct, frozen=True):
    uid: int
    gid: int
    groups: tuple[int, ...]
    home: str


def resolve(process: Process, root: int | None = None) -> User:
    """``root`` is a descriptor of the container's root; None: it is the caller's own.

    Raises MechanismFailed for an unknown name.
    """
    passwd = list(_rows("/etc/passwd", 7, root))
    group_rows = list(_rows("/etc/group", 4, root))
    user_text, _, group_text = process.user.partition(":")
    if process.uid is not None:
        user_text, group_text = str(process.uid), ""
    row = _find(passwd, user_text or "0")
    uid = _id(row[2]) if row else _number(user_text or "0", "user")
    if process.gid is not None:
        gid = process.gid
    elif group_text:
        found = _find(group_rows, group_text)
        gid = _id(found[2]) if found else _number(group_text, "group")
    else:
        gid = _id(row[3]) if row else 0
    merged = process.merge_groups and row
    member_of = [_id(r[2]) for r in group_rows if merged and merged[0] in r[3].split(",")]
    # The primary one too: else a file that its group may not read could be read by giving it up
    # (CVE-2022-2989).
    groups = tuple(dict.fromkeys([gid, *member_of, *process.groups]))
    return User(uid, gid, groups, (row[5] if row else "") or "/")


def _rows(path: str, fields: int, root: int | None) -> Iterator[list[str]]:
    """The well-formed rows of a passwd(5)-like file; none when it is missing or no file."""
    flags = os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOCTTY
    try:
        fd = os.open(path, flags) if root is None else openat2(root, os.fsencode(path), flags)
    except OSError:
        return
    with open(fd, "rb") as file:
        if not stat.S_ISREG(os.fstat(fd).st_mode):
            return
        text = file.read(_MAX_BYTES).decode(errors="replace")
    for line in text.splitlines():
        row = line.split(":", fields)
        if len(row) == fields and row[2].isdecimal():
            yield row


def _find(rows: list[list[str]], wanted: str) -> list[str] | None:
    """By name first, then by number: as the usual runtimes do."""
    by_name = next((row for row in rows if row[0] == wanted), None)
    return by_name or next((row for row in rows if row[2] == wanted), None)


def _number(text: str, what: str) -> int:
    if not text.isdecimal():
        raise MechanismFailed(
            f"no {what} {text!r} in the image's /etc/{'passwd' if what == 'user' else 'group'}",
            hint="set securityContext.runAsUser to a number",
        )
    return _id(text)


def _id(text: str) -> int:
    number = int(text) if text.isdecimal() and len(text) <= _MAX_DIGITS else _MAX_ID + 1
    if number > _MAX_ID:
        raise MechanismFailed(f"the id {text[:20]!r} is no valid user or group id")
    return number
