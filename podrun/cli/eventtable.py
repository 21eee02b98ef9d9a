"""Events as a table or as v1 Events: ``events`` and ``get events``, once or again and again."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator, Sequence
from typing import Any

import msgspec

from podrun.agent.podstore import StoredPod
from podrun.cli.output import Output, show
from podrun.cli.pods import Reader
from podrun.cli.podtable import nothing_found
from podrun.cli.table import line, printable, table, widths_of
from podrun.cli.wake import wake_agent
from podrun.cli.width import columns
from podrun.errors import NotFound
from podrun.pod.events import Event
from podrun.pod.when import human_duration, rfc3339

Cells = tuple[str, ...]
Told = tuple[StoredPod, Event]


class EventQuery(msgspec.Struct, frozen=True):
    """``pod`` "": of all pods of the namespace."""

    pod: str = ""
    namespace: str = ""
    everywhere: bool = False
    output: Output = Output()
    headers: bool = True
    sort: str = ""  # a JSONPath; "": by time


def show_events(query: EventQuery, *, watch: bool = False) -> None:
    reader = Reader(addresses=False)
    told = _events(reader, query)
    if not query.output.is_table:
        show([as_object(*each) for each in told], query.output, single=False)
    elif told or watch:
        rows = [_row(query, *each, time.time()) for each in told]
        sys.stdout.write(table(_header(query), rows, headers=query.headers, width=columns()))
        sys.stdout.flush()
    else:
        nothing_found(query.namespace, query.everywhere)
    wake_agent(reader.config)
    if watch:
        _watch(reader, query, told)


def _events(reader: Reader, query: EventQuery) -> list[Told]:
    names = (query.pod,) if query.pod else ()
    pods = reader.select(names, namespace=query.namespace, everywhere=query.everywhere)
    told = sorted(_all(pods), key=lambda each: each[1].last_at)
    if not query.sort:
        return told
    from podrun.cli.sorting import sorted_by

    return sorted_by(query.sort, told, lambda each: as_object(*each))


def _all(pods: Sequence[StoredPod]) -> Iterator[Told]:
    for stored in pods:
        for event in stored.events():
            yield stored, event


def _header(query: EventQuery) -> Cells:
    cells: Cells = ("LAST SEEN", "TYPE", "REASON", "OBJECT", "MESSAGE")
    return ("NAMESPACE", *cells) if query.everywhere else cells


def _row(query: EventQuery, stored: StoredPod, event: Event, now: float) -> Cells:
    cells: Cells = (
        since_text(event, now),
        event.type,
        event.reason,
        f"pod/{stored.key[1]}",
        printable(" ".join(event.message.split())),
    )
    return (stored.key[0], *cells) if query.everywhere else cells


def event_lines(events: Sequence[Event], width: int | None) -> list[str]:
    """As ``describe`` shows them of one object; nothing when there are none."""
    now = time.time()
    rows = [(e.type, e.reason, since_text(e, now), " ".join(e.message.split())) for e in events]
    header = ("Type", "Reason", "Age", "Message")
    return table(header, rows, width=width).splitlines() if rows else []


def since_text(event: Event, now: float) -> str:
    """``5s``, or ``5s (x3 over 2m)`` when it was seen more than once."""
    last = human_duration(now - event.last_at)
    if event.count < 2:
        return last
    return f"{last} (x{event.count} over {human_duration(now - event.first_at)})"


def _watch(reader: Reader, query: EventQuery, told: Sequence[Told]) -> None:
    """Until interrupted: a line for each event that came or came again."""
    from podrun.cli.watch import changes

    seen = {_key(*each) for each in told}
    rows = [_row(query, *each, time.time()) for each in told]
    widths = widths_of([_header(query), *rows])
    for _ in changes(reader.paths):
        for each in _present(reader, query):
            if _key(*each) in seen:
                continue
            seen.add(_key(*each))
            if query.output.is_table:
                sys.stdout.write(line(_row(query, *each, time.time()), widths, columns()))
            else:
                show([as_object(*each)], query.output, single=True)
        sys.stdout.flush()


def _present(reader: Reader, query: EventQuery) -> list[Told]:
    try:
        return _events(reader, query)
    except NotFound:
        return []


def _key(stored: StoredPod, event: Event) -> tuple[str, str, str, str, int, float]:
    uid = stored.pod.metadata.uid
    return uid, event.reason, event.object, event.message, event.count, event.last_at


def as_object(stored: StoredPod, event: Event) -> dict[str, Any]:
    """The v1 Event. Its name is the pod's and the time in hexadecimal, as client-go makes it."""
    metadata = stored.pod.metadata
    involved = {
        "apiVersion": "v1",
        "kind": "Pod",
        "name": metadata.name,
        "namespace": metadata.namespace,
        "uid": metadata.uid,
    }
    if event.object:
        involved["fieldPath"] = event.object
    return {
        "apiVersion": "v1",
        "kind": "Event",
        "metadata": {
            "name": f"{metadata.name}.{int(event.first_at * 1e9):x}",
            "namespace": metadata.namespace,
            "creationTimestamp": rfc3339(event.first_at),
        },
        "involvedObject": involved,
        "type": event.type,
        "reason": event.reason,
        "message": event.message,
        "count": event.count,
        "firstTimestamp": rfc3339(event.first_at),
        "lastTimestamp": rfc3339(event.last_at),
        "source": {"component": "podrun"},
    }
