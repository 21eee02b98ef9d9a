"""The configuration as this room needs it: ranges, gateways, and the names of what we make.

Names derive from what they belong to, so taking something away needs no record of making it.
"""

from __future__ import annotations

import functools
import hashlib
import ipaddress
from pathlib import Path

import msgspec

from podrun.errors import UsageError
from podrun.node.config import Config
from podrun.node.configrules import complaints

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network


class Range(msgspec.Struct, frozen=True):
    """One podCIDR. Its first address is the bridge's own, the gateway of every pod."""

    network: Network

    @property
    def version(self) -> int:
        return self.network.version

    @property
    def prefix(self) -> int:
        return self.network.prefixlen

    @property
    def gateway(self) -> str:
        return str(self.network[1])

    @property
    def first(self) -> int:
        """The first address a pod may have, as a number; so is ``last``."""
        return int(self.network.network_address) + 2

    @property
    def last(self) -> int:
        broadcast = 1 if self.version == 4 else 0  # IPv6 has none
        return int(self.network.broadcast_address) - broadcast

    def address(self, number: int) -> Address:
        return ipaddress.IPv4Address(number) if self.version == 4 else _v6(number)


class Layout(msgspec.Struct, frozen=True):
    """What one configuration asks for. ``ranges`` holds IPv4 first; families that the kernel does
    not have are left out."""

    bridge: str
    table: str
    ranges: tuple[Range, ...]

    @property
    def mac(self) -> str:
        """The bridge's address is our mark on it: the kernel sets it in the same step that makes
        the link, and a fixed one does not change as ports come and go (which would leave every
        pod with a stale neighbour)."""
        return _mac(f"podrun bridge {self.bridge}")

    def range(self, version: int) -> Range | None:
        return next((r for r in self.ranges if r.version == version), None)


def layout_of(config: Config) -> Layout:
    """Raises UsageError when the configuration makes no sense."""
    return _layout(config.bridge, config.nft_table, config.pod_cidrs)


@functools.cache
def _layout(bridge: str, table: str, cidrs: tuple[str, ...]) -> Layout:
    if wrong := complaints({"bridge": bridge, "nftTable": table, "podCidrs": cidrs}):
        raise UsageError("\n".join(wrong), hint="see docs/configuration.md")
    ranges = [Range(ipaddress.ip_network(cidr)) for cidr in cidrs]
    ranges.sort(key=lambda r: r.version)
    usable = tuple(r for r in ranges if r.version == 4 or kernel_has_ipv6())
    if not usable:
        raise UsageError("podCidrs: only IPv6, which this kernel does not have")
    return Layout(bridge=bridge, table=table, ranges=usable)


def kernel_has_ipv6() -> bool:
    return Path("/proc/sys/net/ipv6").is_dir()  # absent with ipv6.disable=1


def veth_name(uid: str) -> str:
    """The host's end of a pod's pair: 15 characters, all that an interface name may have."""
    return "veth" + hashlib.sha256(uid.encode()).hexdigest()[:11]


def pod_mac(ip: str) -> str:
    """The link address of eth0 follows from the IP, so a neighbour that remembers a pod's address
    is still right when another pod has it."""
    return _mac(f"podrun pod {ip}")


def _mac(text: str) -> str:
    digest = hashlib.sha256(text.encode()).digest()
    return "0a:58:" + ":".join(f"{byte:02x}" for byte in digest[:4])  # 0a: locally administered


def _v6(number: int) -> ipaddress.IPv6Address:
    return ipaddress.IPv6Address(number)
