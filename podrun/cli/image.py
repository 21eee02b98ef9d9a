"""``podrun image …``: the local image store."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from podrun.cli.command import VerbGroup
from podrun.cli.live import Live
from podrun.cli.output import Output, output_option
from podrun.errors import PodrunError, Unavailable, UsageError

if TYPE_CHECKING:
    from podrun.image.store import ImageStore, Removed
    from podrun.image.streams import Readable
    from podrun.image.types import Image, ImageConfig
    from podrun.node.paths import Paths

_Decorator = Callable[[Callable[..., Any]], Callable[..., Any]]
_list_output: _Decorator = output_option("json", "yaml", "name")
_object_output: _Decorator = output_option("json", "yaml")
_REDRAW = 0.1  # seconds between two states of a progress line


@click.group("image", cls=VerbGroup)
def command() -> None:
    """Manage local images.

    localhost/host, the host's own root file system, is always there.
    """


@command.command("ls")
@_list_output
@click.option("-q", "--quiet", is_flag=True, help="Only the image IDs.")
def ls(output: Output, quiet: bool) -> None:
    """List images."""
    images = _store().list()
    if quiet:
        click.echo("".join(f"{i.id}\n" for i in images), nl=False)
    elif output.format == "name":
        click.echo("".join(f"image/{i.name or i.id}\n" for i in images), nl=False)
    elif output.is_table:
        _table(images)
    else:
        _print([_row(i) for i in images], output)


@command.command("import")
@click.argument("source", metavar="TAR|DIR|-")
@click.argument("name")
@click.option("--entrypoint", metavar="CMD", help="As a JSON array or as shell words.")
@click.option("--cmd", metavar="CMD", help="The default arguments, in the same forms.")
@click.option("--env", multiple=True, metavar="NAME=VALUE")
@click.option("--workdir", default="", metavar="DIR")
@click.option("--user", default="", metavar="USER[:GROUP]")
@click.option("--stop-signal", default="", metavar="SIGNAL")
@click.option("--label", multiple=True, metavar="NAME=VALUE")
@click.option("-q", "--quiet", is_flag=True, help="No progress.")
def import_(source: str, name: str, quiet: bool, **settings: Any) -> None:
    """Make an image NAME of a root file system.

    TAR may be compressed with gzip, xz, bzip2 or zstd; - reads it from standard input. A NAME that
    is taken moves to the new image.
    """
    config = _config(**settings)
    store = _store(writing="import images")
    with _reading(source) as stream, Live(quiet=quiet) as live:
        image = store.import_rootfs(stream, name, config, _Progress(live))
    click.echo(f"image/{image.name} imported")


@command.command("load")
@click.argument("archive", metavar="ARCHIVE|DIR|-")
@click.option("--name", default="", metavar="NAME", help="The name for the archive's only image.")
@click.option("-q", "--quiet", is_flag=True, help="No progress.")
def load(archive: str, name: str, quiet: bool) -> None:
    """Take in images from an OCI layout or a docker archive."""
    store = _store(writing="load images")
    with _reading(archive) as stream, Live(quiet=quiet) as live:
        images = store.load(stream, name, _Progress(live))
    for image in images:
        click.echo(f"image/{image.name or image.id} loaded")


@command.command("save")
@click.argument("images", nargs=-1, required=True, metavar="IMAGE...")
@click.option("-f", "--file", "target", required=True, metavar="FILE", help="- is stdout.")
def save(images: tuple[str, ...], target: str) -> None:
    """Write images into one OCI archive."""
    store = _store()
    if target == "-":
        store.save(images, sys.stdout.buffer)
        return
    path = Path(target)
    partial = path.with_name(f".{path.name}.partial")
    try:
        with open(partial, "wb") as file:
            store.save(images, file)
        partial.rename(path)
    except OSError as error:
        raise PodrunError(f"{path}: {error.strerror}") from error
    finally:
        partial.unlink(missing_ok=True)


@command.command("tag")
@click.argument("image")
@click.argument("name")
def tag(image: str, name: str) -> None:
    """Give an image one more name."""
    tagged = _store(writing="tag images").tag(image, name)
    click.echo(f"image/{tagged.name} tagged")


@command.command("rm")
@click.argument("images", nargs=-1, required=True, metavar="IMAGE...")
@click.option("-f", "--force", is_flag=True, help="Also when pods use it, or by ID all its names.")
def rm(images: tuple[str, ...], force: bool) -> None:
    """Remove names, and images that have none left.

    What a running pod uses keeps its files until `podrun image prune` finds it unused.
    """
    store, usage = _store(writing="remove images"), _usage(_paths())
    for image in images:
        _removed(store.remove(image, lambda: usage, force=force))


@command.command("prune")
@click.option("-a", "--all", "everything", is_flag=True, help="Named images no pod uses, too.")
def prune(everything: bool) -> None:
    """Remove images without a name that no pod uses, and what was left half-made."""
    usage = _usage(_paths())
    removed = _store(writing="remove images").prune(lambda: usage, all_unused=everything)
    _removed(removed)
    click.echo(f"{_size(removed.freed)} freed", err=True)


@command.command("inspect")
@click.argument("image")
@_object_output
def inspect(image: str, output: Output) -> None:
    """Show an image's configuration."""
    found, file = _store().inspect(image)
    row = _row(found) | {"config": found.config, "history": (file and file.history) or ()}
    _print(row, Output("json") if output.is_table else output)


