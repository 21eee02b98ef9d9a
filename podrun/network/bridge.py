"""The bridge: made once, checked at each attach, marked as ours by its link address.

The check is all that nearly every attach does, so it makes no netlink round trip: two ioctls, and a
bind to each gateway address, which succeeds only while the address is there and usable. Callers
hold ``locked(paths)``.
"""

from __future__ import annotations

import fcntl
import ipaddress
import socket
import struct
from typing import Any

from podrun.errors import Conflict
from podrun.network import netlink, sysctl
from podrun.network.layout import Layout, Network, Range
from podrun.network.netlink import attribute, step

_SIOCGIFFLAGS = 0x8913
_SIOCGIFHWADDR = 0x8927


def ensure(layout: Layout) -> None:
    """Raises Conflict when the name, or the range, belongs to somebody else; nothing is changed
    then."""
    ipv6 = layout.range(6) is not None
    if _mac_and_up(layout.bridge) != (layout.mac, True) or _missing(layout):
        _make(layout)
    sysctl.prepare_bridge(layout.bridge, ipv6)
    sysctl.forward(ipv6)


def remove(layout: Layout) -> None:
    """Take away the bridge and every pair on it; a link of that name that is not ours stays."""
    if _mac_and_up(layout.bridge)[0] != layout.mac:
        return
    index = netlink.index_of(layout.bridge)
    with netlink.dumps() as ipr, step(f"list the pods on the bridge {layout.bridge}"):
        ports = [port for port in ipr.get_links() if attribute(port, "IFLA_MASTER") == index]
    veths = [(p["index"], attribute(p, "IFLA_IFNAME")) for p in ports if _kind(p) == "veth"]
    with netlink.open_socket() as host:
        doomed = [*veths, (index, f"the bridge {layout.bridge}")]
        netlink.transact(host, [netlink.delete_link(*link) for link in doomed])


def overlaps(layout: Layout, wanted: Range) -> list[str]:
    """What of the host's routes and addresses lies in the range: "10.0.0.0/8 on eth1", ….

    Default routes do not count, nor does what is on our bridge.
    """
    own = netlink.index_of(layout.bridge)
    with netlink.dumps() as ipr, step("read the host's routes"):
        routes = list(ipr.get_routes(family=_family(wanted)))
    found = set()
    for route in routes:
        destination = attribute(route, "RTA_DST")
        oif = attribute(route, "RTA_OIF") or 0
        if destination is None or (own and oif == own):
            continue
        network = _network(destination, route["dst_len"])
        if network.overlaps(wanted.network):
            found.add(f"{network} on {_name(oif)}")
    return sorted(found)


def _make(layout: Layout) -> None:
    name = layout.bridge
    exists = _is_ours(layout)
    wanted = _missing(layout) if exists else layout.ranges
    for missing in wanted:
        found = overlaps(layout, missing)
        if found:
            raise _overlap_error(missing, found)
    with netlink.open_socket() as host:
        if not exists:
            netlink.transact(host, [netlink.new_bridge(name, layout.mac)])
        sysctl.prepare_bridge(name, layout.range(6) is not None)
        index = netlink.index_of(name)
        gateways = [
            netlink.address(index, name, missing.gateway, missing.prefix) for missing in wanted
        ]
        netlink.transact(host, [netlink.link_up(index, name, alias="podrun"), *gateways])


def _is_ours(layout: Layout) -> bool:
    """Whether there is our bridge. Raises Conflict when there is another link of its name."""
    if not netlink.index_of(layout.bridge):
        return False
    if _mac_and_up(layout.bridge)[0] != layout.mac:
        raise Conflict(
            f"the interface {layout.bridge} exists and was not made by podrun",
            hint="set another name with `bridge:` in podrun's configuration",
        )
    return True


def _missing(layout: Layout) -> list[Range]:
    return [wanted for wanted in layout.ranges if not _is_local(wanted)]


def _is_local(wanted: Range) -> bool:
    with socket.socket(_family(wanted), socket.SOCK_DGRAM) as probe:
        try:
            probe.bind((wanted.gateway, 0))
        except OSError:
            return False
    return True


def _mac_and_up(name: str) -> tuple[str, bool]:
    request = struct.pack("16s24x", name.encode())
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        try:
            address = fcntl.ioctl(any_socket, _SIOCGIFHWADDR, request)[18:24]
            flags = fcntl.ioctl(any_socket, _SIOCGIFFLAGS, request)[16:18]
        except OSError:
            return "", False
    return address.hex(":"), bool(struct.unpack("H", flags)[0] & netlink.IFF_UP)


def _overlap_error(wanted: Range, found: list[str]) -> Conflict:
    return Conflict(
        f"the pods' range {wanted.network} overlaps with what this host routes already: "
        + ", ".join(found[:3])
        + (", …" if len(found) > 3 else ""),
        hint="set podCidrs in podrun's configuration to ranges that nothing else uses",
    )


def _network(destination: str, length: int) -> Network:
    return ipaddress.ip_network(f"{destination}/{length}", strict=False)


def _name(index: int) -> str:
    try:
        return socket.if_indextoname(index)
    except OSError:
        return "no interface"


def _family(wanted: Range) -> socket.AddressFamily:
    return socket.AF_INET if wanted.version == 4 else socket.AF_INET6


def _kind(link: Any) -> str:
    return attribute(link, "IFLA_LINKINFO", "IFLA_INFO_KIND") or ""
