"""rtnetlink with pyroute2, which only this room imports, and only when a link is to be changed.

pyroute2's messages are used, its sockets are not where it matters: a synchronous ``IPRoute`` of 0.9
runs an event loop of its own for each call, which in a freshly forked worker means 2,000 pages to
copy and 13 ms for one pod. Here all messages for one namespace go out in one send and 410 pages
are touched: 4 ms. ``IPRoute`` remains for what is rare and large, dumps. It works in a worker
forked from a process with a running loop, because asyncio forgets the parent's loop after a fork.

``IPRoute(netns=…)`` is not used: it makes missing namespaces and forks a process for each socket.
The import costs about 130 ms, so the agent pays it once, before it forks (``attach.preload``).
"""

from __future__ import annotations

import contextlib
import errno
import os
import socket
import struct
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import msgspec

from podrun.errors import MechanismFailed, PodrunError, Unavailable
from podrun.linux.namespace import CLONE_NEWNET, setns

if TYPE_CHECKING:
    from pyroute2 import IPRoute

IFF_UP = 1
_IFA_F_NODAD = 2

_NEWLINK, _DELLINK, _NEWADDR, _NEWROUTE = 16, 17, 20, 24
_REQUEST, _ACK, _REPLACE, _EXCL, _CREATE = 0x1, 0x4, 0x100, 0x200, 0x400
_SOL_NETLINK, _NETLINK_CAP_ACK, _NETLINK_EXT_ACK = 270, 10, 11
_ACK_TLVS, _ATTR_MSG = 0x200, 1
_ANSWER = struct.Struct("IHHIIi")  # nlmsghdr: length, type, flags, sequence, port; and the error

Attributes = list[tuple[str, Any]]


class Request(msgspec.Struct, frozen=True):
    """One message. ``what`` is what it does, for the error: "make veth1234"."""

    what: str
    kind: int
    flags: int
    fields: dict[str, Any]


def new_bridge(name: str, mac: str) -> Request:
    info = {"attrs": [("IFLA_INFO_KIND", "bridge")]}
    attrs: Attributes = [
        ("IFLA_IFNAME", name), ("IFLA_ADDRESS", mac), ("IFLA_LINKINFO", info),
    ]  # fmt: skip
    return Request(f"make the bridge {name}", _NEWLINK, _CREATE | _EXCL, {"attrs": attrs})


def new_veth(name: str, bridge: int, netns_fd: int, peer_mac: str) -> Request:
    """The pair, with ``name`` up and on the bridge, and its peer as eth0 in the other namespace."""
    peer: Attributes = [
        ("IFLA_IFNAME", "eth0"), ("IFLA_NET_NS_FD", netns_fd), ("IFLA_ADDRESS", peer_mac),
    ]  # fmt: skip
    data = {"attrs": [("VETH_INFO_PEER", {"attrs": peer})]}
    info = {"attrs": [("IFLA_INFO_KIND", "veth"), ("IFLA_INFO_DATA", data)]}
    attrs: Attributes = [
        ("IFLA_IFNAME", name), ("IFLA_MASTER", bridge), ("IFLA_LINKINFO", info),
    ]  # fmt: skip
    fields = {"flags": IFF_UP, "change": IFF_UP, "attrs": attrs}
    return Request(f"make {name}", _NEWLINK, _CREATE | _EXCL, fields)


def hairpin(name: str) -> Request:
    """Let the bridge send a packet back through the port it came from."""
    data = {"attrs": [("IFLA_BRPORT_MODE", 1)]}
    info = {"attrs": [("IFLA_INFO_SLAVE_KIND", "bridge"), ("IFLA_INFO_SLAVE_DATA", data)]}
    attrs: Attributes = [("IFLA_IFNAME", name), ("IFLA_LINKINFO", info)]
    return Request(f"turn on hairpin mode of {name}", _NEWLINK, 0, {"attrs": attrs})


def link_up(index: int, name: str, alias: str = "") -> Request:
    attrs: Attributes = [("IFLA_IFALIAS", alias)] if alias else []
    fields = {"index": index, "flags": IFF_UP, "change": IFF_UP, "attrs": attrs}
    return Request(f"set {name} up", _NEWLINK, 0, fields)


def delete_link(index: int, name: str) -> Request:
    return Request(f"remove {name}", _DELLINK, 0, {"index": index, "attrs": []})


def address(index: int, name: str, ip: str, prefix: int) -> Request:
    """IPv6 without duplicate address detection: usable at once."""
    v6 = ":" in ip
    attrs: Attributes = [("IFA_ADDRESS", ip)] if v6 else [("IFA_ADDRESS", ip), ("IFA_LOCAL", ip)]
    fields = {
        "family": _family(ip),
        "prefixlen": prefix,
        "flags": _IFA_F_NODAD if v6 else 0,
        "index": index,
        "attrs": attrs,
    }
    return Request(f"give {name} the address {ip}", _NEWADDR, _CREATE | _REPLACE, fields)


def default_route(index: int, gateway: str) -> Request:
    fields = {
        "family": _family(gateway),
        "dst_len": 0,
        "table": 254,  # RT_TABLE_MAIN
        "proto": 4,  # RTPROT_STATIC
        "scope": 0,  # RT_SCOPE_UNIVERSE
        "type": 1,  # RTN_UNICAST
        "attrs": [("RTA_GATEWAY", gateway), ("RTA_OIF", index)],
    }
    return Request(f"route by {gateway}", _NEWROUTE, _CREATE | _EXCL, fields)


