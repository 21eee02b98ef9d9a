"""``podrun logs``: what a container wrote, read from its log files."""

from __future__ import annotations

import click

from podrun.cli.command import Duration, container_option, namespace_option, verb
from podrun.cli.complete import complete_pod
from podrun.cli.containers import chosen
from podrun.cli.logsview import Request, print_logs
from podrun.cli.names import parse_pod
from podrun.cli.pods import Reader


@verb(
    "logs",
    "podrun logs web",
    "podrun logs -f --tail 20 web -c app",
    "podrun logs --previous web",
)
@click.argument("pod", shell_complete=complete_pod)
@click.argument("name", metavar="[CONTAINER]", default="")
@namespace_option
@container_option
@click.option("-f", "--follow", is_flag=True, help="Go on until the container ends.")
@click.option("--tail", type=int, default=-1, metavar="N", help="Only the last N lines.")
@click.option("--since", type=Duration(), metavar="TIME", help="Only the last 5m, 1h, ….")
@click.option("--since-time", default="", metavar="DATE", help="Only after this (RFC 3339).")
@click.option("--timestamps", is_flag=True, help="Put the time before each line.")
@click.option("-p", "--previous", is_flag=True, help="Of the run before this one.")
@click.option("--all-containers", "every", is_flag=True, help="Of all containers.")
@click.option("--prefix", is_flag=True, help="Put [pod/NAME/CONTAINER] before each line.")
def command(
    pod: str,
    name: str,
    namespace: str,
    container: str,
    follow: bool,
    tail: int,
    since: float | None,
    since_time: str,
    timestamps: bool,
    previous: bool,
    every: bool,
    prefix: bool,
) -> None:
    """Print what a container wrote.

    Rotated files are read too.
    """
    if since is not None and since_time:
        raise click.UsageError("--since and --since-time: only one of them")
    if every and (container or name):
        raise click.UsageError("--all-containers goes with no container's name")
    reader = Reader(addresses=False)
    stored = reader.find(parse_pod(pod), namespace)
    every_name = tuple(each.name for each in stored.pod.spec.all_containers)
    request = Request(
        containers=every_name if every else (chosen(stored.pod, container or name),),
        follow=follow,
        tail=tail if tail >= 0 else None,
        since=_since(since, since_time),
        timestamps=timestamps,
        previous=previous,
        prefix=prefix,
    )
    print_logs(reader, stored, request)


def _since(seconds: float | None, at: str) -> float:
    import time

    from podrun.pod.when import epoch

    if seconds is not None:
        return time.time() - seconds
    try:
        return epoch(at) or 0.0
    except ValueError:
        raise click.UsageError(f"--since-time {at!r}: write 2024-05-01T10:00:00Z") from None
