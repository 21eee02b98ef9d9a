"""``podrun ps``: the pods of a namespace, one line each (or one line a container)."""

from __future__ import annotations

import click

from podrun.cli.command import (
    all_namespaces_option,
    namespace_option,
    option,
    selector_option,
    verb,
)
from podrun.cli.complete import complete_pod
from podrun.cli.names import parse_pod
from podrun.cli.output import Output, output_option
from podrun.cli.podtable import Listing, show_pods
from podrun.cli.sorting import sort_option


@verb("ps", "podrun ps", "podrun ps -A -o wide", "podrun ps -l app=web -w")
@click.argument("names", nargs=-1, metavar="[NAME]...", shell_complete=complete_pod)
@namespace_option
@all_namespaces_option
@selector_option
@output_option()
@sort_option
@option("-c", "--containers", is_flag=True, help="One line for each container.")
@option("-w", "--watch", is_flag=True, help="Go on: print a line whenever one changes.")
@option("--show-labels", "labels", is_flag=True, help="One more column: the labels.")
@option("--no-headers", is_flag=True, help="Leave out the line of headings.")
def command(
    names: tuple[str, ...],
    namespace: str,
    everywhere: bool,
    selector: str,
    output: Output,
    sort: str,
    containers: bool,
    watch: bool,
    labels: bool,
    no_headers: bool,
) -> None:
    """List pods.

    Without names, those of the namespace.
    """
    listing = Listing(
        names=tuple(map(parse_pod, names)),
        namespace=namespace,
        everywhere=everywhere,
        selector=selector,
        output=output,
        containers=containers,
        headers=not no_headers,
        sort=sort,
        labels=labels,
    )
    show_pods(listing, watch=watch)
