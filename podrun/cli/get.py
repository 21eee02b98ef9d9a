"""``podrun get``: objects by type, as a table or as they are."""

from __future__ import annotations

import click

from podrun.cli.command import all_namespaces_option, namespace_option, selector_option, verb
from podrun.cli.complete import complete_pod
from podrun.cli.names import EVENT, parse_named
from podrun.cli.output import Output, output_option
from podrun.cli.sorting import sort_option


@verb(
    "get",
    "podrun get pods",
    "podrun get pod web -o yaml",
    "podrun get pod web \\\n    -o jsonpath='{.status.podIP}'",
    "podrun get events",
)
@click.argument("named", nargs=-1, metavar="TYPE [NAME]...", shell_complete=complete_pod)
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
    """Show objects of a type: pods or events.

    A bare name is a pod's.
    """
    if not named:
        raise click.UsageError("which type? pods or events")
    wanted = parse_named(named, lists=True)
    if wanted.type == EVENT:
        from podrun.cli.eventtable import EventQuery, show_events

        if wanted.names:
            raise click.UsageError("events have no names: podrun events POD")
        query = EventQuery("", namespace, everywhere, output, headers=not no_headers, sort=sort)
        return show_events(query, watch=watch)
    from podrun.cli.podtable import Listing, show_pods

    listing = Listing(
        names=wanted.names,
        namespace=namespace,
        everywhere=everywhere,
        selector=selector,
        output=output,
        headers=not no_headers,
        sort=sort,
        labels=labels,
    )
    return show_pods(listing, watch=watch)
