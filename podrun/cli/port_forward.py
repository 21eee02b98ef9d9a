"""``podrun port-forward``: ports of this machine that lead into a pod."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

from podrun.api.pod import Pod
from podrun.cli.command import namespace_option, verb
from podrun.cli.complete import complete_target
from podrun.cli.owned import find_pod
from podrun.cli.pods import Reader
from podrun.cli.root import require_root
from podrun.errors import NotFound, PodrunError, UsageError

if TYPE_CHECKING:
    from podrun.sandbox.forward import Listener, PodNetwork, Ports

_HIGHEST = 65535


@verb(
    "port-forward",
    "sudo podrun port-forward web 8080:80",
    "sudo podrun port-forward web :http",
    "sudo podrun port-forward deploy/web 8080:80",
    "sudo podrun port-forward web 5432 --address 0.0.0.0",
)
@click.argument("pod", shell_complete=complete_target)
@click.argument("ports", nargs=-1, required=True, metavar="[LOCAL:]REMOTE...")
@namespace_option
@click.option(
    "--address",
    "addresses",
    multiple=True,
    default=("localhost",),
    metavar="ADDR",
    help="Listen here; several with commas [localhost].",
)
def command(
    pod: str, ports: tuple[str, ...], namespace: str, addresses: tuple[str, ...]
) -> int | None:
    """Forward ports of this machine to a pod.

    Connections come out on the pod's own loopback, so servers that listen nowhere else are
    reached, too. REMOTE is a number or the name of a container's port; `:REMOTE` takes a free port
    here. It goes on until it is interrupted, or the pod's sandbox ends. TCP only.
    """
    require_root("enter a pod's network")
    reader = Reader(addresses=False)
    stored = find_pod(reader, pod, namespace)
    wanted = [parse_ports(text, stored.pod) for text in ports]
    hosts = parse_addresses(addresses)
    from podrun.sandbox.forward import PodNetwork, listen

    try:
        network = PodNetwork(stored.paths)
    except NotFound as error:
        raise PodrunError(f'pod "{stored.key[1]}" is not running', hint=error.hint) from None
    listeners = [listener for each in wanted for listener in listen(hosts, each)]
    for listener in listeners:
        click.echo(f"Forwarding from {listener.address} -> {listener.remote}")
    if not _serve(network, listeners):
        raise PodrunError(f'the sandbox of pod "{stored.key[1]}" has ended')
    return 0


class _Teller:
    def accepted(self, listener: Listener) -> None:
        click.echo(f"Handling connection for {listener.port}")

    def failed(self, listener: Listener, error: OSError) -> None:
        why = os.strerror(error.errno) if error.errno else str(error)
        click.echo(f"port {listener.remote} of the pod: {why}", err=True)


def _serve(network: PodNetwork, listeners: Sequence[Listener]) -> bool:
    """False when the sandbox ended; True when somebody interrupted it."""
    import asyncio
    import signal

    from podrun.sandbox.forward import forward

    async def until_interrupted() -> bool:
        work = asyncio.ensure_future(forward(network, listeners, _Teller()))
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            asyncio.get_running_loop().add_signal_handler(number, work.cancel)
        await asyncio.wait([work])
        if work.cancelled():
            return True
        work.result()
        return False

    _more_descriptors()
    return asyncio.run(until_interrupted())


def _more_descriptors() -> None:
    """Each connection takes two."""
    import resource

    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def parse_ports(text: str, pod: Pod) -> Ports:
    """``8080:80``, ``:80``, ``80``; the pod's half may be a name. Raises UsageError, NotFound."""
    from podrun.sandbox.forward import Ports

    local, colon, remote = text.rpartition(":")
    if not remote or ":" in local:
        raise UsageError(f"{text!r} is no pair of ports", hint="write 8080:80, :80 or 80")
    number = _number(remote) if remote.isdecimal() else _named(remote, pod)
    if not colon:
        return Ports(number, number)
    if local and not local.isdecimal():
        raise UsageError(f"{local!r} is no port of this machine", hint="write 8080:80, :80 or 80")
    return Ports(_number(local, least=0) if local else 0, number)


def _number(text: str, least: int = 1) -> int:
    if len(text) > len(str(_HIGHEST)) or not least <= int(text) <= _HIGHEST:
        raise UsageError(f"{text} is no port", hint=f"ports are {least} to {_HIGHEST}")
    return int(text)


def _named(name: str, pod: Pod) -> int:
    every = [port for container in pod.spec.all_containers for port in container.ports]
    for port in every:
        if port.name == name and port.protocol in ("", "TCP"):
            return port.container_port
    names = ", ".join(port.name for port in every if port.name)
    raise NotFound(
        f'pod "{pod.metadata.name}" has no TCP port called "{name}"',
        hint=f"it has {names}" if names else "give a number: its ports have no names",
    )


def parse_addresses(texts: Sequence[str]) -> list[str]:
    """IP addresses and ``localhost``. Raises UsageError."""
    import ipaddress

    found = [address.strip() for text in texts for address in text.split(",")]
    for address in found:
        if address == "localhost":
            continue
        try:
            ipaddress.ip_address(address)
        except ValueError:
            raise UsageError(
                f"{address!r} is no address to listen on", hint="write localhost or an IP address"
            ) from None
    return found
