"""Events as a table or as v1 Events: ``events`` and ``get events``, once or again and again."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import msgspec

from podrun.api.kinds import POD, Kind
from podrun.api.meta import ObjectMeta
from podrun.cli.names import DEFAULT_NAMESPACE
from podrun.cli.output import Output, show
from podrun.cli.owned import WORKLOADS
from podrun.cli.pods import Reader
from podrun.cli.podtable import nothing_found
from podrun.cli.table import line, printable, table, widths_of
from podrun.cli.wake import wake_agent
from podrun.cli.width import columns
from podrun.errors import NotFound
from podrun.pod.events import Event
from podrun.pod.when import human_duration, rfc3339

Cells = tuple[str, ...]


class About(NamedTuple):
    """The object that events are about."""

    kind: Kind
    metadata: ObjectMeta


Told = tuple[About, Event]


class EventQuery(msgspec.Struct, frozen=True):
    """``name`` "": of all pods and workloads of the namespace."""

    name: str = ""
    namespace: str = ""
    everywhere: bool = False
    output: Output = Output()
    headers: bool = True
    sort: str = ""  # a JSONPath; "": by time
    kind: Kind = POD  # of the name


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
    told = sorted((*_of_pods(reader, query), *_of_workloads(reader, query)), key=_time)
    if not query.sort:
        return told
    from podrun.cli.sorting import sorted_by

    return sorted_by(query.sort, told, lambda each: as_object(*each))


def _time(told: Told) -> float:
    return told[1].last_at


def _of_pods(reader: Reader, query: EventQuery) -> Iterator[Told]:
    if query.name and query.kind != POD:
        return
    names = (query.name,) if query.name else ()
    pods = reader.select(names, namespace=query.namespace, everywhere=query.everywhere)
    for stored in pods:
        for event in stored.events():
            yield About(POD, stored.pod.metadata), event


def _of_workloads(reader: Reader, query: EventQuery) -> Iterator[Told]:
    if query.name and query.kind == POD:
        return
    from podrun.agent.objectevents import ObjectEvents
    from podrun.agent.objectstore import ObjectStore

    store, events = ObjectStore(reader.paths), ObjectEvents(reader.paths)
    scope = query.namespace or DEFAULT_NAMESPACE
    for kind in (query.kind,) if query.name else WORKLOADS:
        if query.name:
            things = [store.find(kind, scope, query.name)]
        else:
            things = store.list(kind, "" if query.everywhere else scope)
        for thing in things:
            for event in events.read(thing.metadata.uid):
                yield About(kind, thing.metadata), event


def _header(query: EventQuery) -> Cells:
    cells: Cells = ("LAST SEEN", "TYPE", "REASON", "OBJECT", "MESSAGE")
    return ("NAMESPACE", *cells) if query.everywhere else cells


def _row(query: EventQuery, about: About, event: Event, now: float) -> Cells:
    cells: Cells = (
        since_text(event, now),
        event.type,
        event.reason,
        f"{about.kind.singular}/{about.metadata.name}",
        printable(" ".join(event.message.split())),
    )
    return (about.metadata.namespace, *cells) if query.everywhere else cells


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


def _key(about: About, event: Event) -> tuple[str, str, str, str, int, float]:
    uid = about.metadata.uid
    return uid, event.reason, event.object, event.message, event.count, event.last_at


def as_object(about: About, event: Event) -> dict[str, Any]:
    """The v1 Event. Its name is the object's and the time in hexadecimal, as client-go makes it."""
    metadata = about.metadata
    involved = {
        "apiVersion": about.kind.api_version,
        "kind": about.kind.name,
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
