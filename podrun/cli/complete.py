"""Shell completion of names, from what is there now. Whatever goes wrong: no suggestions."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import click

from podrun.errors import PodrunError


def complete_pod(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[Any]:
    """Pod names; with ``pod/`` before them when the user began so."""
    prefix = incomplete[: incomplete.rfind("/") + 1]
    return _items(_pod_names, ctx, incomplete.removeprefix(prefix), prefix)


def complete_file(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[Any]:
    """Left to the shell."""
    from click.shell_completion import CompletionItem

    return [CompletionItem(incomplete, type="file")]


def complete_container(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[Any]:
    return _items(_container_names, ctx, incomplete, "")


def _items(
    names: Callable[[click.Context], list[str]], ctx: click.Context, start: str, prefix: str
) -> list[Any]:
    from click.shell_completion import CompletionItem

    try:
        return [CompletionItem(prefix + n) for n in names(ctx) if n.startswith(start)]
    except (PodrunError, OSError):
        return []


def _pod_names(ctx: click.Context) -> list[str]:
    from podrun.cli.pods import Reader

    pods = Reader(addresses=False).select(
        namespace=ctx.params.get("namespace") or "",
        everywhere=bool(ctx.params.get("everywhere")),
    )
    return [stored.key[1] for stored in pods]


def _container_names(ctx: click.Context) -> list[str]:
    from podrun.cli.names import parse_pod
    from podrun.cli.pods import Reader

    # Parsing stopped at the ``-c`` that has no value yet: arguments are still unnamed.
    named = ctx.params.get("pod") or next(iter(ctx.args), "")
    if not named:
        return []
    stored = Reader(addresses=False).find(parse_pod(named), ctx.params.get("namespace") or "")
    return [container.name for container in stored.pod.spec.all_containers]
