"""``podrun system``: the host and what podrun has on it."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import click

from podrun.cli.command import VerbGroup, option
from podrun.cli.imagestore import size as size_text
from podrun.cli.output import Output, as_text, output_option
from podrun.cli.root import require_root
from podrun.cli.table import table
from podrun.cli.width import columns, row
from podrun.errors import UsageError
from podrun.node import config

if TYPE_CHECKING:
    from podrun.cli.diskuse import Use

_COLOURS = {"ok": "green", "warn": "yellow", "fail": "red"}


@click.group("system", cls=VerbGroup)
def command() -> None:
    """Check this host, show disk use, prune, reset."""


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
        _print({"checks": found}, output)
    return 1 if any(each.level == FAIL for each in found) else 0


def _print_check(level: str, name: str, detail: str, hint: str) -> None:
    """``net.ipv6.conf.all.forwarding`` is the longest name. What does not fit goes below."""
    mark = f"{level:<5}"
    first, *rest = row(f"{mark} {name:<28} ", " ".join(detail.split()), columns())
    if "NO_COLOR" not in os.environ and sys.stdout.isatty():
        first = first.replace(mark, click.style(mark, fg=_COLOURS[level], bold=level != "ok"), 1)
    click.echo("\n".join([first, *rest]))
    if hint and level != "ok":
        click.echo("\n".join(row(f"{'':<34} ", f"→ {hint}", columns())).lstrip("\n"))


def _print(value: Any, output: Output) -> None:
    import msgspec

    if output.format == "jsonpath":
        from podrun.cli.jsonpath import render

        click.echo(render(output.template, msgspec.to_builtins(value)), nl=False)
    else:
        click.echo(as_text(value, output.format), nl=False)


@command.command("df")
@output_option("json", "yaml")
@option("-v", "--verbose", is_flag=True, help="Every image, layer, volume and log, too.")
def df(output: Output, verbose: bool) -> None:
    """Show what podrun keeps on disk.

    RECLAIMABLE is what `podrun system prune --all` would remove. Only root may read all of it.
    """
    from podrun.cli.diskuse import disk_use

    uses = list(disk_use(config.load()))
    if partial := [each.kind for each in uses if each.partial]:
        text = f"note: not all could be read of {', '.join(partial)}: run it with sudo"
        click.echo(text, err=True)
    if output.is_table:
        click.echo(_df_table(uses), nl=False)
        for each in uses if verbose else ():
            click.echo(f"\n{each.kind}:")
            click.echo(_items_table(each), nl=False)
        return
    _print({"uses": uses if verbose else [each.without_items() for each in uses]}, output)


def _df_table(uses: Sequence[Use]) -> str:
    rows = [_df_row(use) for use in uses]
    size, free = sum(u.bytes for u in uses), sum(u.reclaimable for u in uses)
    if any(u.partial for u in uses):
        rows.append(("total", "", "", f"{size_text(size)}+", "-"))
    else:
        rows.append(("total", "", "", size_text(size), _share(free, size)))
    return table(("TYPE", "COUNT", "ACTIVE", "SIZE", "RECLAIMABLE"), rows)


def _df_row(use: Use) -> tuple[str, ...]:
    """A part of it is so and so much "+"; a dash where nothing could be read."""
    if not use.partial:
        share = _share(use.reclaimable, use.bytes)
        return use.kind, str(use.count), str(use.active), size_text(use.bytes), share
    if not use.count:
        return use.kind, "-", "-", "-", "-"
    return use.kind, f"{use.count}+", f"{use.active}+", f"{size_text(use.bytes)}+", "-"


def _items_table(use: Use) -> str:
    items = sorted(use.items, key=lambda item: -item.bytes)
    rows = [
        (i.name, size_text(i.bytes), size_text(i.reclaimable), ", ".join(i.users) or "-")
        for i in items
    ]
    return table(("NAME", "SIZE", "RECLAIMABLE", "USED BY"), rows)


def _share(part: int, whole: int) -> str:
    return f"{size_text(part)} ({100 * part // whole if whole else 0}%)"


@command.command("prune")
@option("-a", "--all", "everything", is_flag=True, help="Also images with a name no pod uses.")
@option("--force", is_flag=True, help="Do not ask.")
def prune(everything: bool, force: bool) -> int:
    """Remove what nobody needs.

    Images without a name that no pod uses, what pulls have left behind, and directories of pods
    that are no more. Pods stay, and all that they use; so does what claims hold.
    """
    require_root("prune")
    settings = config.load()
    named = "all images no pod uses" if everything else "images without a name that no pod uses"
    if not (force or _agreed(f"Remove {named}, and what was left half-made?")):
        return 1
    from podrun.cli.prune import prune as do_prune

    done = do_prune(settings, all_unused=everything)
    click.echo("".join(f"{line}\n" for line in done.lines), nl=False)
    click.echo(f"{size_text(done.bytes)} freed", err=True)
    return 0


def _agreed(question: str) -> bool:
    if not sys.stdin.isatty():
        raise UsageError("nobody to ask on this input", hint="--force does not ask")
    return click.confirm(question)


@command.command("reset")
@option("--force", is_flag=True, help="Do not ask.")
@option("--images", is_flag=True, help="Remove all images, too.")
def reset(force: bool, images: bool) -> int:
    """Delete all pods and other objects, end the agent, remove the network.

    With them goes what their claims hold. Images stay, unless --images is given.
    """
    require_root("reset podrun")
    settings = config.load()
    what = "all pods, objects, volumes, claims with their data, logs"
    what += " and images" if images else ""
    roots = ", ".join((settings.state_root, settings.run_root, settings.log_root))
    if not (force or _agreed(f"Remove {what} below {roots}?")):
        return 1
    from podrun.cli.reset import reset as do_reset

    do_reset(settings, images=images)
    return 0
