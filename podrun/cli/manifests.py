"""The manifests a command line names: files, directories, standard input."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Iterator

from podrun.errors import TYPE_CHECKING, PodrunError, UsageError

if TYPE_CHECKING:
    from podrun.agent.admission import Source
    from podrun.api.objects import AnyObject
    from podrun.api.pod import Pod

_ENDINGS = (".yaml", ".yml", ".json")
_MAX_BYTES = 16 << 20  # no object of Kubernetes is larger than 3 MiB


def admitted(
    sources: Iterable[Source], *, namespace: str = "", quiet: bool = False
) -> tuple[Pod, ...]:
    """The pods among ``admitted_objects``."""
    from podrun.api.pod import Pod

    found = admitted_objects(sources, namespace=namespace, quiet=quiet)
    return tuple(each for each in found if isinstance(each, Pod))


def admitted_objects(
    sources: Iterable[Source], *, namespace: str = "", quiet: bool = False
) -> tuple[AnyObject, ...]:
    """The valid objects of ``sources``, with defaults; notes go to stderr, unless ``quiet``.

    Raises InvalidManifest with everything that is wrong. Imports PyYAML.
    """
    from podrun.agent import admission
    from podrun.node import config

    here = config.load().node_name or os.uname().nodename
    found = admission.admitted(sources, namespace=namespace, node_name=here)
    for note in () if quiet else found.notes:
        print(f"note: {note}", file=sys.stderr)
    return found.objects


def read_sources(files: Iterable[str]) -> Iterator[Source]:
    """(content, name for messages) of each file; a directory stands for the manifests in it.

    Raises UsageError when there is nothing to read.
    """
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
        elif os.path.isdir(name):
            for path in _inside(name):
                yield _read(path), path
        else:
            yield _read(name), name


def _inside(directory: str) -> list[str]:
    """Not its subdirectories, and no hidden file: those are an editor's."""
    found = sorted(
        entry.path
        for entry in os.scandir(directory)
        if entry.name.endswith(_ENDINGS) and not entry.name.startswith(".") and entry.is_file()
    )
    if not found:
        raise UsageError(f"{directory}: no {', '.join(_ENDINGS)} file in this directory")
    return found


def _read(path: str) -> bytes:
    try:
        with open(path, "rb") as file:
            data = file.read(_MAX_BYTES + 1)
    except OSError as error:
        raise PodrunError(f"{path}: {error.strerror}") from None
    if len(data) > _MAX_BYTES:
        raise PodrunError(f"{path}: larger than {_MAX_BYTES >> 20} MiB: this is no manifest")
    return data