def preload() -> None:
    """Import pyroute2, and have it build what it builds for the first message of each kind: 1 ms
    that every worker would spend."""
    for request in (
        new_veth("", 1, 0, "02:00:00:00:00:01"),
        hairpin(""),
        link_up(1, ""),
        *(address(1, "", ip, 0) for ip in ("0.0.0.0", "::")),
        *(default_route(1, ip) for ip in ("0.0.0.0", "::")),
    ):
        _encoded(request, 0)


def open_socket() -> socket.socket:
    """rtnetlink in the network namespace this process is in; it goes on belonging to that one."""
    made = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, 0)
    with contextlib.suppress(OSError):
        made.setsockopt(_SOL_NETLINK, _NETLINK_CAP_ACK, 1)
        made.setsockopt(_SOL_NETLINK, _NETLINK_EXT_ACK, 1)
    return made


def transact(rtnetlink: socket.socket, requests: Sequence[Request]) -> None:
    """Send all of them at once, in this order. Raises on the first that failed; the kernel has
    tried the others all the same. (MechanismFailed; Unavailable when the host cannot do it.)"""
    sent = b"".join(_encoded(request, number) for number, request in enumerate(requests))
    with step("talk to rtnetlink"):
        rtnetlink.send(sent)
        left, failed = len(requests), None
        while left:
            for number, error, text in _answers(rtnetlink.recv(65536)):
                left -= 1
                if error and failed is None:
                    failed = _failure(requests[number].what, error, text)
    if failed is not None:
        raise failed


@contextlib.contextmanager
def dumps() -> Iterator[IPRoute]:
    """For reading whole tables in the namespace this process is in."""
    import pyroute2

    ipr = pyroute2.IPRoute()
    try:
        yield ipr
    finally:
        ipr.close()


@contextlib.contextmanager
def inside(netns_fd: int) -> Iterator[None]:
    """Be in the network namespace for a while; sockets opened there go on belonging to it."""
    here = os.open("/proc/self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
    try:
        setns(netns_fd, CLONE_NEWNET, "the pod's network namespace")
        try:
            yield
        finally:
            setns(here, CLONE_NEWNET, "/proc/self/ns/net")
    finally:
        os.close(here)


@contextlib.contextmanager
def step(what: str) -> Iterator[None]:
    """Say what was being done when a system call, or pyroute2, fails in here."""
    try:
        yield
    except OSError as error:
        raise MechanismFailed.from_oserror(what, error) from None
    except PodrunError:
        raise
    except Exception as error:
        code = getattr(error, "code", None)  # pyroute2's NetlinkError, without importing it
        if not isinstance(code, int):
            raise
        raise _failure(what, code, "") from None


def index_of(name: str) -> int:
    """The link's index, 0 when there is none. An ioctl: a twentieth of a netlink round trip."""
    try:
        return socket.if_nametoindex(name)
    except OSError:
        return 0


def attribute(message: Any, *path: str) -> Any:
    """The attribute at ``path`` of a decoded message, or None."""
    for name in path:
        message = message.get_attr(name) if message is not None else None
    return message


def _encoded(request: Request, number: int) -> bytes:
    from pyroute2.netlink.rtnl.ifaddrmsg import ifaddrmsg
    from pyroute2.netlink.rtnl.ifinfmsg import ifinfmsg
    from pyroute2.netlink.rtnl.rtmsg import rtmsg

    message = {_NEWADDR: ifaddrmsg, _NEWROUTE: rtmsg}.get(request.kind, ifinfmsg)()
    header = {
        "type": request.kind,
        "flags": _REQUEST | _ACK | request.flags,
        "sequence_number": number,
        "pid": 0,
    }
    message.setvalue({**request.fields, "header": header})
    message.encode()
    return bytes(message.data)


def _answers(data: bytes) -> Iterator[tuple[int, int, str]]:
    """(sequence number, errno or 0, what the kernel adds in words) of each NLMSG_ERROR."""
    at = 0
    while at < len(data):
        length, _, flags, number, _, error = _ANSWER.unpack_from(data, at)
        # nlmsghdr, error, the header of the request; then attributes (NETLINK_CAP_ACK is set)
        text = _text(data[at + 36 : at + length]) if flags & _ACK_TLVS else ""
        yield number, -error, text
        at += length + 3 & ~3


def _text(attributes: bytes) -> str:
    at = 0
    while at + 4 <= len(attributes):
        length, kind = struct.unpack_from("HH", attributes, at)
        if kind == _ATTR_MSG:
            return attributes[at + 4 : at + length].rstrip(b"\0").decode(errors="replace")
        at += max(length, 4) + 3 & ~3
    return ""


def _failure(what: str, code: int, text: str) -> PodrunError:
    said = f"{what}: {os.strerror(code)}" + (f" ({text})" if text else "")
    if code == errno.EOPNOTSUPP:
        return Unavailable(said, hint="the kernel needs bridge and veth: modprobe bridge veth")
    if code == errno.EPERM:
        return Unavailable(said, hint="podrun needs root and CAP_NET_ADMIN")
    return MechanismFailed(said, errno=code)


def _family(ip: str) -> socket.AddressFamily:
    return socket.AF_INET6 if ":" in ip else socket.AF_INET
