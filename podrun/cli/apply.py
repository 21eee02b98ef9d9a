"""``podrun apply``: the objects of manifests, made real."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

from podrun.cli.applying import Wanted, apply
from podrun.cli.command import Duration, files_option, namespace_option, option, verb
from podrun.cli.complete import complete_file
from podrun.cli.manifests import admitted_objects, read_sources
from podrun.cli.output import Output, OutputType, as_text

if TYPE_CHECKING:
    from podrun.api.objects import AnyObject


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
    """Make the objects of manifests real.

    Everything is checked first: if one document is not valid, nothing is changed. What is new is
    created, what differs is changed, the rest is left alone. Returns when every container has been
    started once, unless told otherwise.
    """
    if output is not None and not dry_run:
        raise click.UsageError("-o goes with --dry-run only")
    if dry_run:
        found = admitted_objects(read_sources([*paths, *files]), namespace=namespace)
        return _print(found, output or Output("yaml"))
    apply(Wanted((*paths, *files), namespace, wait or "started", timeout, quiet))


def _print(found: Sequence[AnyObject], output: Output) -> None:
    if output.format == "yaml":
        click.echo("---\n".join(as_text(each, "yaml") for each in found), nl=False)
        return
    whole = found[0] if len(found) == 1 else {"apiVersion": "v1", "kind": "List", "items": found}
    click.echo(as_text(whole, "json"), nl=False)
