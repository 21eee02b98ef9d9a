"""``podrun attach``: the streams of a container's main process."""

from __future__ import annotations

import click

from podrun.cli.command import container_option, namespace_option, verb
from podrun.cli.complete import complete_target
from podrun.cli.containers import running
from podrun.cli.owned import find_pod
from podrun.cli.pods import Reader
from podrun.cli.root import require_root


@verb(
    "attach",
    "sudo podrun attach web",
    "sudo podrun attach -it shell -c app",
)
@click.argument("pod", shell_complete=complete_target)
@namespace_option
@container_option
@click.option("-i", "--stdin", "interactive", is_flag=True, help="Pass standard input on.")
@click.option("-t", "--tty", is_flag=True, help="Expect a terminal; said if there is none.")
def command(pod: str, namespace: str, container: str, interactive: bool, tty: bool) -> int:
    """Attach to the main process of a container.

    Shows what it writes from now on; `podrun logs -f` shows what it wrote before, too. Input goes
    to containers with `stdin: true`. With `tty: true` ctrl-p ctrl-q leaves the container alone.
    The exit code is the container's own; 0 after detaching.
    """
    require_root("attach to a container")
    reader = Reader(addresses=False)
    stored = find_pod(reader, pod, namespace)
    name, run = running(stored, container)
    from podrun.container import attach

    runtime = reader.paths.runtime
    record = attach.running(runtime, run.id)
    if interactive and not record.stdin:
        _note(f'container "{name}" has no stdin: true: going on without -i')
        interactive = False
    if tty and not record.tty:
        _note(f'container "{name}" has no tty: true: going on without -t')
    code = attach.attach(runtime, record, interactive=interactive, typing=_hint)
    if code is None:
        _note("detached: the container runs on")
    return code or 0


def _hint() -> None:
    """The terminal is raw by now."""
    click.echo("note: if there is no prompt, press Enter; ctrl-p ctrl-q detaches\r", err=True)


def _note(text: str) -> None:
    click.echo(f"note: {text}", err=True)
