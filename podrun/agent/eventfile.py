"""Events on disk: one JSON object a line, oldest first."""

from __future__ import annotations

import contextlib
from pathlib import Path

import msgspec

from podrun.pod.events import Event


def read_events(path: Path) -> list[Event]:
    """None for who may not read them. What was torn when the machine stopped (events are not
    written durably) is left out: whoever has the events goes on without."""
    try:
        lines = path.read_bytes().splitlines()
    except (FileNotFoundError, PermissionError):
        return []
    decoder = msgspec.json.Decoder(Event)
    found = []
    for line in lines:
        with contextlib.suppress(msgspec.MsgspecError, UnicodeDecodeError):
            found.append(decoder.decode(line))
    return found
