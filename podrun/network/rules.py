"""The one nftables table. Its rules never change; a pod adds and takes elements of its maps.

    from outside, from pods          from the host itself
           │                                │
      prerouting ── to an address of the host? ── output
                          │ hostports: maps → dnat to pod
                       routing
                          │
      postrouting   masquerade: what comes from 127.0.0.0/8 (answers must come back to the host)
                                what goes from pod to pod through a hostPort (likewise)
                                what leaves from a pod to the world

      loopback      drops what a pod sends to the host's 127.0.0.0/8: the bridge's route_localnet
                    would let it in. In front of conntrack, so that answers, whose address
                    conntrack has yet to turn back, are not meant.
      refuse        UDP to [::1]:hostPort, which cannot be translated: sending fails with EPERM.
                    TCP is refused by the bound socket, and not here: the kernel limits the rate
                    of ICMP errors, and a client without an answer waits for a minute

The table is replaced as a whole, with all elements, when it is missing or of another layout: an
empty chain that bears the digest of the rules is the proof that it is ours, whole and current.
"""

from __future__ import annotations

import functools
import hashlib
import ipaddress
from collections.abc import Callable, Iterable

from podrun.network import nft
from podrun.network.layout import Address, Layout, Range
from podrun.network.types import PortMapping

#: map, key, value; the value is "" for the set ``refused``
Element = tuple[str, str, str]

# -100 is dstnat, a name that nft 1.0.6 does not take for the output hook
_TABLE = """\
table inet {table} {{
  map hostports4 {{ type inet_proto . inet_service : ipv4_addr . inet_service; }}
  map hostports6 {{ type inet_proto . inet_service : ipv6_addr . inet_service; }}
  map hostips4 {{ type ipv4_addr . inet_proto . inet_service : ipv4_addr . inet_service; }}
  map hostips6 {{ type ipv6_addr . inet_proto . inet_service : ipv6_addr . inet_service; }}
  set refused {{ type inet_service; }}

  chain hostports {{
    ip6 daddr {{ ::1, fe80::/10 }} return
    dnat ip to ip daddr . meta l4proto . th dport map @hostips4
    dnat ip to meta l4proto . th dport map @hostports4
    dnat ip6 to ip6 daddr . meta l4proto . th dport map @hostips6
    dnat ip6 to meta l4proto . th dport map @hostports6
  }}
  chain prerouting {{
    type nat hook prerouting priority dstnat; policy accept;
    fib daddr type local jump hostports
  }}
  chain output {{
    type nat hook output priority -100; policy accept;
    fib daddr type local jump hostports
  }}
  chain postrouting {{
    type nat hook postrouting priority srcnat; policy accept;
    oifname "{bridge}" ip saddr 127.0.0.0/8 masquerade
{masquerade}
  }}
  chain loopback {{
    type filter hook prerouting priority raw; policy accept;
    iifname "{bridge}" ip daddr 127.0.0.0/8 drop
    iifname "{bridge}" ip saddr 127.0.0.0/8 drop
  }}
  chain refuse {{
    type filter hook output priority filter; policy accept;
    ip6 daddr ::1 udp dport @refused reject
  }}
}}
"""
_MASQUERADE = """\
    oifname "{bridge}" {ip} saddr {network} ct status dnat masquerade
    oifname != "{bridge}" {ip} saddr {network} {ip} daddr != {multicast} masquerade
"""


@functools.cache
def table_text(layout: Layout) -> str:
    """The table in nft(8)'s language, without elements, with the chain that marks its layout."""
    text = _TABLE.format(
        table=layout.table,
        bridge=layout.bridge,
        masquerade="".join(_masquerade(layout, r) for r in layout.ranges).rstrip("\n"),
    )
    return f"{text}table inet {layout.table} {{\n  chain {_mark(text)} {{\n  }}\n}}\n"


def elements(mapping: PortMapping, ips: Iterable[str]) -> list[Element]:
    """What opens one hostPort for a pod with these addresses."""
    return [e for ip in ips for e in _elements(mapping, ipaddress.ip_address(ip))]


def _elements(mapping: PortMapping, ip: Address) -> list[Element]:
    version = ip.version
    port = f"{mapping.protocol.lower()} . {mapping.host_port}"
    value = f"{ip} . {mapping.container_port}"
    if mapping.host_ip in ("", "0.0.0.0" if version == 4 else "::"):
        opened = [(f"hostports{version}", port, value)]
        if version == 6 and mapping.protocol == "UDP":
            opened.append(("refused", str(mapping.host_port), ""))
        return opened
    if not mapping.host_ip or ipaddress.ip_address(mapping.host_ip).version != version:
        return []
    return [(f"hostips{version}", f"{mapping.host_ip} . {port}", value)]


def ensure(layout: Layout, present: Callable[[], Iterable[Element]]) -> bool:
    """Make the table if it is not there whole; ``present`` finds the elements of every pod.

    Returns whether it had to be made.
    """
    if nft.has_chain(layout.table, _mark_of(table_text(layout))):
        return False
    rebuild(layout, present())
    return True


def rebuild(layout: Layout, present: Iterable[Element]) -> None:
    """Replace the table, whatever it is, by one with exactly these elements: one transaction."""
    table = layout.table
    nft.run(
        f"make the nftables table {table}",
        f"table inet {table}\ndelete table inet {table}\n"
        + table_text(layout)
        + _commands("add", table, present),
    )


def add(layout: Layout, wanted: Iterable[Element]) -> None:
    """Adding what is there already changes nothing; raises NftFailed when it is another pod's."""
    commands = _commands("add", layout.table, wanted)
    if commands:
        nft.run("open hostPorts", commands)


def remove(layout: Layout, unwanted: Iterable[Element]) -> None:
    """Elements, or a table, that are not there are not an error: each is added, then deleted."""
    unwanted = list(unwanted)
    if not unwanted:
        return
    add_all = _commands("add", layout.table, unwanted)
    delete_all = _commands("delete", layout.table, ((m, key, "") for m, key, _ in unwanted))
    try:
        nft.run("close hostPorts", add_all + delete_all)
    except nft.NftFailed as error:
        if not error.missing:
            raise


def drop_table(layout: Layout) -> None:
    nft.run(
        f"remove the nftables table {layout.table}",
        f"table inet {layout.table}\ndelete table inet {layout.table}",
    )


def _commands(verb: str, table: str, chosen: Iterable[Element]) -> str:
    return "".join(
        f"{verb} element inet {table} {name} {{ {key}{' : ' if value else ''}{value} }}\n"
        for name, key, value in chosen
    )


def _masquerade(layout: Layout, wanted: Range) -> str:
    v4 = wanted.version == 4
    return _MASQUERADE.format(
        bridge=layout.bridge,
        ip="ip" if v4 else "ip6",
        network=wanted.network,
        multicast="224.0.0.0/4" if v4 else "ff00::/8",
    )


def _mark(text: str) -> str:
    return "layout-" + hashlib.sha256(text.encode()).hexdigest()[:16]


def _mark_of(text: str) -> str:
    return text.rpartition(" chain ")[2].split()[0]
