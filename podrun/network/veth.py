"""One pod's veth pair, and what is inside the pod's network namespace.

    host: podrun0 ── vethHASH ═══════ eth0 :pod
                     (hairpin on)      addresses, default routes by the bridge

The peer is born in the pod's namespace under its final name: nothing is moved or renamed, and
either both ends exist or none.
"""

from __future__ import annotations

import errno

from podrun.errors import MechanismFailed
from podrun.network import netlink, sysctl
from podrun.network.layout import Layout, pod_mac, veth_name
from podrun.network.netlink import Request, step

_LO = 1  # the first link of every network namespace


def connect(layout: Layout, uid: str, netns_fd: int, ips: tuple[str, ...]) -> None:
    """Give the namespace an eth0 with ``ips`` (in the order of ``layout.ranges``).

    A pair that the pod has already, whole or half-made, is replaced.
    """
    name = veth_name(uid)
    with step(f"enter the network namespace of pod {uid}"), netlink.inside(netns_fd):
        sysctl.prepare_pod(layout.range(6) is not None)
        pod = netlink.open_socket()
    with pod:
        remove(uid)
        with netlink.open_socket() as host:
            bridge = netlink.index_of(layout.bridge)
            veth = netlink.new_veth(name, bridge, netns_fd, pod_mac(ips[0]))
            netlink.transact(host, [veth, netlink.hairpin(name)])
        with step(f"enter the network namespace of pod {uid}"), netlink.inside(netns_fd):
            eth0 = netlink.index_of("eth0")
        netlink.transact(pod, _inside(layout, eth0, ips))


def remove(uid: str) -> None:
    """Take away the pair, if there is one. The kernel takes about 15 ms (RCU grace periods)."""
    name = veth_name(uid)
    index = netlink.index_of(name)
    if not index:
        return
    try:
        with netlink.open_socket() as host:
            netlink.transact(host, [netlink.delete_link(index, name)])
    except MechanismFailed as error:
        if error.errno != errno.ENODEV:  # its namespace ended at this moment and took it along
            raise


def _inside(layout: Layout, eth0: int, ips: tuple[str, ...]) -> list[Request]:
    requests = [netlink.link_up(_LO, "lo"), netlink.link_up(eth0, "eth0")]
    for wanted, ip in zip(layout.ranges, ips, strict=True):
        requests.append(netlink.address(eth0, "eth0", ip, wanted.prefix))
        requests.append(netlink.default_route(eth0, wanted.gateway))
    return requests
