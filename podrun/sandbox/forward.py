"""TCP from ports of this machine into a pod's network namespace: podrun port-forward.

    client ──► listener (here) ──► accept ──► socket made in the pod's namespace ──► 127.0.0.1, ::1
                                      │                                                   │
                                      └──────── bytes both ways, half-closes too ─────────┘

A socket belongs for ever to the namespace it was made in, so the process is in the pod's only while
it makes one. The pod's own loopback is what is connected to, as the kubelet does: servers that are
bound to nothing else are reached, too. One process, one loop; no connection harms another.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import os
import socket
import struct
from collections.abc import Sequence
from typing import NamedTuple, Protocol

from podrun.errors import Conflict, NotFound, PodrunError
from podrun.linux import namespace, process
from podrun.node.paths import PodPaths
from podrun.sandbox.create import read

_CHUNK = 1 << 16
_BACKLOG = 128
_LOOPBACK = ((socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1"))
#: how often a free port is looked for that is free on every address
_TRIES = 20


class Ports(NamedTuple):
    """``local`` 0: any free one."""

    local: int
    remote: int


class Listener(NamedTuple):
    socket: socket.socket
    remote: int

    @property
    def port(self) -> int:
        port: int = self.socket.getsockname()[1]
        return port

    @property
    def address(self) -> str:
        """``127.0.0.1:80`` or ``[::1]:80``."""
        host = self.socket.getsockname()[0]
        return f"[{host}]:{self.port}" if ":" in host else f"{host}:{self.port}"


class Teller(Protocol):
    """Hears what happens while ports are forwarded."""

    def accepted(self, listener: Listener) -> None: ...

    def failed(self, listener: Listener, error: OSError) -> None: ...


class PodNetwork:
    """The network namespace of a running pod, held by a descriptor of its pause process.

    The descriptor does not keep the namespace: with pause it goes. Raises NotFound.
    """

    def __init__(self, pod: PodPaths) -> None:
        record = read(pod)
        alive = record is not None and record.alive()
        pidfd = process.pidfd_of(record.pid, record.start_time) if record and alive else None
        if pidfd is None:
            raise NotFound("the pod has no sandbox now", hint="see `podrun ps`")
        self.pidfd = pidfd
        self._home = os.open("/proc/self/ns/net", os.O_RDONLY | os.O_CLOEXEC)

    def close(self) -> None:
        os.close(self.pidfd)
        os.close(self._home)

    def make_socket(self, family: int) -> socket.socket:
        """A TCP socket of the pod. OSError when the pod has gone."""
        namespace.setns(self.pidfd, namespace.CLONE_NEWNET, "the pod's network")
        try:
            return socket.socket(family, socket.SOCK_STREAM)
        finally:
            namespace.setns(self._home, namespace.CLONE_NEWNET, "our network")

    async def connect(self, port: int) -> socket.socket:
        """To the pod's loopback. OSError of the first family that is there at all."""
        refused: OSError | None = None
        for family, host in _LOOPBACK:
            try:
                return await self._connect(family, host, port)
            except OSError as error:
                refused = refused or error
        assert refused is not None
        raise refused

    async def _connect(self, family: int, host: str, port: int) -> socket.socket:
        made = self.make_socket(family)
        try:
            made.setblocking(False)
            await asyncio.get_running_loop().sock_connect(made, (host, port))
        except BaseException:
            made.close()
            raise
        return made


# ── listening ───────────────────────────────────────────────────────────────────────────────────


def listen(addresses: Sequence[str], ports: Ports) -> list[Listener]:
    """One listener for each address, all with one port. Raises Conflict, PodrunError.

    ``localhost`` is 127.0.0.1 and, where the machine has IPv6, ::1.
    """
    for _ in range(_TRIES):
        with contextlib.ExitStack() as undo:
            found: list[Listener] = []
            try:
                for host, optional in _hosts(addresses).items():
                    port = found[0].port if found else ports.local
                    made = _bind(host, port, optional)
                    if made is not None:
                        found.append(Listener(undo.enter_context(made), ports.remote))
            except OSError as error:
                if error.errno == errno.EADDRINUSE and ports.local == 0 and found:
                    continue  # free on one address, but not on the next
                raise _cannot_listen(host, port, error) from None
            undo.pop_all()
            return found
    raise Conflict(f"no port is free on all of {', '.join(addresses)}")


