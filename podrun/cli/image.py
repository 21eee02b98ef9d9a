"""``podrun image …``: the local image store."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import click

from podrun.cli import imagearchive, imageregistry, imagestore
from podrun.cli.command import VerbGroup
from podrun.cli.output import Output, output_option
from podrun.errors import NotFound

if TYPE_CHECKING:
    from podrun.image.store import ImageStore, Removed
    from podrun.image.types import Image

_Decorator = Callable[[Callable[..., Any]], Callable[..., Any]]
_list_output: _Decorator = output_option("json", "yaml", "name")
_object_output: _Decorator = output_option("json", "yaml")


@click.group("image", cls=VerbGroup)
def command() -> None:
    """Manage local images.

    localhost/host, the host's own root file system, is always there.
    """


for other in (
    imageregistry.pull,
    imageregistry.push,
    imagearchive.import_,
    imagearchive.load,
    imagearchive.save,
):
    command.add_command(other)


@command.command("ls")
@_list_output
@click.option("-q", "--quiet", is_flag=True, help="Only the image IDs.")
def ls(output: Output, quiet: bool) -> None:
    """List images."""
    images = imagestore.store().list()
    if quiet:
        click.echo("".join(f"{i.id}\n" for i in images), nl=False)
    elif output.format == "name":
        click.echo("".join(f"image/{i.name or i.id}\n" for i in images), nl=False)
    elif output.is_table:
        _table(images)
    else:
        _print([_row(i) for i in images], output)


@command.command("tag")
@click.argument("image")
@click.argument("name")
def tag(image: str, name: str) -> None:
    """Give an image one more name."""
    tagged = imagestore.store(writing="tag images").tag(image, name)
    click.echo(f"image/{tagged.name} tagged")


@command.command("rm")
@click.argument("images", nargs=-1, required=True, metavar="IMAGE...")
@click.option("-f", "--force", is_flag=True, help="Also when pods use it, or by ID all its names.")
def rm(images: tuple[str, ...], force: bool) -> None:
    """Remove names, and images that have none left.

    What a running pod uses keeps its files until `podrun image prune` finds it unused.
    """
    store = imagestore.store(writing="remove images")
    usage = _usage(store)
    for image in images:
        try:
            _removed(store.remove(image, lambda: usage, force=force))
        except NotFound as error:
            error.hint = "`podrun image ls` shows what is there"
            raise


@command.command("prune")
@click.option("-a", "--all", "everything", is_flag=True, help="Named images no pod uses, too.")
def prune(everything: bool) -> None:
    """Remove images without a name that no pod uses, and what was left half-made."""
    store = imagestore.store(writing="remove images")
    removed = store.prune(lambda: _usage(store), all_unused=everything)
    _removed(removed)
    click.echo(f"{imagestore.size(removed.freed)} freed", err=True)


@command.command("inspect")
@click.argument("image")
@_object_output
def inspect(image: str, output: Output) -> None:
    """Show an image's configuration."""
    found, file = imagestore.store().inspect(image)
    row = _row(found) | {"config": found.config, "history": (file and file.history) or ()}
    _print(row, Output("json") if output.is_table else output)


# ──────────────────────────────────────────────────────────────────────────────────────────────


def _usage(store: ImageStore) -> Mapping[str, Sequence[str]]:
    """Image ID → the pods that need it, by the agent's records."""
    from podrun.agent.podstore import PodStore
    from podrun.cli.imageuse import users
    from podrun.node.paths import Paths

    return users(store, PodStore(Paths(imagestore.config())).list())


def _table(images: Sequence[Image]) -> None:
    """On a terminal too narrow for it the names come last, where they have room or go below."""
    from podrun.cli.table import table
    from podrun.cli.width import columns
    from podrun.pod.printing import age

    now = time.time()
    rows = []
    for image in images:
        repository, colon, tag = image.name.rpartition(":")
        if not colon or "/" in tag or "@" in image.name:
            repository, tag = image.name.partition("@")[0], "<none>"
        created = age(image.created, now) if image.created else "-"
        size = imagestore.size(image.size) if not image.host else "-"
        rows.append((repository or "<none>", tag, image.id[7:19], created, size))
    text = table(("REPOSITORY", "TAG", "IMAGE ID", "CREATED", "SIZE"), rows)
    width = columns()
    if width is not None and max(map(len, text.splitlines())) > width:
        narrow = [(*rest, f"{name}:{tag}") for name, tag, *rest in rows]
        text = table(("IMAGE ID", "CREATED", "SIZE", "REPOSITORY:TAG"), narrow, width=width)
    click.echo(text, nl=False)


def _row(image: Image) -> dict[str, Any]:
    return {
        "name": image.name,
        "id": image.id,
        "manifestDigest": image.manifest,
        "created": image.created,
        "size": image.size,
        "os": image.os,
        "architecture": image.architecture,
        "layers": image.layers,
        "host": image.host,
    }


def _print(value: Any, output: Output) -> None:
    import msgspec

    from podrun.cli import jsonpath
    from podrun.cli.output import as_text

    if output.format == "jsonpath":
        click.echo(jsonpath.render(output.template, msgspec.to_builtins(value)), nl=False)
    else:
        click.echo(as_text(value, output.format), nl=False)


def _removed(removed: Removed) -> None:
    for name in removed.untagged:
        click.echo(f"image/{name} untagged")
    for image_id in removed.deleted:
        click.echo(f"image/{image_id} deleted")
