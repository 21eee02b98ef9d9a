"""``podrun wait``: until pods are ready, have ended or are gone; looks at the records alone.
Other objects: ``waitobject``."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

import click
import msgspec

from podrun.agent.podstore import StoredPod
from podrun.api.pod import PodStatus
from podrun.cli import jsonpath
from podrun.cli.command import (
    Duration,
    all_namespaces_option,
    namespace_option,
    selector_option,
    verb,
)
from podrun.cli.complete import complete_object
from podrun.cli.names import DEFAULT_NAMESPACE, EVENT, POD, Named, parse_named, parse_objects
from podrun.cli.pods import Reader
from podrun.cli.wake import wake_agent
from podrun.cli.watch import changes
from podrun.errors import NotFound, PodrunError, UsageError, WaitTimeout
from podrun.pod.facts import Facts

#: whether the condition holds; may raise PodrunError when it never will
Check = Callable[[Reader, StoredPod], bool]

PHASES = ("Pending", "Running", "Succeeded", "Failed")

_INTERVAL = 0.05
_FOREVER = 366 * 86400.0


@verb(
    "wait",
    "podrun wait web --for=condition=Ready",
    "podrun wait web --for=phase=Succeeded",
    "podrun wait web --for=delete --timeout 1m",
    "podrun wait job --for=exit; echo $?",
    "podrun wait job/count --for=condition=Complete",
)
@click.argument("named", nargs=-1, metavar="[TYPE] [NAME]...", shell_complete=complete_object)
@namespace_option
@all_namespaces_option
@selector_option
@click.option("--all", "every", is_flag=True, help="All of the namespace.")
@click.option(
    "--for",
    "condition",
    required=True,
    metavar="WHAT",
    help="condition=NAME[=VALUE], phase=NAME, jsonpath={…}=VALUE, delete or exit.",
)
@click.option(
    "--timeout", type=Duration(), default=30.0, metavar="TIME", help="Give up after this [30s]."
)
def command(
    named: tuple[str, ...],
    namespace: str,
    everywhere: bool,
    selector: str,
    every: bool,
    condition: str,
    timeout: float,
) -> int:
    """Wait until pods are ready, done or gone.

    Of other objects (TYPE/NAME): until a condition or a field is so, or they are gone.

    With --for=exit the exit code is the pod's own: that of its first container that failed. 124:
    the time was over first.
    """
    deadline = time.monotonic() + (timeout if timeout >= 0 else _FOREVER)
    others = parse_others(named, lists=bool(every or selector or everywhere))
    if others:
        from podrun.cli.waitobject import Chosen, wait_for_objects

        wait_for_objects(
            Chosen(others, namespace, everywhere, selector, every), condition, deadline
        )
        return 0
    wanted = parse_named(named)
    if not (wanted.names or every or selector or everywhere):
        raise UsageError("name a pod, or say --all")
    reader = Reader(addresses=False)
    if condition == "delete" and wanted.names:
        pods = _existing(reader, namespace, wanted.names)
        there = {stored.key[1] for stored in pods}
        for name in dict.fromkeys(wanted.names):
            if name not in there:  # as it was asked for: no error
                click.echo(f"pod/{name} deleted")
    else:
        pods = reader.select(
            wanted.names, namespace=namespace, everywhere=everywhere, selector=selector
        )
    if not pods and condition != "delete":
        raise NotFound("no pod matches")
    if condition != "delete":
        pods = [_newest(reader, stored) for stored in pods]
    _wait(reader, pods, condition, deadline)
    return _pod_code(reader, pods) if condition == "exit" else 0


def parse_others(args: Sequence[str], *, lists: bool) -> tuple[Named, ...]:
    """The objects that are meant, if no pods are; a lone word is a pod's name unless the whole of
    a type is meant (``lists``)."""
    if not args or (len(args) == 1 and "/" not in args[0] and not lists):
        return ()
    found = parse_objects(args)
    return () if any(each.type in (POD, EVENT) for each in found) else found


def _newest(reader: Reader, stored: StoredPod) -> StoredPod:
    """The pod that bears the name in the end: the one that waits for ``stored`` to be gone."""
    named = [each for each in reader.store.list() if each.key == stored.key]
    return max(named, key=lambda each: each.facts.accepted_at, default=stored)


def _existing(reader: Reader, namespace: str, names: Sequence[str]) -> list[StoredPod]:
    keys = {(namespace or DEFAULT_NAMESPACE, name) for name in names}
    return [stored for stored in reader.store.list() if stored.key in keys]


def _wait(reader: Reader, pods: Sequence[StoredPod], condition: str, deadline: float) -> None:
    """One pod after the other: each line says that one is done."""
    check = None if condition == "delete" else _check(condition)
    wake_agent(reader.config)
    for stored in pods:
        _wait_for(reader, stored, check, condition, deadline)
        if condition != "exit":
            click.echo(f"pod/{stored.key[1]} {'deleted' if check is None else 'condition met'}")


def _wait_for(
    reader: Reader, stored: StoredPod, check: Check | None, condition: str, deadline: float
) -> None:
    uids = (stored.pod.metadata.uid,)
    for _ in changes(reader.paths, uids, interval=_INTERVAL, deadline=deadline):
        if _holds(reader, stored, check):
            return
    raise WaitTimeout(f"timed out waiting for {condition} on pod/{stored.key[1]}")


def _holds(reader: Reader, stored: StoredPod, check: Check | None) -> bool:
    now = reader.store.read(stored.pod.metadata.uid)
    if check is None:
        return now is None
    if now is None:
        raise NotFound(f"pod/{stored.key[1]} was deleted meanwhile")
    stored.facts = now.facts
    return check(reader, now)


def _check(condition: str) -> Check:
    kind, _, rest = condition.partition("=")
    if condition == "exit":
        return lambda reader, stored: _phase(reader, stored) in ("Succeeded", "Failed")
    if kind == "phase" and rest:
        return _phase_is(rest)
    if kind == "condition" and rest:
        name, _, value = rest.partition("=")
        return _condition(name, value or "True")
    if kind == "jsonpath" and rest:
        return _jsonpath(rest)
    raise UsageError(
        f"--for={condition}: not understood",
        hint="condition=Ready, phase=Succeeded, jsonpath='{.status.podIP}', delete or exit",
    )


def _phase(reader: Reader, stored: StoredPod) -> str:
    status = reader.present(stored).status
    return status.phase if status is not None else ""


def _phase_is(wanted: str) -> Check:
    known = {each.lower(): each for each in PHASES}
    if wanted.lower() not in known:
        raise UsageError(f"--for=phase={wanted}: no phase", hint=f"they are {', '.join(PHASES)}")
    phase = known[wanted.lower()]

    def check(reader: Reader, stored: StoredPod) -> bool:
        status = reader.present(stored).status
        if status is None or status.phase != phase:
            _refuse_when_ended(stored, status, phase)
            return False
        return True

    return check


def _condition(name: str, value: str) -> Check:
    def check(reader: Reader, stored: StoredPod) -> bool:
        status = reader.present(stored).status
        for each in status.conditions if status is not None else ():
            if each.type.lower() == name.lower() and each.status.lower() == value.lower():
                return True
        if name.lower() in ("ready", "containersready") and value.lower() == "true":
            _refuse_when_ended(stored, status, "ready")
        return False

    return check


def _refuse_when_ended(stored: StoredPod, status: PodStatus | None, wanted: str) -> None:
    """What has ended stays so: whoever waits for something else would wait for ever."""
    if status is None or status.phase not in ("Succeeded", "Failed"):
        return
    why = _why_ended(status)
    raise PodrunError(
        f"pod/{stored.key[1]} has ended ({status.phase}): {why}it will not be {wanted}",
        hint="delete it and apply it again",
    )


def _why_ended(status: PodStatus) -> str:
    """The verdict, or the first container that failed, and a semicolon; "" when all went well."""
    if status.reason:
        return f"{status.reason}; "
    for each in status.init_container_statuses + status.container_statuses:
        ended = each.state.terminated
        if ended is not None and ended.exit_code and status.phase == "Failed":
            return f"{each.name} exited with {ended.exit_code}, {ended.reason}; "
    return ""


def _jsonpath(text: str) -> Check:
    """``{.a.b}=VALUE``, or ``{.a.b}``: it exists."""
    path, value = jsonpath.expected(text)
    if path.lstrip("$.") == "status.phase" and value in PHASES:
        return _phase_is(value)

    def check(reader: Reader, stored: StoredPod) -> bool:
        return jsonpath.holds(path, value, msgspec.to_builtins(reader.present(stored)))

    return check


def _pod_code(reader: Reader, pods: Sequence[StoredPod]) -> int:
    """Of the first container of the first pod that failed; 0 when none did."""
    for stored in pods:
        code = exit_code([c.name for c in stored.pod.spec.containers], stored.facts)
        inits = [c.name for c in stored.pod.spec.init_containers if not c.restart_policy]
        code = code or exit_code(inits, stored.facts)
        if code:
            return code
        if _phase(reader, stored) == "Failed":
            return 1  # ended by policy before any container failed
    return 0


def exit_code(names: Sequence[str], facts: Facts) -> int:
    """The first code of those containers that is not 0."""
    runs = [facts.of(name).current for name in names]
    return next((run.exit.code for run in runs if run and run.exit and run.exit.code), 0)