def _hosts(addresses: Sequence[str]) -> dict[str, bool]:
    """Address → whether it may be missing."""
    found: dict[str, bool] = {}
    for address in addresses:
        if address == "localhost":
            found.setdefault("127.0.0.1", False)
            found.setdefault("::1", True)
        else:
            found[address] = False
    return found


def _bind(host: str, port: int, optional: bool) -> socket.socket | None:
    try:
        made = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
    except OSError:
        if optional:
            return None
        raise
    try:
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if made.family == socket.AF_INET6:
            made.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        made.bind((host, port))
        made.listen(_BACKLOG)
        made.setblocking(False)
    except OSError as error:
        made.close()
        if optional and error.errno in (errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT):
            return None
        raise
    return made


def _cannot_listen(host: str, port: int, error: OSError) -> PodrunError:
    where = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    if error.errno == errno.EADDRINUSE:
        hint = f"`ss -ltnp sport = :{port}` tells by whom; `:REMOTE` takes a free port"
        return Conflict(f"{where} is taken", hint=hint)
    if error.errno == errno.EADDRNOTAVAIL:
        return Conflict(f"{host} is no address of this machine", hint="see `ip address`")
    return PodrunError(f"listen on {where}: {error.strerror}")


# ── forwarding ──────────────────────────────────────────────────────────────────────────────────


async def forward(network: PodNetwork, listeners: Sequence[Listener], teller: Teller) -> None:
    """Until cancelled, or until the pod's sandbox has ended: then it returns."""
    gone = asyncio.Event()
    loop = asyncio.get_running_loop()
    loop.add_reader(network.pidfd, gone.set)
    connections: set[asyncio.Task[None]] = set()
    try:
        async with contextlib.AsyncExitStack() as stack:
            for listener in listeners:
                serve = _Service(network, listener, teller, connections)
                server = await asyncio.start_server(serve, sock=listener.socket)
                stack.callback(server.close)
            await gone.wait()
    finally:
        loop.remove_reader(network.pidfd)
        for connection in connections:
            connection.cancel()
        await asyncio.gather(*connections, return_exceptions=True)


class _Service:
    """What is done with each connection of one listener. Its troubles stay its own."""

    def __init__(
        self,
        network: PodNetwork,
        listener: Listener,
        teller: Teller,
        connections: set[asyncio.Task[None]],
    ) -> None:
        self._network = network
        self._listener = listener
        self._teller = teller
        self._connections = connections

    async def __call__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._connections.add(task)
        self._teller.accepted(self._listener)
        try:
            inside = await asyncio.open_connection(
                sock=await self._network.connect(self._listener.remote)
            )
        except OSError as error:
            self._teller.failed(self._listener, error)
            _reset(writer)  # the client shall not take it for an empty answer
        else:
            await _join((reader, writer), inside)
        finally:
            self._connections.discard(task)


_Stream = tuple[asyncio.StreamReader, asyncio.StreamWriter]


async def _join(here: _Stream, there: _Stream) -> None:
    """Both ways until both have ended. One side's reset is the other's, too."""
    try:
        async with asyncio.TaskGroup() as group:
            group.create_task(_pump(here[0], there[1]))
            group.create_task(_pump(there[0], here[1]))
        for _, writer in (here, there):
            writer.close()
    except* OSError:
        pass
    finally:
        for _, writer in (here, there):
            if not writer.is_closing():
                _reset(writer)


def _reset(writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):  # it may be reset already
        linger = struct.pack("ii", 1, 0)
        writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
    writer.transport.abort()


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(_CHUNK):
        writer.write(data)
        await writer.drain()
    if writer.can_write_eof():
        writer.write_eof()
