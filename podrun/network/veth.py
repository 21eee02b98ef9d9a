"""One pod's veth pair, and what is inside the pod's network namespace.

    host: podrun0 ── vethHASH ═══════ eth0 :pod
                     (hairpin on)      addresses, default routes by the bridge

The peer is born in the pod's namespace under its final name: nothing is moved or renamed, and
either both ends exist or none.
"""

from __future__ import annotations

import contextlib
import errno
import socket
from typing import TYPE_CHECKING

from podrun.errors import MechanismFailed
from podrun.network import netlink, sysctl
from podrun.network.layout import Layout, Range, pod_mac, veth_name
from podrun.network.netlink import IFA_F_NODAD, step

if TYPE_CHECKING:
    from pyroute2 import IPRoute

_LO = 1  # the first link of every network namespace


def connect(layout: Layout, uid: str, netns_fd: int, ips: tuple[str, ...]) -> None:
    """Give the namespace an eth0 with ``ips`` (in the order of ``layout.ranges``).

    A pair that the pod has already, whole or half-made, is replaced.
    """
    with step(f"enter the network namespace of pod {uid}"), netlink.inside(netns_fd):
        sysctl.prepare_pod(layout.range(6) is not None)
    remove(uid)
    with netlink.rtnetlink() as host:
        _make(host, layout, uid, netns_fd, ips[0])
    with step(f"configure eth0 of pod {uid}"), contextlib.ExitStack() as stack:
        with netlink.inside(netns_fd):
            pod = stack.enter_context(netlink.rtnetlink())
            eth0 = netlink.index_of("eth0")
        for index in (_LO, eth0):
            pod.link("set", index=index, state="up")
        for wanted, ip in zip(layout.ranges, ips, strict=True):
            _address(pod, eth0, wanted, ip)


def remove(uid: str) -> None:
    """Take away the pair, if there is one. The kernel takes about 15 ms (RCU grace periods)."""
    index = netlink.index_of(veth_name(uid))
    if not index:
        return
    try:
        with netlink.rtnetlink() as host, step(f"remove {veth_name(uid)} of pod {uid}"):
            host.link("del", index=index)
    except MechanismFailed as error:
        if error.errno != errno.ENODEV:  # its namespace ended at this moment and took it along
            raise


def _make(host: IPRoute, layout: Layout, uid: str, netns_fd: int, ip: str) -> None:
    name = veth_name(uid)
    with step(f"make {name} of pod {uid}"):
        host.link(
            "add",
            ifname=name,
            kind="veth",
            master=netlink.index_of(layout.bridge),
            state="up",
            peer={"ifname": "eth0", "net_ns_fd": netns_fd, "address": pod_mac(ip)},
        )
        # hairpin: a pod that uses its own hostPort gets its packet back through its own port
        host.brport("set", index=netlink.index_of(name), mode=1)


def _address(pod: IPRoute, eth0: int, wanted: Range, ip: str) -> None:
    family = socket.AF_INET if wanted.version == 4 else socket.AF_INET6
    flags = IFA_F_NODAD if wanted.version == 6 else 0
    pod.addr("add", index=eth0, address=ip, prefixlen=wanted.prefix, family=family, flags=flags)
    pod.route("add", family=family, dst="default", gateway=wanted.gateway, oif=eth0)
