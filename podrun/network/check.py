"""What this host offers to the network, for ``podrun system check``. Changes nothing on the host.

Abilities of the kernel are found by trying, in a network namespace of a child's own.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

from podrun.errors import PodrunError
from podrun.linux.namespace import CLONE_NEWNET, unshare
from podrun.network import bridge, netlink, nft, rules, sysctl, veth
from podrun.network.layout import Layout, Range, kernel_has_ipv6, layout_of
from podrun.network.types import Check
from podrun.node.config import Config

_CHAIN = re.compile(
    r"chain (\S+) \{\s*type filter hook forward [^\n]*?policy (accept|drop)", re.MULTILINE
)


def check(config: Config) -> list[Check]:
    """Every line, good or bad. Raises UsageError when the configuration makes no sense."""
    layout = layout_of(config)
    lines = [
        _tried("bridge and veth", "made in a namespace of their own", lambda: _try_links(layout)),
        _tried("nftables", "the table can be loaded", lambda: rules.rebuild(layout, ())),
        _forwarding("ipv4/ip_forward"),
    ]
    if layout.range(6) is not None:
        lines.append(_forwarding("ipv6/conf/all/forwarding"))
    if not kernel_has_ipv6() and any(":" in cidr for cidr in config.pod_cidrs):
        lines.append(Check("IPv6", True, "this kernel has none: pods get IPv4 alone"))
    lines += [_range(layout, wanted) for wanted in layout.ranges]
    lines.append(_others(layout))
    return lines


def _tried(name: str, good: str, attempt: Callable[[], object]) -> Check:
    error = _in_a_namespace(attempt)
    if error is None:
        return Check(name, True, good)
    return Check(name, False, error.message, error.hint)


def _in_a_namespace(attempt: Callable[[], object]) -> PodrunError | None:
    """What ``attempt`` raises in a child with a network of its own."""
    there, here = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.write(here, _report(attempt))
        os._exit(0)
    os.close(here)
    with os.fdopen(there, "rb") as stream:
        said = stream.read().decode()
    os.waitpid(pid, 0)
    if said == "good":
        return None
    message, _, hint = said.partition("\n")
    return PodrunError(message or "the attempt died", hint=hint)


def _report(attempt: Callable[[], object]) -> bytes:
    try:
        unshare(CLONE_NEWNET)
        attempt()
    except PodrunError as error:
        return f"{error.message}\n{error.hint}".encode()
    except OSError as error:
        return f"{error}\nrun it as root".encode()
    return b"good"


def _try_links(layout: Layout) -> None:
    bridge.ensure(layout)
    ours = os.open("/proc/self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
    try:
        unshare(CLONE_NEWNET)
        pod = os.open("/proc/self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
        with netlink.inside(ours):
            veth.connect(
                layout, "check", pod, tuple(str(r.address(r.first)) for r in layout.ranges)
            )
    finally:
        os.close(ours)


def _forwarding(name: str) -> Check:
    setting = f"net.{name.replace('/', '.')}"
    if sysctl.read(name) == "1":
        return Check(setting, True, "on")
    if _writable(Path("/proc/sys/net", name)):
        return Check(setting, True, "off; the first pod turns it on")
    return Check(setting, False, "off, and cannot be set here", f"sysctl -w {setting}=1 outside")


def _writable(path: Path) -> bool:
    return not os.statvfs(path).f_flag & os.ST_RDONLY and os.access(path, os.W_OK)


def _range(layout: Layout, wanted: Range) -> Check:
    name = f"range {wanted.network}"
    try:
        found = bridge.overlaps(layout, wanted)
    except PodrunError as error:
        return Check(name, False, error.message, error.hint)
    if not found:
        return Check(name, True, "used by nobody else")
    return Check(
        name, False, "overlaps with " + ", ".join(found), "set podCidrs in podrun's configuration"
    )


def _others(layout: Layout) -> Check:
    """A packet must be accepted by every table: an accept in ours does not undo their drop."""
    name = "forwarding of others"
    try:
        dropping = list(_dropping(layout.bridge))
    except PodrunError as error:
        return Check(name, False, error.message, error.hint)
    if not dropping:
        return Check(name, True, "no other firewall drops what pods send")
    where = dropping[0]
    return Check(name, False, f"{', '.join(dropping)} drops what pods send", _hint(where, layout))


def _dropping(name: str) -> Iterator[str]:
    for line in nft.run("list the tables of other firewalls", "list tables").splitlines():
        table = line.removeprefix("table ")
        if table.split()[0] not in ("ip", "ip6", "inet"):
            continue
        text = nft.run(f"read the table {table}", f"list table {table}")
        if f'"{name}"' in text:
            continue  # it knows the bridge: ours, or an accept is there
        if table == "inet firewalld":
            yield table
        yield from (
            f"{table} {chain}" for chain, policy in _CHAIN.findall(text) if policy == "drop"
        )
    yield from _dropping_legacy(name)


def _dropping_legacy(name: str) -> Iterator[str]:
    """iptables before nf_tables keeps rules of its own, which nft does not show."""
    for family in ("ip", "ip6"):
        tool = shutil.which(f"{family}tables-legacy")
        loaded = Path(f"/proc/self/net/{family}_tables_names")
        if tool and loaded.exists() and "filter" in loaded.read_text().split():
            done = subprocess.run([tool, "-S"], capture_output=True, text=True, check=False)
            if "-P FORWARD DROP" in done.stdout and f" {name} " not in done.stdout:
                yield f"{family}tables-legacy FORWARD"


def _hint(where: str, layout: Layout) -> str:
    if where == "inet firewalld":
        return f"firewall-cmd --permanent --zone=trusted --add-interface={layout.bridge} --reload"
    tool = "ip6tables" if where.startswith("ip6") else "iptables"
    accept = " and ".join(
        f"{tool} -I CHAIN {way} {layout.bridge} -j ACCEPT" for way in ("-i", "-o")
    )
    return f"{accept}; CHAIN is DOCKER-USER where Docker runs, else FORWARD (docs/network.md)"
