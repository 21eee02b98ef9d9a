"""Shell completion of names, from what is there now. Whatever goes wrong: no suggestions."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import click

from podrun.cli.names import DEFAULT_NAMESPACE, POD, type_of_or_none
from podrun.errors import PodrunError


def complete_pod(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[Any]:
    """Pod names; with ``pod/`` before them when the user began so."""
    prefix = incomplete[: incomplete.rfind("/") + 1]
    return _items(_pod_names, ctx, incomplete.removeprefix(prefix), prefix)


def complete_object(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[Any]:
    """Types and pods first; then names of the type that is given."""
    prefix = incomplete[: incomplete.rfind("/") + 1]
    before = tuple(ctx.params.get(param.name or "") or ())
    typed = type_of_or_none(prefix.rstrip("/") or (before[0] if before else ""))
    if typed in ("", POD):
        found = complete_pod(ctx, param, incomplete)
        return found if before or prefix else [*_items(_types, ctx, incomplete, ""), *found]
    return _items(partial(_object_names, typed), ctx, incomplete.removeprefix(prefix), prefix)


def complete_target(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[Any]:
    """Pod names; behind ``deploy/`` those of Deployments."""
    complete = complete_object if "/" in incomplete else complete_pod
    return complete(ctx, param, incomplete)


def complete_field(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[Any]:
    """The next part of ``configmap.data``."""
    prefix = incomplete[: incomplete.rfind(".") + 1]
    found = partial(_fields, prefix) if prefix else _singulars
    return _items(found, ctx, incomplete.removeprefix(prefix), prefix)


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


def _types(ctx: click.Context) -> list[str]:
    from podrun.api.kinds import KINDS

    return sorted(kind.plural for kind in KINDS)


def _singulars(ctx: click.Context) -> list[str]:
    from podrun.api.kinds import KINDS

    return sorted(kind.singular for kind in KINDS)


def _fields(prefix: str, ctx: click.Context) -> list[str]:
    from podrun.api.fields import SCHEMA, element, find

    return list(SCHEMA.get(element(find(prefix).row.type), {}))


def _object_names(typed: str, ctx: click.Context) -> list[str]:
    from podrun.api.kinds import kind_of
    from podrun.cli.objects import ObjectReader

    kind = kind_of(typed)
    if kind is None:
        return []
    found = ObjectReader().store.list(kind, ctx.params.get("namespace") or DEFAULT_NAMESPACE)
    return [each.metadata.name for each in found]


def _container_names(ctx: click.Context) -> list[str]:
    from podrun.cli.owned import find_pod
    from podrun.cli.pods import Reader

    # Parsing stopped at the ``-c`` that has no value yet: arguments are still unnamed.
    named = ctx.params.get("pod") or next(iter(ctx.args), "")
    if not named:
        return []
    namespace = ctx.params.get("namespace") or ""
    stored = find_pod(Reader(addresses=False), named, namespace, tell=False)
    return [container.name for container in stored.pod.spec.all_containers]
