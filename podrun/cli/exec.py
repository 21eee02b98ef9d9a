"""``podrun exec``: a command in a running container."""

from __future__ import annotations

import sys

import click

from podrun.cli.command import container_option, namespace_option, verb
from podrun.cli.complete import complete_target
from podrun.cli.containers import running
from podrun.cli.owned import find_pod
from podrun.cli.pods import Reader
from podrun.cli.root import require_root
from podrun.linux import sealed


@verb(
    "exec",
    "sudo podrun exec web -- ls /",
    "sudo podrun exec -it web -c app -- sh",
    "sudo podrun exec deploy/web -- ls /",
)
@click.argument("pod", shell_complete=complete_target)
@click.argument("args", nargs=-1, required=True, metavar="-- COMMAND...", type=click.UNPROCESSED)
@namespace_option
@container_option
@click.option("-i", "--stdin", "interactive", is_flag=True, help="Pass standard input on.")
@click.option("-t", "--tty", is_flag=True, help="Give the command a terminal.")
def command(
    pod: str,
    args: tuple[str, ...],
    namespace: str,
    container: str,
    interactive: bool,
    tty: bool,
) -> int:
    """Run a command in a container.

    It runs in the container's namespaces and cgroup, as its user and with its rights. The exit
    code is the command's own; 127 and 126 where it is not there or no program.
    """
    require_root("join a container")
    sealed.seal_this_process()
    reader = Reader(addresses=False)
    stored = find_pod(reader, pod, namespace)
    _, run = running(stored, container)
    if tty and not sys.stdin.isatty():
        click.echo("note: standard input is no terminal: going on without -t", err=True)
        tty = False
    from podrun.container.exec import NotExecuted, run_in_container

    try:
        return run_in_container(reader.config, run.id, args, tty=tty, interactive=interactive)
    except NotExecuted as error:
        click.echo(f"error: {error.message}", err=True)
        return error.code
