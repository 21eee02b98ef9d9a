"""``podrun logs``: what a container wrote, read from its log files."""

from __future__ import annotations

import click

from podrun.agent.podstore import StoredPod
from podrun.cli.command import (
    Duration,
    container_option,
    namespace_option,
    selector_option,
    verb,
)
from podrun.cli.complete import complete_target
from podrun.cli.containers import chosen
from podrun.cli.logsview import Request, Target, print_logs
from podrun.cli.owned import find_pod
from podrun.cli.pods import Reader
from podrun.cli.podtable import nothing_found


@verb(
    "logs",
    "podrun logs web",
    "podrun logs -f --tail 20 web -c app",
    "podrun logs --previous web",
    "podrun logs -f -l app=web",
    "podrun logs job/count",
)
@click.argument("pod", metavar="[POD]", default="", shell_complete=complete_target)
@click.argument("name", metavar="[CONTAINER]", default="")
@namespace_option
@selector_option
@container_option
@click.option("-f", "--follow", is_flag=True, help="Go on until the container ends.")
@click.option("--tail", type=int, default=-1, metavar="N", help="Only the last N lines.")
@click.option("--since", type=Duration(), metavar="TIME", help="Only the last 5m, 1h, ….")
@click.option("--since-time", default="", metavar="DATE", help="Only after this (RFC 3339).")
@click.option("--timestamps", is_flag=True, help="Put the time before each line.")
@click.option("-p", "--previous", is_flag=True, help="Of the run before this one.")
@click.option("--all-containers", "every", is_flag=True, help="Of all containers.")
@click.option(
    "--prefix/--no-prefix",
    default=None,
    help="Put [pod/NAME/CONTAINER] before each line [with -l, of several pods].",
)
def command(
    pod: str,
    name: str,
    namespace: str,
    selector: str,
    container: str,
    follow: bool,
    tail: int,
    since: float | None,
    since_time: str,
    timestamps: bool,
    previous: bool,
    every: bool,
    prefix: bool | None,
) -> None:
    """Print what a container wrote.

    Rotated files are read too. With --selector, of all pods that have these labels now; of
    deploy/NAME, job/NAME or ds/NAME one pod is taken.
    """
    if since is not None and since_time:
        raise click.UsageError("--since and --since-time: only one of them")
    if every and (container or name):
        raise click.UsageError("--all-containers goes with no container's name")
    if bool(pod) == bool(selector):
        both = "a pod's name goes with no --selector"
        raise click.UsageError(both if pod else "name a pod, or choose some with --selector")
    since_then = _since(since, since_time)
    reader = Reader(addresses=False)
    if pod:
        pods = [find_pod(reader, pod, namespace)]
    else:
        pods = reader.select(namespace=namespace, selector=selector)
    if not pods:
        return nothing_found(namespace, False)
    targets = [
        Target(stored, each)
        for stored in pods
        for each in (_all(stored) if every else (chosen(stored.pod, container or name),))
    ]
    request = Request(
        follow=follow,
        tail=tail if tail >= 0 else None,
        since=since_then,
        timestamps=timestamps,
        previous=previous,
        prefix=len(pods) > 1 if prefix is None else prefix,
    )
    return print_logs(reader, targets, request)


def _all(stored: StoredPod) -> list[str]:
    return [container.name for container in stored.pod.spec.all_containers]


def _since(seconds: float | None, at: str) -> float:
    import time

    from podrun.pod.when import epoch

    if seconds is not None:
        return time.time() - seconds
    try:
        return epoch(at) or 0.0
    except ValueError:
        raise click.UsageError(f"--since-time {at!r}: write 2024-05-01T10:00:00Z") from None
