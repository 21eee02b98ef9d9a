"""``podrun explain``: the table of fields, for people."""

from __future__ import annotations

import click

from podrun.cli.command import verb
from podrun.cli.complete import complete_field

WIDEST = 90  # longer lines of prose are hard to read


@verb(
    "explain",
    "podrun explain pod.spec",
    "podrun explain pod.spec.containers.env",
    "podrun explain configmap",
)
@click.argument("field", default="pod", shell_complete=complete_field)
def command(field: str) -> None:
    """Explain a field of a manifest.

    What it means, and whether podrun supports it.
    """
    from podrun.api.fields.explain import explain
    from podrun.cli.width import columns

    width = min(columns() or WIDEST, WIDEST)
    click.echo(explain(field, width), nl=False)
