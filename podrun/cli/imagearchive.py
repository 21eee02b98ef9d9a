"""``podrun image import``, ``load`` and ``save``: root file systems and image archives."""

from __future__ import annotations

import re
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from podrun.cli import imagestore
from podrun.cli.command import Verb
from podrun.cli.live import Live
from podrun.errors import PodrunError, UsageError

if TYPE_CHECKING:
    from podrun.image.streams import Readable
    from podrun.image.types import ImageConfig

_USER = r"[^:\s]+(:[^:\s]+)?"
_REDRAW = 0.1  # seconds between two states of a progress line


@click.command("import", cls=Verb)
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
    store = imagestore.store(writing="import images")
    with _reading(source) as stream, Live(quiet=quiet) as live:
        image = store.import_rootfs(stream, name, config, _Progress(live))
    click.echo(f"image/{image.name} imported")


@click.command("load", cls=Verb)
@click.argument("archive", metavar="ARCHIVE|DIR|-")
@click.option("--name", default="", metavar="NAME", help="The name for the archive's only image.")
@click.option("-q", "--quiet", is_flag=True, help="No progress.")
def load(archive: str, name: str, quiet: bool) -> None:
    """Take in images from an OCI layout or a docker archive."""
    store = imagestore.store(writing="load images")
    with _reading(archive) as stream, Live(quiet=quiet) as live:
        images = store.load(stream, name, _Progress(live))
    for image in images:
        click.echo(f"image/{image.name or image.id} loaded")


@click.command("save", cls=Verb)
@click.argument("images", nargs=-1, required=True, metavar="IMAGE...")
@click.option("-f", "--file", "target", required=True, metavar="FILE", help="- is stdout.")
def save(images: tuple[str, ...], target: str) -> None:
    """Write images into one OCI archive."""
    store = imagestore.store()
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
    if user and not re.fullmatch(_USER, user):
        raise UsageError(
            f"--user {user} is not USER or USER:GROUP", hint="names or numbers, such as 1000:1000"
        )
    _check_signal(stop_signal)
    return ImageConfig(
        entrypoint=_words("--entrypoint", entrypoint),
        cmd=_words("--cmd", cmd),
        env=env,
        working_dir=workdir,
        user=user,
        stop_signal=stop_signal,
        labels=dict(pair.split("=", 1) for pair in label),
    )


def _check_signal(name: str) -> None:
    from podrun.container.control import signal_number

    if name and signal_number(name) is None:
        raise UsageError(
            f"--stop-signal {name} is no signal of this system",
            hint="a name or a number, such as SIGTERM, TERM, 15 or SIGRTMIN+3",
        )


def _words(option: str, text: str | None) -> tuple[str, ...]:
    """A command as a JSON array of strings or as shell words."""
    import shlex

    import msgspec

    text = text or ""
    try:
        if text.lstrip().startswith("["):
            return msgspec.json.decode(text, type=tuple[str, ...])
        return tuple(shlex.split(text))
    except (msgspec.MsgspecError, ValueError) as error:
        raise UsageError(
            f"{option} {text} is neither a JSON array of strings nor words for a shell: {error}",
            hint="""such as '["/bin/sh", "-c", "echo hello"]' or '/bin/sh -c "echo hello"'""",
        ) from None


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
        speed = imagestore.size(int(done / max(now - self._began, 0.001)))
        of = f" of {imagestore.size(total)} ({100 * done // total} %)" if total else ""
        self._live.say(what, f"{imagestore.size(done)}{of}, {speed}/s")
