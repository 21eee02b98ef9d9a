"""A line for each layer that is pulled or pushed: a bar and a speed on a terminal.

    c1ec31eb5944  downloading  [=======>        ]  12.3/45.6 MB   27 %  8.1 MB/s

On a narrow terminal the bar goes first, then the amount, then the speed. Anywhere but on a terminal
each layer is told of once, when it is there.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import msgspec

from podrun.cli.imagestore import size
from podrun.cli.live import Live, columns

if TYPE_CHECKING:
    from podrun.image.progress import LayerProgress, State

_REDRAW = 0.1  # seconds between two states of the lines
_BAR_MIN, _BAR_MAX = 8, 30
_ENDED = ("done", "exists")


class _Seen(msgspec.Struct):
    """Since when, and from how many bytes on, a layer is in its state."""

    state: State
    since: float
    before: int


class LayerBars:
    """Is told of every step (``PullProgress``)."""

    def __init__(self, live: Live) -> None:
        self._live = live
        self._seen: dict[str, _Seen] = {}
        self._drawn = 0.0

    def __call__(self, progress: LayerProgress) -> None:
        now = time.monotonic()
        seen = self._seen.get(progress.digest)
        changed = seen is None or seen.state != progress.state
        if seen is None or changed:
            seen = self._seen[progress.digest] = _Seen(progress.state, now, progress.done)
        short = progress.digest[7:19]
        if changed and progress.state in _ENDED:
            self._live.note(f"layer {short}: {progress.state}, {size(progress.total)}")
        speed = (progress.done - seen.before) / max(now - seen.since, 0.001)
        draw = changed or now - self._drawn >= _REDRAW
        line = bar(progress, speed, columns() - 1)
        self._live.line(short, line, draw=draw, settled=progress.state in _ENDED)
        self._drawn = now if draw else self._drawn


def bar(progress: LayerProgress, speed: float, width: int) -> str:
    """The line of a layer, of ``width`` columns at the most; ``speed`` in bytes a second."""
    head = f"{progress.digest[7:19]}  {progress.state}"
    if progress.state == "waiting":
        return head[:width]
    if progress.state in _ENDED:
        return f"{head}  {size(progress.total)}"[:width]
    percent = 100 * progress.done // progress.total if progress.total else 100
    total = f"{progress.total / 1e6:.1f}"
    parts = [f"{progress.done / 1e6:{len(total)}.1f}/{total} MB", f"{percent:3} %"]
    parts.append(f"{size(int(speed))}/s".rjust(9) if speed else " " * 9)
    head = f"{progress.digest[7:19]}  {progress.state:11}"
    left = width - len("  ".join([head, *parts])) - 4
    if left >= _BAR_MIN:
        parts.insert(0, _drawn(percent, min(left, _BAR_MAX + 2) - 2))
    for needless in (0, 1, 0):
        if len("  ".join([head, *parts])) > width and len(parts) > 1:
            del parts[needless]
    return "  ".join([head, *parts])[:width].rstrip()


def _drawn(percent: int, width: int) -> str:
    full = width * min(percent, 100) // 100
    point = ">" if 0 < full < width else ""
    return f"[{'=' * (full - len(point))}{point}{' ' * (width - full)}]"
