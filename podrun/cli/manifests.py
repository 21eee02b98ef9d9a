"""The manifests a command line names: files, directories, standard input. Imports PyYAML."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

import click

from podrun.api.admit import admit
from podrun.api.load import LoadedPod
from podrun.errors import PodrunError, UsageError
from podrun.node import config

_ENDINGS = (".yaml", ".yml", ".json")
_MAX_BYTES = 16 << 20  # no object of Kubernetes is larger than 3 MiB


def admitted(files: Iterable[str], *, namespace: str = "") -> tuple[LoadedPod, ...]:
    """The valid pods of ``files``, with defaults; notes go to stderr, each once.

    Raises InvalidManifest with everything that is wrong, UsageError when there is nothing to read.
    """
    here = config.load().node_name or os.uname().nodename
    loaded = admit(list(read_sources(files)), namespace=namespace, node_name=here)
    for note in dict.fromkeys(map(str, loaded.notes)):
        click.echo(f"note: {note}", err=True)
    if namespace:
        for each in loaded.objects:
            _check_namespace(each, namespace)
    return loaded.objects


def read_sources(files: Iterable[str]) -> Iterator[tuple[bytes, str]]:
    """(content, name for messages) of each file; a directory stands for the manifests in it."""
    names = list(files)
    if not names:
        raise UsageError("no manifest is named", hint="podrun apply FILE, or - for standard input")
    for name in dict.fromkeys(names):
        if name == "-":
            yield sys.stdin.buffer.read(_MAX_BYTES + 1), "standard input"
        elif name.startswith(("http://", "https://")):
            raise UsageError(
                f"{name}: podrun does not fetch manifests", hint="curl -L URL | podrun apply -f -"
            )
        elif Path(name).is_dir():
            for path in _inside(Path(name)):
                yield _read(path), str(path)
        else:
            yield _read(Path(name)), name


def _inside(directory: Path) -> list[Path]:
    """Not its subdirectories, and no hidden file: those are an editor's."""
    found = sorted(
        path
        for path in directory.iterdir()
        if path.suffix in _ENDINGS and not path.name.startswith(".") and path.is_file()
    )
    if not found:
        raise UsageError(f"{directory}: no {', '.join(_ENDINGS)} file in this directory")
    return found


def _read(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            data = file.read(_MAX_BYTES + 1)
    except OSError as error:
        raise PodrunError(f"{path}: {error.strerror}") from None
    if len(data) > _MAX_BYTES:
        raise PodrunError(f"{path}: larger than {_MAX_BYTES >> 20} MiB: this is no manifest")
    return data


def _check_namespace(loaded: LoadedPod, namespace: str) -> None:
    metadata = loaded.pod.metadata
    if metadata.namespace != namespace:
        raise UsageError(
            f"{loaded.source}: pod {metadata.name} is of namespace {metadata.namespace}, "
            f"but -n says {namespace}"
        )
