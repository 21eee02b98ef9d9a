"""``podrun cp``: files and directories into a container and out of it."""

from __future__ import annotations

import contextlib
import os
from typing import TYPE_CHECKING, NamedTuple

import click

from podrun.cli.command import container_option, namespace_option, verb
from podrun.cli.containers import running
from podrun.cli.pods import Reader
from podrun.cli.root import require_root
from podrun.cli.table import printable
from podrun.errors import UsageError

if TYPE_CHECKING:
    from podrun.container.copyfile import Owner
    from podrun.node.config import Config


class Spec(NamedTuple):
    """``pod`` "": a path of this machine."""

    path: str
    pod: str = ""
    namespace: str = ""


@verb(
    "cp",
    "sudo podrun cp page.html web:/srv/",
    "sudo podrun cp web:/var/log ./log -c app",
    "sudo podrun cp conf/. team/web:/etc/app",
)
@click.argument("source", metavar="[[NS/]POD:]SRC")
@click.argument("target", metavar="[[NS/]POD:]DST")
@namespace_option
@container_option
def command(source: str, target: str, namespace: str, container: str) -> None:
    """Copy files into a container or out of it.

    Nothing is needed in the image, and no link leads out of the container. A directory goes with
    all below it; links in it stay links. Permissions and times are kept; files become the
    container's user's inside, yours outside. DST may be a directory that exists: what goes in is
    put into it under its own name, and so is a file that comes out; of a directory that comes out
    the contents are. SRC/. always means the contents. Sockets, FIFOs and devices are left out.
    """
    require_root("reach into a container")
    start, end = parse_spec(source), parse_spec(target)
    if bool(start.pod) == bool(end.pod):
        both = "both are in pods" if start.pod else "neither is in a pod"
        raise UsageError(f"{source} and {target}: {both}", hint="write one as POD:PATH")
    from podrun.container.copy import copy
    from podrun.container.place import in_container, on_host

    config, container_id = _running(start if start.pod else end, namespace, container)
    label = f"{start.pod or end.pod}:"
    with contextlib.ExitStack() as stack:
        host = stack.enter_context(on_host(caller()))
        inside = stack.enter_context(in_container(config, container_id, label))
        ends = (inside, host) if start.pod else (host, inside)
        copy((ends[0], start.path), (ends[1], end.path), _note, merge=bool(start.pod))


def _note(text: str) -> None:
    click.echo(printable(text), err=True)


def _running(spec: Spec, namespace: str, container: str) -> tuple[Config, str]:
    """The configuration and the ID of the container. Raises NotFound, PodrunError."""
    reader = Reader(addresses=False)
    stored = reader.find(spec.pod, spec.namespace or namespace)
    _, run = running(stored, container)
    return reader.config, run.id


def parse_spec(text: str) -> Spec:
    """``web:/path``, ``team/web:/path``, ``pod/web:/path``; all else is a path of this machine.

    A path with a colon is told apart by its beginning: ``./a:b``. Raises UsageError.
    """
    head, colon, path = text.partition(":")
    if not text:
        raise UsageError("a path is missing", hint="write . for this directory")
    if not colon or text.startswith((".", "/", "~")):
        return Spec(text)
    if not path:
        raise UsageError(f"{text!r}: a path is missing", hint=f"the root is {head}:/")
    namespace, _, pod = head.rpartition("/")
    if not pod or "/" in namespace:
        raise UsageError(
            f"{text!r}: {head!r} is no pod", hint=f"a file of this machine is ./{text}"
        )
    return Spec(path, pod, "" if namespace in ("po", "pod", "pods") else namespace)


def caller() -> Owner:
    """Who gets what comes out: the user behind sudo, else who we are."""
    from podrun.container.copyfile import Owner

    ids = [os.environ.get(name, "") for name in ("SUDO_UID", "SUDO_GID")]
    if os.geteuid() == 0 and all(text.isdecimal() for text in ids):
        return Owner(int(ids[0]), int(ids[1]))
    return Owner(os.geteuid(), os.getegid())
