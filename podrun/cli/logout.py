"""``podrun logout``: forgets logins, in every file of root's where podrun would find them."""

from __future__ import annotations

import click

from podrun.cli.command import verb
from podrun.errors import UsageError


@verb("logout", "podrun logout", "podrun logout registry.example:5000", "podrun logout --all")
@click.argument("registry", default="", metavar="[REGISTRY]")
@click.option("-a", "--all", "everything", is_flag=True, help="From all registries.")
def command(registry: str, everything: bool) -> None:
    """Forget name and password for a registry.

    docker and podman share the files: they forget them, too. REGISTRY is as in `podrun login`.
    """
    from podrun.cli.login import registry_place
    from podrun.cli.root import require_root
    from podrun.node.config import load
    from podrun.registry.config import Registries
    from podrun.registry.credentials import logout

    require_root("log out")
    if registry and everything:
        raise UsageError(f"either {registry} or --all")
    config = load()
    registries = Registries.load(config)
    place = "" if everything else registry_place(registry, registries)
    name = place or "all registries"
    removed = logout(config, place, helpers=registries.credential_helpers)
    for where in dict.fromkeys(removed):
        click.echo(f"logged out of {name}; removed from {where}")
    if not removed:
        click.echo(f"not logged in to {name}", err=True)
