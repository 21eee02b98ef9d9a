"""Make the kernel forget UDP flows that know another way than the maps say now.

conntrack decides about NAT at the first packet of a flow, and a UDP flow lives as long as its
client goes on sending. A client that asked before the pod was there would wait for ever for an
answer from the host itself, and one that asked the last pod would go on to its address.

ctnetlink(linux/netfilter/nfnetlink_conntrack.h); the kernel filters the dump (CTA_FILTER, 5.8), and
a flow is deleted by the very bytes that the dump named it with.
"""

from __future__ import annotations

import contextlib
import ipaddress
import socket
import struct
from collections.abc import Callable, Iterable, Iterator

_NETLINK_NETFILTER = 12
_GET, _DELETE = 0x101, 0x102  # NFNL_SUBSYS_CTNETLINK << 8 | IPCTNL_MSG_CT_GET, _DELETE
_REQUEST, _ACK, _DUMP = 0x1, 0x4, 0x300
_ERROR, _DONE = 2, 3

_ORIG, _REPLY, _ID, _ZONE, _FILTER = 1, 2, 12, 18, 25  # CTA_…
_IP, _PROTO = 1, 2  # CTA_TUPLE_…
_NUM, _DST_PORT = 1, 3  # CTA_PROTO_…
_FILTER_ORIG, _FILTER_REPLY = 1, 2
_BY_SOURCE, _BY_NUM, _BY_DST_PORT = 1 << 0, 1 << 3, 1 << 5
_NESTED = 0x8000

Attributes = dict[int, bytes]


def forget_pod(ips: Iterable[str]) -> None:
    """Every UDP flow that goes to a pod with these addresses."""
    for ip in ips:
        source = 1 if ":" not in ip else 3  # CTA_IP_V4_SRC, CTA_IP_V6_SRC
        packed = ipaddress.ip_address(ip).packed
        answers = _nest(_IP, _attribute(source, packed)) + _udp()
        wanted = _nest(_REPLY, answers) + _filter(_FILTER_REPLY, _BY_SOURCE | _BY_NUM)
        _forget(ip, wanted, lambda _: True)


def forget_port(port: int, ips: Iterable[str]) -> None:
    """UDP flows to this port of the host that do not go to the pod with ``ips``, its owner now.

    Flows through the host to the same port of others are let be.
    """
    asked = _udp(_attribute(_DST_PORT, struct.pack("!H", port)))
    wanted = _nest(_ORIG, asked) + _filter(_FILTER_ORIG, _BY_NUM | _BY_DST_PORT)
    current = set(ips)

    def stale(flow: Attributes) -> bool:
        return _asks_host(flow) and _answers_from(flow) not in current

    for ip in current:
        _forget(ip, wanted, stale)


def _forget(ip: str, wanted: bytes, doomed: Callable[[Attributes], bool]) -> None:
    """Best effort: a kernel without ctnetlink has nothing that could be asked."""
    family = socket.AF_INET6 if ":" in ip else socket.AF_INET
    with contextlib.suppress(OSError), _open() as netlink:
        for flow in [flow for flow in _dump(netlink, family, wanted) if doomed(flow)]:
            name = b"".join(
                _attribute(kind | (_NESTED if kind == _ORIG else 0), flow[kind])
                for kind in (_ORIG, _ZONE, _ID)
                if kind in flow
            )
            netlink.send(_message(_DELETE, _REQUEST | _ACK, family, name))
            netlink.recv(65536)  # gone by itself meanwhile: no matter


def _open() -> socket.socket:
    kind = socket.SOCK_RAW | socket.SOCK_CLOEXEC
    return socket.socket(socket.AF_NETLINK, kind, _NETLINK_NETFILTER)


def _dump(netlink: socket.socket, family: int, wanted: bytes) -> Iterator[Attributes]:
    netlink.send(_message(_GET, _REQUEST | _DUMP, family, wanted))
    while True:
        data = netlink.recv(1 << 18)
        at = 0
        while at < len(data):
            length, kind = struct.unpack_from("IH", data, at)
            if kind in (_ERROR, _DONE):
                return
            yield _parse(data[at + 20 : at + length])
            at += length + 3 & ~3


def _asks_host(flow: Attributes) -> bool:
    """Whether the address that the client sent to is one of this host's: it can be bound."""
    address = _address(flow, _ORIG, (2, 4))
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with socket.socket(family, socket.SOCK_DGRAM) as probe:
        try:
            probe.bind((address, 0))
        except OSError:
            return False
    return True


def _answers_from(flow: Attributes) -> str:
    return _address(flow, _REPLY, (1, 3))


def _address(flow: Attributes, direction: int, kinds: tuple[int, int]) -> str:
    found = _parse(_parse(flow[direction])[_IP])
    return str(ipaddress.ip_address(next(found[kind] for kind in kinds if kind in found)))


def _udp(more: bytes = b"") -> bytes:
    return _nest(_PROTO, _attribute(_NUM, bytes([socket.IPPROTO_UDP])) + more)


def _filter(direction: int, flags: int) -> bytes:
    return _nest(_FILTER, _attribute(direction, struct.pack("I", flags)))


def _message(kind: int, flags: int, family: int, attributes: bytes) -> bytes:
    return (
        struct.pack("IHHII", 20 + len(attributes), kind, flags, 0, 0)
        + struct.pack("BBH", family, 0, 0)
        + attributes
    )


def _nest(kind: int, inner: bytes) -> bytes:
    return _attribute(kind | _NESTED, inner)


def _attribute(kind: int, value: bytes) -> bytes:
    return struct.pack("HH", 4 + len(value), kind) + value + bytes(-len(value) % 4)


def _parse(data: bytes) -> Attributes:
    found, at = {}, 0
    while at + 4 <= len(data):
        length, kind = struct.unpack_from("HH", data, at)
        found[kind & 0x3FFF] = data[at + 4 : at + length]
        at += max(length, 4) + 3 & ~3
    return found
