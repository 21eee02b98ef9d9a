"""tcpSocket probes: being accepted is success, and nothing is said."""

from __future__ import annotations

import asyncio
import ipaddress
import socket

import msgspec

from podrun.probe import dial
from podrun.probe.outcome import FAILURE, SUCCESS, Outcome


class TcpConnect(msgspec.Struct, frozen=True):
    """``address`` is an IP literal."""

    address: str
    port: int


async def connect(wanted: TcpConnect, timeout: float | None) -> Outcome:
    try:
        async with asyncio.timeout(timeout):
            await _connect(wanted)
    except TimeoutError:
        where = dial.join(wanted.address, wanted.port)
        return Outcome(FAILURE, f"dial tcp {where}: i/o timeout")
    except OSError as error:
        return Outcome(FAILURE, dial.text_of(error, wanted.address, wanted.port))
    return Outcome(SUCCESS)


async def _connect(wanted: TcpConnect) -> None:
    version = ipaddress.ip_address(wanted.address).version
    family = socket.AF_INET if version == 4 else socket.AF_INET6
    with socket.socket(family, socket.SOCK_STREAM | socket.SOCK_NONBLOCK) as sock:
        await asyncio.get_running_loop().sock_connect(sock, (wanted.address, wanted.port))
