"""``podrun top``: CPU and memory of pods and containers, from their cgroups."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import click

from podrun.agent.podstore import StoredPod
from podrun.cli.command import (
    Duration,
    all_namespaces_option,
    namespace_option,
    selector_option,
    verb,
)
from podrun.cli.complete import complete_pod
from podrun.cli.names import POD, parse_named
from podrun.cli.pods import Reader
from podrun.cli.table import table
from podrun.cli.wake import wake_agent
from podrun.errors import NotFound, PodrunError, UsageError
from podrun.pod.runs import is_running

_SAMPLE = 0.5  # seconds between the two looks that one figure takes
_REFRESH = 2.0
_UNKNOWN = "<unknown>"
_HOME, _CLEAR_LINE, _CLEAR_BELOW = "\x1b[H", "\x1b[K", "\x1b[J"


class Scope(NamedTuple):
    names: tuple[str, ...]
    namespace: str
    everywhere: bool
    selector: str


class Form(NamedTuple):
    """How it is shown. ``sort`` is "", cpu or memory."""

    containers: bool
    everywhere: bool
    sort: str
    headers: bool


class Subject(NamedTuple):
    """What has a line: a pod, or (``container`` not "") one of its containers."""

    namespace: str
    pod: str
    container: str
    cgroup: str


class Reading(NamedTuple):
    """``cpu`` in millicores, ``memory`` in bytes; None where nobody counts."""

    subject: Subject
    cpu: int | None
    memory: int | None


@verb("top", "podrun top", "podrun top web --containers", "podrun top -A --sort-by=memory -w")
@click.argument("named", nargs=-1, metavar="[POD]...", shell_complete=complete_pod)
@namespace_option
@all_namespaces_option
@selector_option
@click.option("--containers", is_flag=True, help="One line for each container.")
@click.option(
    "--sort-by", "sort", type=click.Choice(["cpu", "memory"]), help="The greediest first."
)
@click.option("-w", "--watch", is_flag=True, help="Go on: show new figures every two seconds.")
@click.option(
    "--interval", type=Duration(), metavar="TIME", help="Measure CPU over this [500ms; -w: 2s]."
)
@click.option("--no-headers", is_flag=True, help="Leave out the line of headings.")
def command(
    named: tuple[str, ...],
    namespace: str,
    everywhere: bool,
    selector: str,
    containers: bool,
    sort: str | None,
    watch: bool,
    interval: float | None,
    no_headers: bool,
) -> None:
    """Show what pods use of CPU and memory.

    CPU is in thousandths of a core over a moment of measuring. Memory is the working set: what is
    used, without the file cache that can be given back at once. A pod's figures are those of its
    cgroup: its containers and what its volumes hold in memory.
    """
    wanted = parse_named(named)
    if wanted.type != POD:
        raise UsageError("only pods have figures")
    if interval is not None and interval <= 0:
        raise UsageError("--interval must be longer than nothing", hint="for example 500ms or 2s")
    scope = Scope(wanted.names, namespace, everywhere, selector)
    form = Form(containers, everywhere, sort or "", not no_headers)
    reader = Reader(addresses=False)
    wake_agent(reader.config)
    if watch:
        _watch(reader, scope, form, interval or _REFRESH)
    else:
        _once(reader, scope, form, interval or _SAMPLE)


def _once(reader: Reader, scope: Scope, form: Form, interval: float) -> None:
    found = subjects(reader, scope, form)
    if not found:
        if scope.names:
            raise PodrunError(
                f"nothing runs in {', '.join(scope.names)}", hint="see `podrun ps` and `describe`"
            )
        from podrun.cli.podtable import nothing_found

        nothing_found(scope.namespace, scope.everywhere)
        return
    before = _Sample(found)
    time.sleep(interval)
    sys.stdout.write(_table(before.readings(_Sample(found)), form))


def _watch(reader: Reader, scope: Scope, form: Form, interval: float) -> None:
    """Until interrupted: in place on a terminal, else one table after the other."""
    terminal = sys.stdout.isatty() and os.environ.get("TERM", "dumb") != "dumb"
    before = _Sample(subjects(reader, scope, form))  # names that do not exist fail here
    pause = min(_SAMPLE, interval)
    while True:
        time.sleep(pause)
        pause = interval
        after = _Sample(_now(reader, scope, form))
        text = _table(before.readings(after), form)
        sys.stdout.write(_in_place(text) if terminal else text)
        sys.stdout.flush()
        before = after


def _now(reader: Reader, scope: Scope, form: Form) -> list[Subject]:
    try:
        return subjects(reader, scope, form)
    except NotFound:
        return []  # it has gone since; it may come back


def subjects(reader: Reader, scope: Scope, form: Form) -> list[Subject]:
    """What of ``scope`` runs. Raises NotFound for a name that no pod has."""
    pods = reader.select(
        scope.names,
        namespace=scope.namespace,
        everywhere=scope.everywhere,
        selector=scope.selector,
    )
    return [subject for stored in pods for subject in _of(reader, stored, form)]


def _of(reader: Reader, stored: StoredPod, form: Form) -> Iterator[Subject]:
    from podrun.agent.translate import container_cgroup, pod_cgroup

    running = [
        (container.name, run.attempt)
        for container in stored.pod.spec.all_containers
        if (run := stored.facts.of(container.name).current) is not None and is_running(run)
    ]
    if not form.containers:
        if running:
            yield Subject(*stored.key, "", pod_cgroup(reader.config, stored.pod))
        return
    for name, attempt in running:
        cgroup = container_cgroup(reader.config, stored.pod, name, attempt)
        yield Subject(*stored.key, name, cgroup)


class _Sample:
    """The counters of one moment."""

    def __init__(self, subjects: Sequence[Subject]) -> None:
        from podrun.cgroup.group import Group
        from podrun.cgroup.usage import usage

        self._found = {each: (usage(Group(each.cgroup)), time.monotonic_ns()) for each in subjects}

    def readings(self, after: _Sample) -> Iterator[Reading]:
        """What was used between this sample and that one; of what was new there, all of it."""
        for subject, (now, at) in after._found.items():
            if now is None:
                continue  # it has just ended
            then, began = self._found.get(subject, (None, 0))
            if then is None:  # made since: for how long is not known, the sample's time at most
                began = max((began for _, began in self._found.values()), default=at)
            used = None if now.cpu_ns is None else now.cpu_ns - (then.cpu_ns or 0 if then else 0)
            yield Reading(subject, millicores(used, at - began), now.memory)


def millicores(used_ns: int | None, elapsed_ns: int) -> int | None:
    """Thousandths of a core, rounded up as Kubernetes' quantities are."""
    if used_ns is None or elapsed_ns <= 0:
        return None
    return -(-max(used_ns, 0) * 1000 // elapsed_ns)


def _table(readings: Iterator[Reading], form: Form) -> str:
    found = list(readings)
    if form.sort == "cpu":
        found.sort(key=lambda reading: reading.cpu or 0, reverse=True)
    elif form.sort == "memory":
        found.sort(key=lambda reading: reading.memory or 0, reverse=True)
    return table(_header(form), (_cells(reading, form) for reading in found), headers=form.headers)


def _header(form: Form) -> tuple[str, ...]:
    names = ("POD", "NAME") if form.containers else ("NAME",)
    cells = (*names, "CPU(cores)", "MEMORY(bytes)")
    return ("NAMESPACE", *cells) if form.everywhere else cells


def _cells(reading: Reading, form: Form) -> tuple[str, ...]:
    subject = reading.subject
    names = (subject.pod, subject.container) if form.containers else (subject.pod,)
    cpu = _UNKNOWN if reading.cpu is None else f"{reading.cpu}m"
    memory = _UNKNOWN if reading.memory is None else f"{reading.memory >> 20}Mi"
    cells = (*names, cpu, memory)
    return (subject.namespace, *cells) if form.everywhere else cells


def _in_place(text: str) -> str:
    """``text`` from the top left on, cut to the terminal, and nothing of what was there before."""
    columns, rows = os.get_terminal_size(1)
    lines = [line[:columns] + _CLEAR_LINE for line in text.splitlines()[: max(rows - 1, 1)]]
    return _HOME + "\n".join(lines) + "\n" + _CLEAR_BELOW
