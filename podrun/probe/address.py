"""From the ``host`` of a probe to an IP address.

getaddrinfo(3) blocks, and asyncio's way around that is a thread, which the agent must not have. So
an IP literal and a name of /etc/hosts are answered here, and ``look_up`` is for a process of its
own.
"""

from __future__ import annotations

import ipaddress
import socket
from pathlib import Path

from podrun.errors import NotFound

_HOSTS = Path("/etc/hosts")
_MAX_BYTES = 1 << 20


def known(host: str, hosts: Path = _HOSTS) -> str | None:
    """The address of a literal or of a name in ``hosts``; None: ask ``look_up``."""
    return literal(host) or _from_file(host.lower().rstrip("."), hosts)


def literal(host: str) -> str | None:
    text = host.removeprefix("[").removesuffix("]")
    try:
        return str(ipaddress.ip_address(text))
    except ValueError:
        return None


def _from_file(host: str, hosts: Path) -> str | None:
    try:
        with hosts.open("rb") as file:
            text = file.read(_MAX_BYTES).decode(errors="replace")
    except OSError:
        return None
    for line in text.splitlines():
        address, *names = line.partition("#")[0].split() or [""]
        if host in (name.lower() for name in names) and (found := literal(address)):
            return found
    return None


def look_up(host: str) -> str:
    """Blocks for as long as the resolver does. Raises NotFound."""
    try:
        found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    except OSError as error:
        raise NotFound(f"lookup {host}: {error.strerror}") from None
    return str(found[0][4][0])
