"""``podrun image pull`` and ``push``: from registries, and to them."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import click

from podrun.cli import imagestore
from podrun.cli.command import Verb
from podrun.cli.layerbars import LayerBars
from podrun.cli.live import Live

if TYPE_CHECKING:
    from podrun.node.config import Config
    from podrun.registry.types import Keyring


@click.command("pull", cls=Verb)
@click.argument("names", nargs=-1, required=True, metavar="NAME...")
@click.option("--platform", default="", metavar="OS/ARCH", help="Not this machine's, but another.")
@click.option("-q", "--quiet", is_flag=True, help="No progress.")
def pull(names: tuple[str, ...], platform: str, quiet: bool) -> None:
    """Fetch images from registries.

    NAME is [registry/]name[:tag] or name@sha256:… . What is here already is not fetched again, and
    what an interrupted pull has fetched is used. Logins: podrun login.
    """
    from podrun.image.pull import pull

    store, config = imagestore.store(writing="pull images"), imagestore.config()
    keyring = _keyring(config)
    for name in names:
        before = {entry.name: entry.digest for entry in store.layout.index().manifests}
        with Live(quiet=quiet) as live:
            bars = LayerBars(live)
            image = pull(store, config, name, keyring, bars, platform=platform)
        done = "unchanged" if before.get(image.name) == image.manifest else "pulled"
        click.echo(f"image/{image.name} {done}")


@click.command("push", cls=Verb)
@click.argument("image")
@click.argument("destination", default="")
@click.option("-q", "--quiet", is_flag=True, help="No progress.")
def push(image: str, destination: str, quiet: bool) -> None:
    """Send an image to a registry, under its own name or as DESTINATION.

    It keeps its digest. What the registry has already is not sent again.
    """
    from podrun.image.push import push

    store, config = imagestore.store(writing="push images"), imagestore.config()
    with Live(quiet=quiet) as live:
        digest = push(store, config, image, destination, _keyring(config), LayerBars(live))
    click.echo(f"image/{destination or image} pushed, {digest}")


def _keyring(config: Config) -> Keyring:
    from podrun.registry.config import Registries
    from podrun.registry.credentials import FileKeyring, sudo_uid

    helpers = Registries.load(config).credential_helpers
    return FileKeyring(config, helpers=helpers, user=sudo_uid(os.environ))
