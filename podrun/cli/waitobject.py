"""``podrun wait`` for objects that are no pods: conditions, fields, that they are gone."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import click
import msgspec

from podrun.api.kinds import Kind
from podrun.api.objects import AnyObject
from podrun.api.workload import Deployment, Job
from podrun.cli import jsonpath
from podrun.cli.names import DEFAULT_NAMESPACE, Named
from podrun.cli.objects import ObjectReader
from podrun.cli.wake import wake_agent
from podrun.errors import NotFound, PodrunError, UsageError, WaitTimeout

#: whether the condition holds; may raise PodrunError when it never will
Check = Callable[[AnyObject], bool]

_INTERVAL = 0.1
_ENDS = ("Complete", "Failed")


class Chosen(msgspec.Struct, frozen=True):
    """``every``: all of the namespace, where nothing is named."""

    named: Sequence[Named]
    namespace: str
    everywhere: bool
    selector: str
    every: bool


def wait_for_objects(chosen: Chosen, condition: str, deadline: float) -> None:
    """One object after the other: each line says that one is done. Raises WaitTimeout at the
    ``deadline`` (time.monotonic), NotFound, and UsageError for a condition that no object has."""
    check = None if condition == "delete" else _check(condition)
    reader = ObjectReader()
    found = [pair for each in chosen.named for pair in _select(reader, chosen, each, check is None)]
    if not found and check is not None:
        raise NotFound("no object matches")
    wake_agent(reader.config)
    for kind, thing in found:
        _wait_for(reader, kind, thing, check, condition, deadline)


def _select(
    reader: ObjectReader, chosen: Chosen, named: Named, going: bool
) -> Iterator[tuple[Kind, AnyObject]]:
    """``going``: those of the names that are there still."""
    if not (named.names or chosen.every or chosen.selector or chosen.everywhere):
        raise UsageError(f"name a {named.type}, or say --all")
    names = named.names
    if going and names:
        names = tuple(_existing(reader, named, chosen.namespace or DEFAULT_NAMESPACE))
        if not names:
            return
    for thing in reader.select(
        named.kind,
        names,
        namespace=chosen.namespace,
        everywhere=chosen.everywhere,
        selector=chosen.selector,
    ):
        yield named.kind, thing


def _existing(reader: ObjectReader, named: Named, namespace: str) -> Iterator[str]:
    """What is not there is as it was asked for: no error."""
    for name in dict.fromkeys(named.names):
        if reader.store.version(named.kind, namespace, name):
            yield name
        else:
            click.echo(f"{named.type}/{name} deleted")


def _wait_for(
    reader: ObjectReader,
    kind: Kind,
    first: AnyObject,
    check: Check | None,
    condition: str,
    deadline: float,
) -> None:
    label = f"{kind.singular}/{first.metadata.name}"
    while not _holds(reader, kind, first, check):
        if time.monotonic() >= deadline:
            raise WaitTimeout(f"timed out waiting for {condition} on {label}")
        time.sleep(_INTERVAL)
    click.echo(f"{label} {'deleted' if check is None else 'condition met'}")


def _holds(reader: ObjectReader, kind: Kind, first: AnyObject, check: Check | None) -> bool:
    """Another of the same name is not the one that is waited for."""
    meta = first.metadata
    now = reader.store.read(kind, meta.namespace, meta.name)
    gone = now is None or now.metadata.uid != meta.uid
    if check is None or now is None or gone:
        if check is not None:
            raise NotFound(f"{kind.singular}/{meta.name} was deleted meanwhile")
        return gone
    return check(now)


def _check(condition: str) -> Check:
    kind, _, rest = condition.partition("=")
    if kind == "condition" and rest:
        name, _, value = rest.partition("=")
        return _condition(name, value or "True")
    if kind == "jsonpath" and rest:
        path, value = jsonpath.expected(rest)
        return lambda thing: jsonpath.holds(path, value, msgspec.to_builtins(thing))
    raise UsageError(
        f"--for={condition}: only a pod can be waited for like this",
        hint="condition=Complete, condition=Available, jsonpath='{.status.succeeded}'=1 or delete",
    )


def _condition(name: str, value: str) -> Check:
    def check(thing: AnyObject) -> bool:
        if not isinstance(thing, Job | Deployment):
            raise UsageError(
                f"a {thing.kind} has no conditions", hint="wait for --for=jsonpath={.a.b}=VALUE"
            )
        found: Any = thing.status.conditions if thing.status and _is_observed(thing) else ()
        if any(c.type.lower() == name.lower() and c.status.lower() == value.lower() for c in found):
            return True
        _refuse_when_ended(thing, name, value)
        return False

    return check


def _is_observed(thing: Job | Deployment) -> bool:
    """Conditions of a Deployment before its last change say nothing of it as it is now."""
    return (
        isinstance(thing, Job)
        or thing.status is None
        or thing.status.observed_generation >= thing.metadata.generation
    )


def _refuse_when_ended(thing: Job | Deployment, name: str, value: str) -> None:
    """A Job that has failed stays so: whoever waits for its completion would wait for ever."""
    wanted = [end for end in _ENDS if end.lower() == name.lower() and value.lower() == "true"]
    if not (wanted and isinstance(thing, Job) and thing.status):
        return
    for each in thing.status.conditions:
        if each.type in _ENDS and each.status == "True":
            why = ": ".join(filter(None, (each.reason, each.message)))
            raise PodrunError(
                f"job/{thing.metadata.name} has ended ({each.type}): it will not be {wanted[0]}",
                hint=why,
            )
