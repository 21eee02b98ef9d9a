"""``podrun restart``: the same pod, its containers anew."""

from __future__ import annotations

import click

from podrun.cli.command import Duration, namespace_option, verb
from podrun.cli.complete import complete_container, complete_pod
from podrun.cli.containers import checked
from podrun.cli.names import POD, parse_named
from podrun.cli.pods import Reader
from podrun.cli.root import require_root
from podrun.errors import UsageError


@verb(
    "restart",
    "sudo podrun restart web",
    "sudo podrun restart web -c app",
    "sudo podrun restart web db --timeout 1m",
)
@click.argument("named", nargs=-1, required=True, metavar="POD...", shell_complete=complete_pod)
@namespace_option
@click.option(
    "-c",
    "--container",
    default="",
    metavar="NAME",
    help="That container alone; else all of the pod.",
    shell_complete=complete_container,
)
@click.option("--wait/--no-wait", default=True, help="Wait until they are started anew [yes].")
@click.option("--timeout", type=Duration(), metavar="TIME", help="Give up waiting after this.")
@click.option("-q", "--quiet", is_flag=True, help="Print only errors.")
def command(
    named: tuple[str, ...],
    namespace: str,
    container: str,
    wait: bool,
    timeout: float | None,
    quiet: bool,
) -> None:
    """Stop containers gracefully and start them again.

    The pod stays what it is: its address, its volumes, its identity. All of a pod begins with its
    init containers. No back-off is waited for. A pod that has ended (Succeeded, Failed) does not
    begin again: delete it and apply it once more.
    """
    require_root("restart pods")
    wanted = parse_named(named)
    if wanted.type != POD or not wanted.names:
        raise UsageError("name a pod", hint="podrun restart web")
    pods = Reader(addresses=False).select(wanted.names, namespace=namespace)
    if container:
        for stored in pods:
            checked(stored.pod, container)
    from podrun.cli.applying import send

    request = {
        "version": 1,
        "verb": "restart",
        "uids": [stored.pod.metadata.uid for stored in pods],
        "container": container,
        "wait": wait,
        "timeout": timeout,
    }
    send(request, quiet=quiet)
