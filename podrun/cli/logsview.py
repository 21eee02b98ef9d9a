"""Printing the logs of containers: which run, from where on, what stands before each line."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator, Sequence
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

    follow: bool = False
    tail: int | None = None
    since: float = 0.0
    timestamps: bool = False
    previous: bool = False
    prefix: bool = False


class Target(msgspec.Struct):
    """A container whose log is asked for."""

    stored: StoredPod
    name: str

    @property
    def title(self) -> str:
        return f'container "{self.name}" in pod "{self.stored.key[1]}"'


class Source:
    """One container's run being printed."""

    def __init__(self, target: Target, run: Run, request: Request) -> None:
        stored, name = target.stored, target.name
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


def print_logs(reader: Reader, targets: Sequence[Target], request: Request) -> None:
    """Raises NotFound or PodrunError when a run that is asked for does not exist."""
    try:
        if request.follow:
            wake_agent(reader.config)  # what is waited for may need it
            _follow(reader, targets, request)
        else:
            if request.previous and not any(
                _run(each, request, required=False) for each in targets
            ):
                _run(targets[0], request)  # says that there is none
            for target in targets:
                _print_once(reader, target, request, alone=len(targets) == 1)
            wake_agent(reader.config)
    except PermissionError as error:
        raise PodrunError(f"may not read {error.filename}", hint="run it with sudo") from None
    finally:
        sys.stdout.flush()


def _print_once(reader: Reader, target: Target, request: Request, *, alone: bool) -> None:
    run = _run(target, request, required=alone)
    if run is None:
        if request.previous:
            return  # the others may have one
        reason = _waiting_reason(reader, target)
        text = f"{target.title} is waiting to start: {reason}"
        if alone:
            raise PodrunError(text, hint="-f waits for it")
        click.echo(f"note: {text}", err=True)
        return
    source = Source(target, run, request)
    source.print()
    source.finish()


def _run(target: Target, request: Request, *, required: bool = True) -> Run | None:
    known = target.stored.facts.of(target.name)
    if not request.previous:
        return known.current
    if known.last is None and required:
        raise NotFound(f"{target.title} has no previous run")
    return known.last


def _follow(reader: Reader, targets: Sequence[Target], request: Request) -> None:
    """All containers at once, until each has ended or its pod is gone."""
    waiting = list(targets)
    sources: list[Source] = []
    pause = _POLL_FIRST
    while waiting or sources:
        begun = list(_begun(waiting, request))
        sources += begun
        printed = [source.print() for source in sources]
        sys.stdout.flush()
        for source in [source for source in sources if source.follower.ended]:
            source.finish()
            sources.remove(source)
        sys.stdout.flush()
        pause = _POLL_FIRST if any(printed) or begun else min(pause * 1.5, _POLL_MOST)
        waiting = [target for target in waiting if _may_begin(reader, target)]
        if waiting or sources:
            time.sleep(pause)


def _may_begin(reader: Reader, target: Target) -> bool:
    """Looks anew: whether the pod is still there and goes on."""
    found = reader.store.read(target.stored.pod.metadata.uid)
    target.stored = found or target.stored
    return found is not None and not _is_over(reader, found)


def _begun(waiting: list[Target], request: Request) -> Iterator[Source]:
    """The sources of those ``waiting`` that have a run now; they are taken off the list."""
    for target in list(waiting):
        run = _run(target, request)
        if run is not None:
            waiting.remove(target)
            yield Source(target, run, request)


def _is_over(reader: Reader, stored: StoredPod) -> bool:
    status = reader.present(stored).status
    return status is not None and status.phase in ("Succeeded", "Failed")


def _waiting_reason(reader: Reader, target: Target) -> str:
    status = reader.present(target.stored).status
    statuses = status.init_container_statuses + status.container_statuses if status else ()
    for each in statuses:
        if each.name == target.name and each.state.waiting is not None:
            return each.state.waiting.reason
    return "ContainerCreating"


def _nanoseconds(at: float) -> bytes:
    """``at`` as the logs write times, so that both compare as text."""
    if at <= 0:
        return b""
    moment = datetime.fromtimestamp(at, UTC)
    return f"{moment:%Y-%m-%dT%H:%M:%S.%f}000Z".encode()
