"""The events of objects that are no pods: a bounded list for each, gone with it.

state/objects/events/<uid>.jsonl
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import msgspec

from podrun.agent.eventfile import read_events
from podrun.node.paths import Paths
from podrun.node.records import write_record
from podrun.pod.events import Event, merge


class ObjectEvents:
    def __init__(self, paths: Paths) -> None:
        self._root = paths.objects / "events"

    def read(self, uid: str) -> list[Event]:
        """Oldest first."""
        return read_events(self._path(uid))

    # ── the agent's half ────────────────────────────────────────────────────────────────────────

    def record(self, uid: str, new: Sequence[Event], owner_gid: int) -> None:
        """OSError."""
        self._root.mkdir(parents=True, exist_ok=True, mode=0o755)
        data = msgspec.json.Encoder().encode_lines(merge(self.read(uid), new))
        write_record(self._path(uid), data, gid=owner_gid, durable=False)

    def remove(self, uid: str) -> None:
        """Idempotent. OSError."""
        self._path(uid).unlink(missing_ok=True)

    def _path(self, uid: str) -> Path:
        return self._root / f"{uid}.jsonl"
