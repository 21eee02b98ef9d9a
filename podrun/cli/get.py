"""``podrun get``: objects by type, as a table or as they are."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import click
from msgspec.structs import replace

from podrun.cli.command import all_namespaces_option, namespace_option, selector_option, verb
from podrun.cli.complete import complete_object
from podrun.cli.names import EVENT, POD, Named, parse_objects, types
from podrun.cli.output import Output, output_option, show
from podrun.cli.podtable import Listing, nothing_found, present_pods, show_pods
from podrun.cli.sorting import sort_option


@verb(
    "get",
    "podrun get pods",
    "podrun get pod web -o yaml",
    "podrun get pod web \\\n    -o jsonpath='{.status.podIP}'",
    "podrun get events",
    "podrun get configmap settings -o yaml",
)
@click.argument("named", nargs=-1, metavar="TYPE [NAME]...", shell_complete=complete_object)
@namespace_option
@all_namespaces_option
@selector_option
@output_option()
@sort_option
@click.option("-w", "--watch", is_flag=True, help="Go on: print a line whenever one changes.")
@click.option("--show-labels", "labels", is_flag=True, help="One more column: the labels.")
@click.option("--no-headers", is_flag=True, help="Leave out the line of headings.")
def command(
    named: tuple[str, ...],
    namespace: str,
    everywhere: bool,
    selector: str,
    output: Output,
    sort: str,
    watch: bool,
    labels: bool,
    no_headers: bool,
) -> None:
    """Show objects of a type: pods, configmaps, events, …

    A bare name is a pod's. Secrets are root's to read.
    """
    if not named:
        raise click.UsageError(f"which type? {types()}")
    every = parse_objects(named, lists=True)
    listing = Listing(
        namespace=namespace,
        everywhere=everywhere,
        selector=selector,
        output=output,
        headers=not no_headers,
        sort=sort,
        labels=labels,
    )
    if len(every) == 1:
        return _show(every[0], listing, watch=watch)
    if watch or any(wanted.type == EVENT for wanted in every):
        raise click.UsageError("name one type to watch it, or to see events")
    return _show_mixture(every, listing)


def _show(wanted: Named, listing: Listing, *, watch: bool = False) -> None:
    if wanted.type == EVENT:
        from podrun.cli.eventtable import EventQuery, show_events

        if wanted.names:
            raise click.UsageError("events have no names: podrun events POD")
        query = EventQuery(
            "",
            listing.namespace,
            listing.everywhere,
            listing.output,
            headers=listing.headers,
            sort=listing.sort,
        )
        return show_events(query, watch=watch)
    listing = replace(listing, names=wanted.names)
    if wanted.type == POD:
        return show_pods(listing, watch=watch)
    from podrun.cli.objecttable import show_objects

    return show_objects(wanted.kind, listing, watch=watch)


def _show_mixture(every: Sequence[Named], listing: Listing) -> None:
    """A table for each type of which there is something, or one List of all."""
    found = {wanted: _objects(wanted, listing) for wanted in every}
    if not listing.output.is_table:
        show([each for some in found.values() for each in some], listing.output, single=False)
        return
    there = [wanted for wanted, some in found.items() if some]
    for index, wanted in enumerate(there):
        click.echo("\n" if index else "", nl=False)
        _show(wanted, listing)
    if not there:
        nothing_found(listing.namespace, listing.everywhere)


def _objects(wanted: Named, listing: Listing) -> Sequence[Any]:
    listing = replace(listing, names=wanted.names)
    if wanted.type == POD:
        return present_pods(listing)
    from podrun.cli.objects import ObjectReader
    from podrun.cli.objecttable import select

    return select(ObjectReader(), wanted.kind, listing)
