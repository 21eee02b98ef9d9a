"""``podrun apply``: the pods of manifests, made real."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import click
import msgspec

from podrun.api.load import LoadedPod
from podrun.cli.command import Duration, files_option, namespace_option, verb
from podrun.cli.live import Live
from podrun.cli.output import Output, OutputType, as_text
from podrun.cli.root import owner_gid, require_root
from podrun.errors import PodrunError
from podrun.node import config


@verb(
    "apply",
    "sudo podrun apply pod.yaml",
    "sudo podrun apply -f pods/ --wait",
    "podrun apply --dry-run pod.yaml",
)
@click.argument("paths", nargs=-1, metavar="[FILE|DIR|-]...", type=click.Path())
@files_option
@namespace_option
@click.option("--wait", "wait", flag_value="ready", help="Return when all are Ready (or done).")
@click.option("--no-wait", "wait", flag_value="none", help="Return at once.")
@click.option("--timeout", type=Duration(), metavar="TIME", help="Give up waiting after this.")
@click.option("--dry-run", is_flag=True, help="Print what would be applied, with its defaults.")
@click.option(
    "-o",
    "--output",
    type=OutputType("yaml", "json"),
    metavar="FORMAT",
    help="With --dry-run: yaml or json.",
)
@click.option("-q", "--quiet", is_flag=True, help="Print only errors.")
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
    from podrun.cli.manifests import admitted

    if output is not None and not dry_run:
        raise click.UsageError("-o goes with --dry-run only")
    loaded = admitted([*paths, *files], namespace=namespace)
    if dry_run:
        return _print(loaded, output or Output("yaml"))
    require_root("apply pods")
    request = {
        "version": 1,
        "verb": "apply",
        "pods": [msgspec.to_builtins(each.pod) for each in loaded],
        "ownerGid": owner_gid(),
        "wait": wait or "started",
        "timeout": timeout,
    }
    return send(request, quiet=quiet)


def _print(loaded: Sequence[LoadedPod], output: Output) -> None:
    pods = [each.pod for each in loaded]
    if output.format == "yaml":
        click.echo("---\n".join(as_text(pod, "yaml") for pod in pods), nl=False)
        return
    whole = pods[0] if len(pods) == 1 else {"apiVersion": "v1", "kind": "List", "items": pods}
    click.echo(as_text(whole, "json"), nl=False)


def send(request: dict[str, Any], *, quiet: bool) -> None:
    from podrun.agent.client import call

    obstacles: dict[str, str] = {}
    with Live(quiet=quiet) as live:
        for progress in call(config.load(), request):
            tell(live, progress)
            obstacles = progress.get("done", {}).get("obstacles", {})
    if obstacles:
        listed = "\n".join(f"{name} cannot go on: {why}" for name, why in obstacles.items())
        raise PodrunError(listed, hint="podrun keeps trying; see `podrun describe`")


def tell(live: Live, progress: dict[str, Any]) -> None:
    """One progress message of the agent: a result, or an event of a pod."""
    name = progress.get("object", "")
    if "result" in progress:
        live.result(f"{name} {progress['result']}")
    elif "event" in progress:
        live.say(name, progress["event"].get("message", ""))
