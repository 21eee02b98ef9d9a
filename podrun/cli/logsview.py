"""Printing the logs of containers: which run, from where on, what stands before each line."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime

import click
import msgspec

from podrun.agent.podstore import StoredPod
from podrun.cli.crilog import Joiner, Line, parse
from podrun.cli.follow import Follower
from podrun.cli.pods import Reader
from podrun.cli.wake import wake_agent
from podrun.errors import NotFound, PodrunError
from podrun.pod.facts import Run

_POLL_FIRST, _POLL_MOST = 0.02, 0.2


class Request(msgspec.Struct, frozen=True):
    """``tail`` None: all lines. ``since`` in seconds since the epoch."""

    containers: tuple[str, ...]
    follow: bool = False
    tail: int | None = None
    since: float = 0.0
    timestamps: bool = False
    previous: bool = False
    prefix: bool = False


class Source:
    """One container's run being printed."""

    def __init__(self, stored: StoredPod, name: str, run: Run, request: Request) -> None:
        directory = stored.paths.attempt(name, run.attempt)
        self.follower = Follower(stored.paths.log(name, run.attempt), directory / "exit.json")
        self._joiner = Joiner()
        self._timestamps = request.timestamps
        self._prefix = f"[pod/{stored.key[1]}/{name}] ".encode() if request.prefix else b""
        self._since = _nanoseconds(request.since)
        self._fresh = True  # the next piece begins a line
        self.follower.start(request.tail)

    def print(self) -> bool:
        """Print what is there now; whether there was anything."""
        printed = False
        for raw in self.follower.poll():
            entry = parse(raw)
            if entry is None:
                continue
            for line in self._joiner.feed(entry):
                self._write(line)
                printed = True
        return printed

    def finish(self) -> None:
        for line in self._joiner.rest():
            self._write(line)
        self.follower.close()

    def _write(self, line: Line) -> None:
        if line.time < self._since:
            return
        stamp = line.time + b" " if self._timestamps else b""
        start = self._prefix + stamp if self._fresh else b""
        end = b"\n" if line.ended else b""
        sys.stdout.buffer.write(start + line.content + end)
        self._fresh = line.ended


def print_logs(reader: Reader, stored: StoredPod, request: Request) -> None:
    """Raises NotFound or PodrunError when a run that is asked for does not exist."""
    try:
        if request.follow:
            wake_agent(reader.config)  # what is waited for may need it
            _follow(reader, stored, request)
        else:
            for name in request.containers:
                _print_once(reader, stored, name, request)
            wake_agent(reader.config)
    except PermissionError as error:
        raise PodrunError(f"may not read {error.filename}", hint="run it with sudo") from None
    finally:
        sys.stdout.flush()


def _print_once(reader: Reader, stored: StoredPod, name: str, request: Request) -> None:
    run = _run(stored, name, request)
    if run is None:
        reason = _waiting_reason(reader, stored, name)
        text = f'container "{name}" in pod "{stored.key[1]}" is waiting to start: {reason}'
        if len(request.containers) == 1:
            raise PodrunError(text, hint="-f waits for it")
        click.echo(f"note: {text}", err=True)
        return
    source = Source(stored, name, run, request)
    source.print()
    source.finish()


def _run(stored: StoredPod, name: str, request: Request) -> Run | None:
    known = stored.facts.of(name)
    if not request.previous:
        return known.current
    if known.last is None:
        raise NotFound(f'container "{name}" of pod "{stored.key[1]}" has no previous run')
    return known.last


def _follow(reader: Reader, stored: StoredPod, request: Request) -> None:
    """All containers at once, until each has ended or the pod is gone."""
    waiting = list(request.containers)
    sources: list[Source] = []
    pause = _POLL_FIRST
    while waiting or sources:
        begun = list(_begun(stored, waiting, request))
        sources += begun
        printed = [source.print() for source in sources]
        sys.stdout.flush()
        for source in [source for source in sources if source.follower.ended]:
            source.finish()
            sources.remove(source)
        sys.stdout.flush()
        pause = _POLL_FIRST if any(printed) or begun else min(pause * 1.5, _POLL_MOST)
        if waiting:
            found = reader.store.read(stored.pod.metadata.uid)
            if found is None or _is_over(reader, found):
                waiting.clear()
            stored = found or stored
        if waiting or sources:
            time.sleep(pause)


def _begun(stored: StoredPod, waiting: list[str], request: Request) -> Iterator[Source]:
    """The sources of those ``waiting`` that have a run now; they are taken off the list."""
    for name in list(waiting):
        run = _run(stored, name, request)
        if run is not None:
            waiting.remove(name)
            yield Source(stored, name, run, request)


def _is_over(reader: Reader, stored: StoredPod) -> bool:
    status = reader.present(stored).status
    return status is not None and status.phase in ("Succeeded", "Failed")


def _waiting_reason(reader: Reader, stored: StoredPod, name: str) -> str:
    status = reader.present(stored).status
    statuses = status.init_container_statuses + status.container_statuses if status else ()
    for each in statuses:
        if each.name == name and each.state.waiting is not None:
            return each.state.waiting.reason
    return "ContainerCreating"


def _nanoseconds(at: float) -> bytes:
    """``at`` as the logs write times, so that both compare as text."""
    if at <= 0:
        return b""
    moment = datetime.fromtimestamp(at, UTC)
    return f"{moment:%Y-%m-%dT%H:%M:%S.%f}000Z".encode()
