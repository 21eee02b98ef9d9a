"""``podrun delete``: stop pods gracefully and remove all that was theirs; remove other objects."""

from __future__ import annotations

import signal
import sys
from collections.abc import Sequence
from typing import Any, NamedTuple

import click

from podrun.agent.podstore import StoredPod
from podrun.api import kinds
from podrun.api.kinds import KINDS, Kind
from podrun.cli.command import (
    Duration,
    all_namespaces_option,
    files_option,
    namespace_option,
    selector_option,
    verb,
)
from podrun.cli.complete import complete_object
from podrun.cli.live import Live
from podrun.cli.names import DEFAULT_NAMESPACE, EVENT, POD, Named, parse_objects
from podrun.cli.pods import Reader
from podrun.cli.root import require_root
from podrun.errors import UsageError
from podrun.node import config
from podrun.pod.termination import grace

ObjectKey = tuple[Kind, str, str]  # kind, namespace, name

_SILENCE = 2.0  # seconds without a word; most pods are gone by then


class Chosen(NamedTuple):
    """What is to go; ``objects`` are no pods."""

    pods: list[StoredPod]
    objects: list[ObjectKey]


class Scope(NamedTuple):
    """Which objects of a type are meant by whoever names none."""

    namespace: str
    everywhere: bool
    selector: str
    every: bool
    reclaim: bool = False


@verb(
    "delete",
    "sudo podrun delete web",
    "sudo podrun delete -f pod.yaml",
    "sudo podrun delete pods --all --force",
    "sudo podrun delete pvc data --reclaim",
)
@click.argument("named", nargs=-1, metavar="[TYPE] [NAME]...", shell_complete=complete_object)
@files_option
@namespace_option
@all_namespaces_option
@selector_option
@click.option("--all", "every", is_flag=True, help="All of the type, in the namespace.")
@click.option("--grace-period", type=int, metavar="SEC", help="Time to stop in; else the pod's.")
@click.option("--now", is_flag=True, help="The same as --grace-period 1.")
@click.option("--force", is_flag=True, help="Kill at once.")
@click.option("--wait/--no-wait", default=True, help="Wait until they are gone [yes].")
@click.option("--timeout", type=Duration(), metavar="TIME", help="Give up waiting after this.")
@click.option("--reclaim", is_flag=True, help="Remove what claims hold, too.")
@click.option("--ignore-not-found", is_flag=True, help="What is not there is no error.")
@click.option("-q", "--quiet", is_flag=True, help="Print only errors.")
def command(
    named: tuple[str, ...],
    files: tuple[str, ...],
    namespace: str,
    everywhere: bool,
    selector: str,
    every: bool,
    grace_period: int | None,
    now: bool,
    force: bool,
    wait: bool,
    timeout: float | None,
    reclaim: bool,
    ignore_not_found: bool,
    quiet: bool,
) -> None:
    """Stop pods and remove them, or other objects.

    Each container gets its stop signal and the pod's grace period before it is killed. Nothing is
    deleted unless everything named is there.
    """
    require_root("delete objects")
    scope = Scope(namespace, everywhere, selector, every, reclaim)
    chosen = _chosen(named, files, scope, lenient=ignore_not_found)
    if not any(chosen):
        click.echo("No resources found.", err=True)
        return
    request = {
        "version": 1,
        "verb": "delete",
        "uids": [stored.pod.metadata.uid for stored in chosen.pods],
        "objects": [
            {"kind": kind.name, "namespace": namespace, "name": name}
            for kind, namespace, name in sorted(chosen.objects, key=_makes_no_pods)
        ],
        "reclaim": reclaim,
        "graceSeconds": _grace(grace_period, now=now, force=force),
        "wait": wait,
        "timeout": timeout,
    }
    _send(request, chosen, quiet=quiet)


def _chosen(named: Sequence[str], files: Sequence[str], scope: Scope, *, lenient: bool) -> Chosen:
    """Raises NotFound, unless ``lenient``, and UsageError when nothing, or too much, is named."""
    wanted = parse_objects(named)
    if any(each.type == EVENT for each in wanted):
        raise UsageError("events go with their pods")
    if files or any(each.names for each in wanted):
        if scope.every or scope.selector or scope.everywhere:
            raise UsageError("names go with neither --all nor --selector nor --all-namespaces")
        return _of_keys([*_keys(wanted, scope), *_keys_of(files, scope.namespace)], scope, lenient)
    if not (scope.every or scope.selector):
        raise UsageError("name a pod, or say --all", hint="podrun delete web")
    return _of_scope(wanted, scope)


def _makes_no_pods(key: ObjectKey) -> bool:
    """False sorts first: what makes pods goes before all else that goes."""
    return KINDS.index(key[0]) < KINDS.index(kinds.POD)


