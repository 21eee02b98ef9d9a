"""``podrun apply``: the pods of manifests, made real."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from functools import partial
from operator import itemgetter
from typing import TYPE_CHECKING, Any

import click

from podrun.cli.command import Duration, files_option, namespace_option, option, verb
from podrun.cli.complete import complete_file
from podrun.cli.live import Live
from podrun.cli.manifests import admitted, read_sources
from podrun.cli.output import Output, OutputType, as_text
from podrun.cli.pullprogress import PullProgress
from podrun.cli.root import owner_gid, require_root
from podrun.errors import PodrunError

if TYPE_CHECKING:
    from podrun.agent.admission import Source
    from podrun.api.pod import Pod


@verb(
    "apply",
    "sudo podrun apply pod.yaml",
    "sudo podrun apply -f pods/ --wait",
    "podrun apply --dry-run pod.yaml",
)
@click.argument("paths", nargs=-1, metavar="[FILE|DIR|-]...", shell_complete=complete_file)
@files_option
@namespace_option
@option("--wait", "wait", flag_value="ready", help="Return when all are Ready (or done).")
@option("--no-wait", "wait", flag_value="none", help="Return at once.")
@option("--timeout", type=Duration(), metavar="TIME", help="Give up waiting after this.")
@option("--dry-run", is_flag=True, help="Print what would be applied, with its defaults.")
@option(
    "-o",
    "--output",
    type=OutputType("yaml", "json"),
    metavar="FORMAT",
    help="With --dry-run: yaml or json.",
)
@option("-q", "--quiet", is_flag=True, help="Print only errors.")
def command(
    paths: tuple[str, ...],
    files: tuple[str, ...],
    namespace: str,
    wait: str | None,
    timeout: float | None,
    dry_run: bool,
    output: Output | None,
    quiet: bool,
) -> None:
    """Make the pods of manifests real.

    Everything is checked first: if one document is not valid, nothing is changed. What is new is
    created, what differs is changed, the rest is left alone. Returns when every container has been
    started once, unless told otherwise.
    """
    if output is not None and not dry_run:
        raise click.UsageError("-o goes with --dry-run only")
    sources = list(read_sources([*paths, *files]))
    if dry_run:
        return _print(admitted(sources, namespace=namespace), output or Output("yaml"))

    # The agent has loaded what it takes to read them, so it is who does. But no agent is started,
    # and nobody sent for root, for manifests that are not valid.
    check = partial(admitted, sources, namespace=namespace, quiet=True)
    if os.geteuid() != 0:
        check()
    require_root("apply pods")
    request = _request(sources, namespace, wait, timeout)
    return send(request, b"".join(map(itemgetter(0), sources)), quiet=quiet, before_start=check)


def _print(pods: Sequence[Pod], output: Output) -> None:
    if output.format == "yaml":
        click.echo("---\n".join(as_text(pod, "yaml") for pod in pods), nl=False)
        return
    whole = pods[0] if len(pods) == 1 else {"apiVersion": "v1", "kind": "List", "items": pods}
    click.echo(as_text(whole, "json"), nl=False)


def _request(
    sources: Sequence[Source], namespace: str, wait: str | None, timeout: float | None
) -> dict[str, Any]:
    return {
        "verb": "apply",
        "sources": [{"name": name, "size": len(content)} for content, name in sources],
        "namespace": namespace,
        "ownerGid": owner_gid(),
        "wait": wait or "started",
        "timeout": timeout,
    }


def send(
    request: dict[str, Any],
    payload: bytes = b"",
    *,
    quiet: bool,
    before_start: Callable[[], object] | None = None,
) -> None:
    """Have the agent do it, and tell what it tells. PodrunError when a pod cannot go on."""
    from podrun.agent.client import call
    from podrun.node import endpoint

    obstacles: dict[str, str] = {}
    with Live(quiet=quiet) as live:
        pulls = PullProgress(live)
        for progress in call(endpoint.load(), request, payload, before_start=before_start):
            tell(live, progress)
            pulls(progress)
            obstacles = progress.get("done", {}).get("obstacles", {})
    if obstacles:
        listed = "\n".join(f"{name} cannot go on: {why}" for name, why in obstacles.items())
        raise PodrunError(listed, hint="podrun keeps trying; see `podrun describe`")


def tell(live: Live, progress: dict[str, Any]) -> None:
    """One progress message of the agent: a note, a result, or an event of a pod."""
    name = progress.get("object", "")
    if "note" in progress:
        live.warn(f"note: {progress['note']}")
    elif "result" in progress:
        live.result(f"{name} {progress['result']}")
    elif "event" in progress:
        live.say(name, progress["event"].get("message", ""))
