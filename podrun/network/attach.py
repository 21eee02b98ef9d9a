"""What a sandbox asks of the network.

    claim_ports ─► attach ─► … the pod lives … ─► detach

    attach   lock:  bridge, table, leases, claim
                    veth pair ─► addresses and routes inside
             lock:  elements of hostPorts
    detach   lock:  elements out
                    veth pair
             lock:  leases, claim

Leases and the claim are written before, and taken back after, everything that uses them. So
whoever is killed at whichever point: ``detach`` finds what there is, and no address or port goes to
another pod while anything of the old one is left.
"""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Callable

from podrun.errors import Conflict, UsageError
from podrun.network import (
    bridge,
    claims,
    conntrack,
    foreign,
    leases,
    netlink,
    nft,
    ports,
    rules,
    veth,
)
from podrun.network.claims import Claim
from podrun.network.layout import Layout, layout_of
from podrun.network.lock import locked
from podrun.network.types import PodAddresses, PortMapping
from podrun.node.config import Config
from podrun.node.paths import Paths


def preload(config: Config) -> None:
    """Load and work out what is slow (0.2 s): for the agent, before it forks its workers."""
    netlink.preload()
    nft.library()
    with contextlib.suppress(UsageError):  # each pod will hear it
        rules.table_text(layout_of(config))


def claim_ports(
    config: Config, paths: Paths, uid: str, owner: str, mappings: tuple[PortMapping, ...]
) -> list[int]:
    """Bind every hostPort in the host's network namespace, and put the claim on record.

    Returns the descriptors (close-on-exec); a port is the pod's as long as one of them is open.
    ``owner`` is "namespace/name". Raises Conflict naming the pod, else the process, that has a
    port; nothing has been taken then.
    """
    if not mappings:
        return []
    layout = layout_of(config)
    with locked(paths), contextlib.ExitStack() as undo:
        bound = []
        for mapping in mappings:
            taken = claims.conflicting(paths, uid, mapping)
            if taken is not None:
                raise _taken(mapping, taken)
            bound += [undo.enter_context(each) for each in ports.bind(layout, mapping)]
        claims.write(paths, Claim(uid, owner, tuple(mappings)))
        undo.pop_all()
    return [each.detach() for each in bound]


def attach(
    config: Config,
    paths: Paths,
    uid: str,
    netns: int | Callable[[], int],
    mappings: tuple[PortMapping, ...],
) -> PodAddresses:
    """Connect a network namespace with the bridge: eth0, addresses, routes, hostPorts.

    ``netns`` is a descriptor of it, or gives one: called when bridge, table and addresses are
    there, so that the namespace can be made meanwhile. Doing it again gives the same addresses.
    When it fails, what it has made is taken away again (the claim of the hostPorts is the caller's,
    who has the sockets).
    """
    layout = layout_of(config)
    with contextlib.ExitStack() as undo:
        with locked(paths):
            _ensure(layout, paths)
            if not leases.held(paths, uid):
                undo.callback(_release, paths, uid)
            ips = leases.lease(paths, layout, uid)
        netns_fd = netns if isinstance(netns, int) else netns()
        undo.callback(veth.remove, uid)
        veth.connect(layout, uid, netns_fd, ips)
        if mappings:
            with locked(paths):
                _open_ports(layout, paths, uid, mappings, ips)
        undo.pop_all()
    return PodAddresses(ips)


def detach(config: Config, paths: Paths, uid: str) -> None:
    """Take away everything of one pod; what of it is missing does not matter.

    Nor does a configuration that makes no sense: with that, no port was ever opened.
    """
    with locked(paths), contextlib.suppress(UsageError):
        claim, ips = claims.read(paths, uid), leases.held(paths, uid)
        if claim is not None and ips:
            _close_ports(layout_of(config), paths, claim, ips)
    veth.remove(uid)
    with locked(paths):
        leases.release(paths, uid)
        claims.forget(paths, uid)


def restore(config: Config, paths: Paths) -> None:
    """Make the bridge and the table again where somebody took them away (``nft flush ruleset``, a
    firewall's reload), with the hostPorts of all pods; pass by Docker, if it has come since.

    Cheap (2 ms) when all is there: for the agent's start, and now and then.
    """
    layout = layout_of(config)
    with locked(paths):
        _ensure(layout, paths)
        foreign.allow(layout)


def reset(config: Config, paths: Paths) -> None:
    """Take away the bridge with every pair on it, the table, all leases and claims.

    A configuration that makes no sense has made neither bridge nor table.
    """
    with locked(paths):
        with contextlib.suppress(UsageError):
            layout = layout_of(config)
            foreign.withdraw(layout)
            rules.drop_table(layout)
            bridge.remove(layout)
        shutil.rmtree(paths.network, ignore_errors=True)


def in_use(paths: Paths) -> dict[str, PodAddresses]:
    """uid → what is leased to it; uids that have only a claim come with no address."""
    with locked(paths):
        found = {claim.uid: PodAddresses(()) for claim in claims.everyone(paths)}
        found.update({uid: PodAddresses(ips) for uid, ips in leases.by_uid(paths).items()})
    return found


def _ensure(layout: Layout, paths: Paths) -> None:
    bridge.ensure(layout)
    if rules.ensure(layout, lambda: _all_elements(paths)):
        foreign.allow(layout)


def _open_ports(
    layout: Layout,
    paths: Paths,
    uid: str,
    mappings: tuple[PortMapping, ...],
    ips: tuple[str, ...],
) -> None:
    claim = claims.read(paths, uid)
    if claim is None or claim.mappings != tuple(mappings):
        claims.write(paths, Claim(uid, claim.owner if claim else uid, tuple(mappings)))
    try:
        rules.add(layout, _elements(mappings, ips))
    except nft.NftFailed:
        # elements of a pod that is on no record any more, or no table: the records are the truth
        rules.rebuild(layout, _all_elements(paths))
    for mapping in mappings:
        if mapping.protocol == "UDP":
            conntrack.forget_port(mapping.host_port, ips)


def _close_ports(layout: Layout, paths: Paths, claim: Claim, ips: tuple[str, ...]) -> None:
    try:
        rules.remove(layout, _elements(claim.mappings, ips))
    except nft.NftFailed:
        rules.rebuild(layout, _all_elements(paths, without=claim.uid))
    if any(mapping.protocol == "UDP" for mapping in claim.mappings):
        conntrack.forget_pod(ips)


def _elements(mappings: tuple[PortMapping, ...], ips: tuple[str, ...]) -> list[rules.Element]:
    return [element for mapping in mappings for element in rules.elements(mapping, ips)]


def _all_elements(paths: Paths, without: str = "") -> list[rules.Element]:
    held = leases.by_uid(paths)
    return [
        element
        for claim in claims.everyone(paths)
        if claim.uid != without
        for element in _elements(claim.mappings, held.get(claim.uid, ()))
    ]


def _release(paths: Paths, uid: str) -> None:
    with locked(paths):
        leases.release(paths, uid)


def _taken(mapping: PortMapping, claim: Claim) -> Conflict:
    return Conflict(
        f"{ports.describe(mapping)} is taken by pod {claim.owner}",
        hint=f"choose another hostPort, or delete {claim.owner}",
        reason="HostPortConflict",
    )