def _keys(wanted: Sequence[Named], scope: Scope) -> list[ObjectKey]:
    namespace = scope.namespace or DEFAULT_NAMESPACE
    return [(each.kind, namespace, name) for each in wanted for name in each.names]


def _of_scope(wanted: Sequence[Named], scope: Scope) -> Chosen:
    from podrun.cli.objects import ObjectReader

    chosen = Chosen([], [])
    how: dict[str, Any] = {
        "namespace": scope.namespace,
        "everywhere": scope.everywhere,
        "selector": scope.selector,
    }
    for each in wanted:
        if each.type == POD:
            reader = Reader(addresses=False)
            keys = [stored.key for stored in reader.select(**how)]
            chosen.pods.extend(stored for stored in reader.store.list() if stored.key in keys)
        else:
            found = ObjectReader().select(each.kind, **how)
            metas = [thing.metadata for thing in found]
            chosen.objects.extend((each.kind, meta.namespace, meta.name) for meta in metas)
    return chosen


def _grace(seconds: int | None, *, now: bool, force: bool) -> int | None:
    """None: each pod's own. Like kubectl's -1, a negative number means that too."""
    if force:
        return 0
    if seconds is None or seconds < 0:
        return 1 if now else None
    return seconds


def _keys_of(files: Sequence[str], namespace: str) -> list[ObjectKey]:
    if not files:
        return []
    from podrun.api.objects import kind_of
    from podrun.cli.manifests import admitted_objects, read_sources

    found = admitted_objects(read_sources(files), namespace=namespace)
    return [(kind_of(each), each.metadata.namespace, each.metadata.name) for each in found]


def _of_keys(keys: Sequence[ObjectKey], scope: Scope, lenient: bool) -> Chosen:
    """A pod and the one that waits to replace it have one name: both go."""
    pods = Reader(addresses=False).store.list()
    there = {(kinds.POD, *stored.key) for stored in pods}
    keys = list(dict.fromkeys(keys))
    objects = [key for key in keys if key[0] != kinds.POD and _is_there(key, scope)]
    missing = [key for key in keys if key not in there and key not in objects]
    if missing and not lenient:
        from podrun.cli.objects import raise_missing

        kind = missing[0][0]
        names = [name for each, _, name in missing if each == kind]
        raise_missing(kind, names, hint="nothing was deleted")
    return Chosen([stored for stored in pods if (kinds.POD, *stored.key) in keys], objects)


def _is_there(key: ObjectKey, scope: Scope) -> bool:
    """With --reclaim also what a claim held that is gone itself."""
    from podrun.cli.objects import ObjectReader

    reader, (kind, namespace, name) = ObjectReader(), key
    if reader.store.version(kind, namespace, name):
        return True
    return (
        scope.reclaim and kind == kinds.CLAIM and (reader.paths.claims / namespace / name).is_dir()
    )


def _send(request: dict[str, Any], chosen: Chosen, *, quiet: bool) -> None:
    from podrun.agent.client import call
    from podrun.cli.applying import tell

    keys = [(kinds.POD, *stored.key) for stored in chosen.pods]
    names = [(k.singular, namespace, name) for k, namespace, name in (*keys, *chosen.objects)]
    names = list(dict.fromkeys(names))
    patience = _Patience(chosen.pods, request["graceSeconds"], shown=not quiet)
    with Live(quiet=quiet) as live, patience:
        for progress in call(config.load(), request):
            if progress.get("result") != "deleted":
                tell(live, progress)
                continue
            kind, _, name = progress["object"].partition("/")
            key = (kind, progress.get("namespace", DEFAULT_NAMESPACE), name)
            live.done(progress["object"])
            if key in names:
                names.remove(key)
                live.result(f'{kind} "{name}" deleted')
        for kind, _, name in names:  # not waited for
            live.result(f'{kind} "{name}" deleted')


class _Patience:
    """Says once, off a terminal, what is waited for and how long: there nothing else tells it."""

    def __init__(self, pods: Sequence[StoredPod], seconds: int | None, *, shown: bool) -> None:
        self._pods = pods
        self._seconds = seconds
        self._shown = shown and not sys.stderr.isatty()

    def __enter__(self) -> None:
        if self._shown:
            signal.signal(signal.SIGALRM, lambda number, frame: self._tell())
            signal.setitimer(signal.ITIMER_REAL, _SILENCE)

    def __exit__(self, *_: object) -> None:
        if self._shown:
            signal.setitimer(signal.ITIMER_REAL, 0)
            signal.signal(signal.SIGALRM, signal.SIG_DFL)

    def _tell(self) -> None:
        for stored in self._pods:
            if stored.paths.pod.exists():
                most = grace(stored.pod) if self._seconds is None else self._seconds
                click.echo(f"pod/{stored.key[1]} deleting, up to {most} s", err=True)
