"""Noticing that something changed on disk: by looking at the times of the records.

A look costs two stat(2) calls a pod, so looking often costs next to nothing, and it works for
everybody who may read: no daemon has to be asked, none has to run.
"""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Iterator, Sequence

from podrun.node.paths import Paths

Snapshot = dict[str, int]

#: Some things change with time alone: a back-off ends. So look at the whole from time to time.
AT_LEAST_EVERY = 2.0


def snapshot(paths: Paths, uids: Sequence[str] = ()) -> Snapshot:
    """File → time of its last change, of the records of those pods (none named: of all)."""
    found: Snapshot = {}
    with contextlib.suppress(OSError):
        for uid in uids or os.listdir(paths.pods):
            for name in ("pod.json", "facts.json", "events.jsonl"):
                path = os.path.join(paths.pods, uid, name)
                with contextlib.suppress(OSError):
                    found[path] = os.stat(path).st_mtime_ns
    return found


def changes(
    paths: Paths,
    uids: Sequence[str] = (),
    *,
    interval: float = 0.2,
    deadline: float | None = None,
) -> Iterator[None]:
    """Yields at once, when a record changed, and now and then anyway.

    Until ``deadline`` (time.monotonic). What changes while the caller looks is not missed: the
    times were taken before.
    """
    known, told = snapshot(paths, uids), time.monotonic()
    yield
    while deadline is None or time.monotonic() < deadline:
        time.sleep(interval)
        seen, now = snapshot(paths, uids), time.monotonic()
        if seen != known or now - told >= AT_LEAST_EVERY:
            known, told = seen, now
            yield
