"""Events on disk, also those that a crash of the machine tore."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from podrun.agent.eventfile import read_events
from podrun.pod.events import NORMAL, Event

_TWO = [Event(NORMAL, "Pulled", "first", "", 1.0, 1.0), Event(NORMAL, "Started", "x", "", 2.0, 2.0)]
_DATA = msgspec.json.Encoder().encode_lines(_TWO)


@pytest.mark.parametrize(
    ("data", "left"),
    [
        (_DATA, _TWO),
        (b"", []),
        (_DATA[:-9], _TWO[:1]),
        (_DATA + b"\0" * 512, _TWO),
        (b"\xff\xfe\n" + _DATA, _TWO),
        (b"{}\n" + _DATA, _TWO),
    ],
)
def test_what_is_whole_is_read(tmp_path: Path, data: bytes, left: list[Event]) -> None:
    path = tmp_path / "events.jsonl"
    path.write_bytes(data)
    assert read_events(path) == left


def test_no_file_is_no_events(tmp_path: Path) -> None:
    assert read_events(tmp_path / "events.jsonl") == []
