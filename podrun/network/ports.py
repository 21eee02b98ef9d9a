"""hostPorts, bound on the host and never listened on.

No packet reaches these sockets: nftables sends it to the pod before. They are there so that a
taken port is an error now, and so that no server started later is shadowed by a pod without
anybody noticing. A TCP client that does get there (``[::1]`` cannot be translated) is refused.
"""

from __future__ import annotations

import array
import contextlib
import errno
import ipaddress
import socket
import struct

from podrun.errors import Conflict, InvalidManifest, MechanismFailed, PodrunError, Unavailable
from podrun.network import procfs
from podrun.network.layout import Layout
from podrun.network.types import PortMapping

_KINDS = {
    "TCP": (socket.SOCK_STREAM, socket.IPPROTO_TCP),
    "UDP": (socket.SOCK_DGRAM, socket.IPPROTO_UDP),
    "SCTP": (socket.SOCK_STREAM, socket.IPPROTO_SCTP),
}
_SO_ATTACH_FILTER = 26


def bind(layout: Layout, mapping: PortMapping) -> list[socket.socket]:
    """One socket for each family the mapping is for.

    Raises Conflict when the port is taken (naming the process that has it, as far as it can be
    found), Unavailable when the host lacks the protocol, InvalidManifest on a hostIP that no
    port can be opened on.
    """
    with contextlib.ExitStack() as undo:
        bound = []
        for address in _addresses(layout, mapping):
            bound.append(undo.enter_context(_bind(address, mapping)))
        undo.pop_all()
    return bound


def describe(mapping: PortMapping) -> str:
    ip = f"[{mapping.host_ip}]" if ":" in mapping.host_ip else mapping.host_ip
    return f"hostPort {ip}{':' if ip else ''}{mapping.host_port}/{mapping.protocol}"


def _addresses(layout: Layout, mapping: PortMapping) -> list[str]:
    every = {4: "0.0.0.0", 6: "::"}
    if not mapping.host_ip:
        return [every[r.version] for r in layout.ranges]
    try:
        address = ipaddress.ip_address(mapping.host_ip)
    except ValueError:
        raise InvalidManifest(f"hostIP {mapping.host_ip!r} is not an IP address") from None
    if address == ipaddress.IPv6Address("::1"):
        raise InvalidManifest(
            "hostIP ::1: the kernel cannot send packets of the IPv6 loopback to a pod",
            hint="use 127.0.0.1",
        )
    if layout.range(address.version) is None:
        raise Unavailable(
            f"hostIP {mapping.host_ip}: pods here have no IPv{address.version} address",
            hint=f"add an IPv{address.version} range to podCidrs",
        )
    return [str(address)]


def _bind(address: str, mapping: PortMapping) -> socket.socket:
    """Strictly at first. Connections of a server that has gone may still linger (TIME_WAIT) and
    keep the port for a minute: when nobody can be found who has it, they alone are looked past."""
    bound = _socket(address, mapping)
    try:
        try:
            bound.bind((address, mapping.host_port))
        except OSError as error:
            if error.errno != errno.EADDRINUSE or mapping.protocol != "TCP":
                raise
            if procfs.holder(mapping.protocol, mapping.host_port):
                raise
            bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            bound.bind((address, mapping.host_port))
            bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 0)
    except OSError as error:
        bound.close()
        raise _refusal(mapping, error) from None
    return bound


def _socket(address: str, mapping: PortMapping) -> socket.socket:
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    kind, protocol = _KINDS[mapping.protocol]
    try:
        made = socket.socket(family, kind | socket.SOCK_CLOEXEC, protocol)
    except OSError as error:
        if error.errno not in (errno.EPROTONOSUPPORT, errno.ESOCKTNOSUPPORT, errno.EAFNOSUPPORT):
            raise MechanismFailed.from_oserror(f"bind {describe(mapping)}", error) from None
        raise Unavailable(
            f"{describe(mapping)}: this kernel has no {mapping.protocol}",
            hint="modprobe sctp" if mapping.protocol == "SCTP" else "",
        ) from None
    if family == socket.AF_INET6:
        made.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
    if mapping.protocol == "UDP":
        _drop_everything(made)
    return made


def _drop_everything(udp: socket.socket) -> None:
    """A classic BPF program of one instruction, ``ret 0``: nobody reads this socket, so nothing
    that strays in may be kept in memory."""
    program = array.array("B", struct.pack("HBBI", 0x06, 0, 0, 0))
    address, _ = program.buffer_info()
    udp.setsockopt(socket.SOL_SOCKET, _SO_ATTACH_FILTER, struct.pack("HP", 1, address))


def _refusal(mapping: PortMapping, error: OSError) -> PodrunError:
    what = describe(mapping)
    if error.errno == errno.EADDRINUSE:
        holder = procfs.holder(mapping.protocol, mapping.host_port)
        return Conflict(
            f"{what} is taken by {holder or 'a process that could not be found'}",
            hint="choose another hostPort, or stop what has it",
            reason="HostPortConflict",
        )
    if error.errno == errno.EADDRNOTAVAIL:
        return Unavailable(
            f"{what}: this host has no address {mapping.host_ip}",
            hint="see `ip address`; leave hostIP out to open the port on every address",
            reason="HostPortConflict",
        )
    return MechanismFailed.from_oserror(f"bind {what}", error)