@command.command("pull")
@click.argument("images", nargs=-1)
def pull(images: tuple[str, ...]) -> None:
    """(not built yet) Fetch images from a registry."""
    raise _not_built("pull", "skopeo copy docker://NAME oci-archive:FILE, then podrun image load")


@command.command("push")
@click.argument("images", nargs=-1)
def push(images: tuple[str, ...]) -> None:
    """(not built yet) Send images to a registry."""
    raise _not_built("push", "podrun image save, then skopeo copy oci-archive:FILE docker://NAME")


# ──────────────────────────────────────────────────────────────────────────────────────────────


def _not_built(verb: str, instead: str) -> PodrunError:
    return Unavailable(f"`podrun image {verb}` is not built yet", hint=f"use: {instead}")


def _paths() -> Paths:
    from podrun.node.config import load
    from podrun.node.paths import Paths

    return Paths(load())


def _store(writing: str = "") -> ImageStore:
    from podrun.cli.root import require_root
    from podrun.image.store import ImageStore

    require_root(writing or "read the image store")
    return ImageStore(_paths())


@contextmanager
def _reading(source: str) -> Iterator[Path | Readable]:
    """The path, or standard input for "-"."""
    if source == "-":
        yield sys.stdin.buffer
        return
    path = Path(source)
    if not path.exists():
        raise UsageError(f"{source} does not exist")
    yield path


def _config(
    entrypoint: str | None,
    cmd: str | None,
    env: tuple[str, ...],
    workdir: str,
    user: str,
    stop_signal: str,
    label: tuple[str, ...],
) -> ImageConfig:
    from podrun.image.types import ImageConfig

    for pair in (*env, *label):
        if not pair.partition("=")[0] or "=" not in pair:
            raise UsageError(f"{pair!r} is not NAME=VALUE")
    if workdir and not workdir.startswith("/"):
        raise UsageError(f"--workdir {workdir} is not an absolute path")
    return ImageConfig(
        entrypoint=_words("--entrypoint", entrypoint),
        cmd=_words("--cmd", cmd),
        env=env,
        working_dir=workdir,
        user=user,
        stop_signal=stop_signal,
        labels=dict(pair.split("=", 1) for pair in label),
    )


def _words(option: str, text: str | None) -> tuple[str, ...]:
    """A command as a JSON array of strings or as shell words."""
    import shlex

    import msgspec

    try:
        if (text or "").lstrip().startswith("["):
            return msgspec.json.decode(text or "", type=tuple[str, ...])
        return tuple(shlex.split(text or ""))
    except (msgspec.MsgspecError, ValueError) as error:
        raise UsageError(f"{option}: {error}") from None


def _usage(paths: Paths) -> Mapping[str, Sequence[str]]:
    """Image ID → the pods with a container of it, by the agent's records."""
    from podrun.node.records import read_record
    from podrun.pod.facts import Facts

    users: dict[str, list[str]] = {}
    for root in paths.pods.glob("*"):
        facts = read_record(root / "facts.json", Facts)
        pod: dict[str, Any] = read_record(root / "pod.json", dict) or {}
        metadata = pod.get("metadata", {})
        name = f"{metadata.get('namespace', 'default')}/{metadata.get('name', root.name)}"
        for container in facts.containers.values() if facts else ():
            if container.current:
                known = users.setdefault(container.current.image_id, [])
                known += [f"pod {name}"] if f"pod {name}" not in known else []
    return users


class _Progress:
    """Told of bytes by the store; redraws one line a layer, now and then."""

    def __init__(self, live: Live) -> None:
        self._live = live
        self._began = time.monotonic()
        self._drawn = 0.0

    def __call__(self, what: str, done: int, total: int) -> None:
        now = time.monotonic()
        if now - self._drawn < _REDRAW and done != total:
            return
        self._drawn = now
        speed = _size(int(done / max(now - self._began, 0.001)))
        of = f" of {_size(total)} ({100 * done // total} %)" if total else ""
        self._live.say(what, f"{_size(done)}{of}, {speed}/s")


def _size(count: int) -> str:
    """Decimal units, as docker and podman print sizes."""
    value = float(count)
    for unit in ("B", "kB", "MB", "GB"):
        if value < 1000 or unit == "GB":
            break
        value /= 1000
    return f"{value:.0f} {unit}" if unit == "B" or value >= 100 else f"{value:.1f} {unit}"


def _table(images: Sequence[Image]) -> None:
    from podrun.cli.table import table
    from podrun.pod.printing import age

    now = time.time()
    rows = []
    for image in images:
        repository, colon, tag = image.name.rpartition(":")
        if not colon or "/" in tag or "@" in image.name:
            repository, tag = image.name.partition("@")[0], "<none>"
        created = age(image.created, now) if image.created else "-"
        size = _size(image.size) if not image.host else "-"
        rows.append((repository or "<none>", tag, image.id[7:19], created, size))
    click.echo(table(("REPOSITORY", "TAG", "IMAGE ID", "CREATED", "SIZE"), rows), nl=False)


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
