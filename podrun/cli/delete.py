"""``podrun delete``: stop pods gracefully and remove all that was theirs."""

from __future__ import annotations

import signal
import sys
from collections.abc import Sequence
from typing import Any, NamedTuple

import click

from podrun.agent.podstore import StoredPod
from podrun.cli.command import (
    Duration,
    all_namespaces_option,
    files_option,
    namespace_option,
    selector_option,
    verb,
)
from podrun.cli.complete import complete_pod
from podrun.cli.live import Live
from podrun.cli.names import DEFAULT_NAMESPACE, POD, parse_named
from podrun.cli.pods import Reader
from podrun.cli.root import require_root
from podrun.errors import NotFound, UsageError
from podrun.node import config
from podrun.pod.termination import grace

Key = tuple[str, str]

_SILENCE = 2.0  # seconds without a word; most pods are gone by then


class Scope(NamedTuple):
    """Which pods are meant by whoever names none."""

    namespace: str
    everywhere: bool
    selector: str
    every: bool


@verb(
    "delete",
    "sudo podrun delete web",
    "sudo podrun delete -f pod.yaml",
    "sudo podrun delete pods --all --force",
)
@click.argument("named", nargs=-1, metavar="[TYPE] [NAME]...", shell_complete=complete_pod)
@files_option
@namespace_option
@all_namespaces_option
@selector_option
@click.option("--all", "every", is_flag=True, help="All pods of the namespace.")
@click.option("--grace-period", type=int, metavar="SEC", help="Time to stop in; else the pod's.")
@click.option("--now", is_flag=True, help="The same as --grace-period 1.")
@click.option("--force", is_flag=True, help="Kill at once.")
@click.option("--wait/--no-wait", default=True, help="Wait until they are gone [yes].")
@click.option("--timeout", type=Duration(), metavar="TIME", help="Give up waiting after this.")
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
    ignore_not_found: bool,
    quiet: bool,
) -> None:
    """Stop pods and remove them.

    Each container gets its stop signal and the pod's grace period before it is killed. Nothing is
    deleted unless everything named is there.
    """
    require_root("delete pods")
    scope = Scope(namespace, everywhere, selector, every)
    chosen = _chosen(named, files, scope, lenient=ignore_not_found)
    if not chosen:
        click.echo("No resources found.", err=True)
        return
    request = {
        "version": 1,
        "verb": "delete",
        "uids": [stored.pod.metadata.uid for stored in chosen],
        "graceSeconds": _grace(grace_period, now=now, force=force),
        "wait": wait,
        "timeout": timeout,
    }
    _send(request, chosen, quiet=quiet)


def _chosen(
    named: Sequence[str], files: Sequence[str], scope: Scope, *, lenient: bool
) -> list[StoredPod]:
    """Raises NotFound, unless ``lenient``, and UsageError when nothing, or too much, is named."""
    wanted = parse_named(named)
    if wanted.type != POD:
        raise UsageError("only pods can be deleted")
    reader = Reader(addresses=False)
    pods = reader.store.list()
    if wanted.names or files:
        if scope.every or scope.selector or scope.everywhere:
            raise UsageError("names go with neither --all nor --selector nor --all-namespaces")
        keys = [(scope.namespace or DEFAULT_NAMESPACE, name) for name in wanted.names]
        return _of_keys(pods, [*keys, *_keys_of(files, scope.namespace)], lenient)
    if not (scope.every or scope.selector):
        raise UsageError("name a pod, or say --all", hint="podrun delete web")
    found = reader.select(
        namespace=scope.namespace, everywhere=scope.everywhere, selector=scope.selector
    )
    return _of_keys(pods, [stored.key for stored in found], True)


def _grace(seconds: int | None, *, now: bool, force: bool) -> int | None:
    """None: each pod's own. Like kubectl's -1, a negative number means that too."""
    if force:
        return 0
    if seconds is None or seconds < 0:
        return 1 if now else None
    return seconds


def _keys_of(files: Sequence[str], namespace: str) -> list[Key]:
    if not files:
        return []
    from podrun.cli.manifests import admitted, read_sources

    pods = admitted(read_sources(files), namespace=namespace)
    return [(pod.metadata.namespace, pod.metadata.name) for pod in pods]


def _of_keys(pods: Sequence[StoredPod], keys: Sequence[Key], lenient: bool) -> list[StoredPod]:
    """A pod and the one that waits to replace it have one name: both go."""
    missing = [key for key in dict.fromkeys(keys) if all(each.key != key for each in pods)]
    if missing and not lenient:
        listed = ", ".join(f'"{name}"' for _, name in missing)
        raise NotFound(f"pods {listed} not found", hint="nothing was deleted")
    return [stored for stored in pods if stored.key in keys]


def _send(request: dict[str, Any], chosen: Sequence[StoredPod], *, quiet: bool) -> None:
    from podrun.agent.client import call
    from podrun.cli.applying import tell

    names = list(dict.fromkeys(stored.key for stored in chosen))
    patience = _Patience(chosen, request["graceSeconds"], shown=not quiet)
    with Live(quiet=quiet) as live, patience:
        for progress in call(config.load(), request):
            if progress.get("result") != "deleted":
                tell(live, progress)
                continue
            name = progress["object"].partition("/")[2]
            key = (progress.get("namespace", DEFAULT_NAMESPACE), name)
            live.done(progress["object"])
            if key in names:
                names.remove(key)
                live.result(f'pod "{name}" deleted')
        for _, name in names:  # not waited for
            live.result(f'pod "{name}" deleted')


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
