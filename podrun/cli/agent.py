"""``podrun agent``: the node agent in the foreground, for systemd and for who wants to watch."""

from __future__ import annotations

import click

from podrun.cli.command import verb
from podrun.cli.root import require_root
from podrun.errors import Conflict
from podrun.node import config
from podrun.node.paths import Paths


@verb("agent", "sudo podrun agent", "sudo podrun agent --stop")
@click.option("--stop", is_flag=True, help="Let the running agent leave; pods go on.")
def command(stop: bool) -> int:
    """Run the node agent in the foreground.

    Otherwise `apply` starts it by itself, and it leaves when nothing is left to do.
    """
    require_root("run the agent")
    if stop:
        return _stop()
    from podrun.agent.client import try_connect
    from podrun.agent.main import run

    found = try_connect(config.load())
    if found is not None:
        found.close()
        raise Conflict("an agent runs already", hint="`podrun agent --stop` ends it; pods go on")
    return run([])


def _stop() -> int:
    from podrun.agent.client import call, try_connect

    settings = config.load()
    _remember(Paths(settings))
    found = try_connect(settings)
    if found is None:
        click.echo("no agent runs", err=True)
        return 0
    found.close()
    for _ in call(settings, {"verb": "stop"}):
        pass
    click.echo("pods go on; probes and restarts pause until the next apply or delete", err=True)
    return 0


def _remember(paths: Paths) -> None:
    """Readers shall not start one. Where never an agent was, there is nothing to stop."""
    from podrun.agent import stopped

    if paths.run.is_dir():
        stopped.remember(paths)
