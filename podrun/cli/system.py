"""``podrun system``: the host and what podrun has on it."""

from __future__ import annotations

import os
import sys

import click

from podrun.cli.command import VerbGroup
from podrun.cli.output import Output, as_text, output_option
from podrun.cli.root import require_root
from podrun.cli.table import table
from podrun.errors import UsageError
from podrun.node import config

_COLOURS = {"ok": "green", "warn": "yellow", "fail": "red"}


@click.group("system", cls=VerbGroup)
def command() -> None:
    """Check this host, show disk use, reset."""


@command.command("check")
@output_option("json", "yaml")
def check(output: Output) -> int:
    """Say line by line what this host offers.

    Exit code 1: something that is needed is missing.
    """
    from podrun.cli.checks import FAIL, Found, all_checks

    require_root("try what this host offers")
    found: list[Found] = []
    for each in all_checks(config.load()):
        found.append(each)
        if output.is_table:
            _print_check(each.level, each.name, each.detail, each.hint)
    if not output.is_table:
        click.echo(as_text({"checks": found}, output.format), nl=False)
    return 1 if any(each.level == FAIL for each in found) else 0


def _print_check(level: str, name: str, detail: str, hint: str) -> None:
    colour = "NO_COLOR" not in os.environ and sys.stdout.isatty()
    mark = click.style(f"{level:<5}", fg=_COLOURS[level], bold=level != "ok")
    click.echo(f"{mark} {name:<22} {' '.join(detail.split())}", color=colour)
    if hint and level != "ok":
        click.echo(f"{'':<5} {'':<22} → {hint}")


@command.command("df")
@output_option("json", "yaml")
def df(output: Output) -> None:
    """Show what podrun keeps on disk."""
    from podrun.cli.diskuse import disk_use, human_size
    from podrun.node.paths import Paths

    uses = list(disk_use(Paths(config.load())))
    if output.is_table:
        rows = [(each.kind, str(each.count), human_size(each.bytes)) for each in uses]
        rows.append(("total", "", human_size(sum(each.bytes for each in uses))))
        click.echo(table(("TYPE", "COUNT", "SIZE"), rows), nl=False)
    else:
        click.echo(as_text({"uses": uses}, output.format), nl=False)


@command.command("reset")
@click.option("--force", is_flag=True, help="Do not ask.")
@click.option("--images", is_flag=True, help="Remove all images, too.")
def reset(force: bool, images: bool) -> int:
    """Delete all pods, end the agent, remove the network.

    Images stay, unless --images is given.
    """
    require_root("reset podrun")
    settings = config.load()
    if not force:
        if not sys.stdin.isatty():
            raise UsageError("nobody to ask on this input", hint="--force does not ask")
        what = "all pods, volumes, logs" + (" and images" if images else "")
        if not click.confirm(f"Remove {what} below {settings.state_root}?"):
            return 1
    from podrun.cli.reset import reset as do_reset

    do_reset(settings, images=images)
    return 0
