"""``podrun events``: what happened to pods and workloads, and why."""

from __future__ import annotations

import click

from podrun.api.kinds import POD
from podrun.cli.command import all_namespaces_option, namespace_option, verb
from podrun.cli.complete import complete_target
from podrun.cli.eventtable import EventQuery, show_events
from podrun.cli.output import Output, output_option
from podrun.cli.owned import parse_target


@verb("events", "podrun events", "podrun events web -w", "podrun events deploy/web")
@click.argument("pod", metavar="[POD]", default="", shell_complete=complete_target)
@namespace_option
@all_namespaces_option
@output_option("json", "yaml", "name")
@click.option("--for", "about", default="", metavar="POD", help="The same as POD.")
@click.option("-w", "--watch", is_flag=True, help="Go on: print events as they happen.")
@click.option("--no-headers", is_flag=True, help="Leave out the line of headings.")
def command(
    pod: str,
    namespace: str,
    everywhere: bool,
    output: Output,
    about: str,
    watch: bool,
    no_headers: bool,
) -> None:
    """Tell what happened, and why.

    Oldest first.
    """
    if pod and about:
        raise click.UsageError("a pod's name goes with no --for")
    kind, name = parse_target(pod or about) if pod or about else (POD, "")
    query = EventQuery(name, namespace, everywhere, output, headers=not no_headers, kind=kind)
    show_events(query, watch=watch)
