"""``podrun completion``: the script that teaches a shell our words."""

from __future__ import annotations

import click

from podrun.cli.command import verb

_SHELLS = ("bash", "zsh", "fish")


@verb(
    "completion",
    "source <(podrun completion bash)",
    "podrun completion fish | source",
)
@click.argument("shell", type=click.Choice(_SHELLS))
def command(shell: str) -> None:
    """Print the script for shell completion.

    Source it in the shell's start-up file. Names of pods and containers are completed as they are
    at that moment.
    """
    from click.shell_completion import get_completion_class

    from podrun.cli.main import main

    found = get_completion_class(shell)
    assert found is not None
    template = found(main, {}, "podrun", "_PODRUN_COMPLETE")
    # ``source()`` would first run bash to ask its version, although another one may read this.
    click.echo(template.source_template % template.source_vars())
