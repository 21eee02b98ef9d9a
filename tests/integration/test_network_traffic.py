"""Packets: from everywhere to everywhere, on a host that is a network namespace of its own."""

from __future__ import annotations

import contextlib
import errno
import socket
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from podrun.network.types import PodAddresses, PortMapping
from tests.integration.network_lab import (
    HOST4,
    HOST6,
    OUTSIDE4,
    OUTSIDE6,
    Lab,
    Namespace,
    ask_tcp,
    ask_udp,
    ip,
    output,
    serve_tcp,
    serve_udp,
)

GATEWAY4, GATEWAY6 = "10.99.0.1", "fd99:6c61:6200::1"
WEB, DNS = PortMapping(8001, 80), PortMapping(8053, 53, "UDP")
LOCAL = PortMapping(8002, 80, host_ip="127.0.0.1")
PUBLIC = PortMapping(8003, 80, host_ip=HOST4)


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[Lab]:
    made = Lab(tmp_path)
    with made.stack:
        yield made


def sysctl(name: str, value: str) -> None:
    Path("/proc/sys/net", name).write_text(value)


@contextlib.contextmanager
def served(pod: Namespace, addresses: PodAddresses, name: str) -> Iterator[None]:
    """TCP port 80 and UDP port 53 on the pod's own addresses, not on its loopback."""
    with contextlib.ExitStack() as stack:
        for address in addresses.ips:
            stack.enter_context(pod.background(serve_tcp, name, address, 80))
            stack.enter_context(pod.background(serve_udp, name, address, 53))
        yield


@pytest.fixture
def two_pods(lab: Lab) -> Iterator[tuple[Namespace, Namespace]]:
    """web has every hostPort, other has none."""
    ports = (WEB, DNS, LOCAL, PUBLIC)
    with lab.claimed("web", *ports):
        web, at = lab.pod("web", *ports)
        other, _ = lab.pod("other")
        with served(web, at, "web"):
            yield web, other


def refused(ask: Callable[..., str], where: Namespace, address: str, port: int) -> bool:
    """At once, that is: the timeout would be another error."""
    try:
        where.run(ask, address, port)
    except OSError as error:
        return error.errno in (errno.ECONNREFUSED, errno.EPERM)
    return False


@pytest.mark.parametrize("bridge_nf", ["0", "1"], ids=["", "br_netfilter"])
@pytest.mark.parametrize("rp_filter", ["0", "1"], ids=["", "strict-rp_filter"])
def test_host_ports_from_everywhere(
    lab: Lab, two_pods: tuple[Namespace, Namespace], bridge_nf: str, rp_filter: str
) -> None:
    for family in ("ip", "ip6"):
        with contextlib.suppress(FileNotFoundError):  # without the module br_netfilter
            lab.host.run(sysctl, f"bridge/bridge-nf-call-{family}tables", bridge_nf)
    lab.host.run(sysctl, "ipv4/conf/all/rp_filter", rp_filter)
    web, other = two_pods
    host_addresses = (HOST4, HOST6, GATEWAY4, GATEWAY6)
    cases = [
        *((lab.host, to) for to in ("127.0.0.1", "127.1.2.3", *host_addresses)),
        *((pod, to) for to in host_addresses for pod in (web, other)),
        (lab.outside, HOST4),
        (lab.outside, HOST6),
    ]
    for where, to in cases:
        assert where.run(ask_tcp, to, 8001).startswith("web "), to
        assert where.run(ask_udp, to, 8053).startswith("web "), to


def test_a_client_from_outside_keeps_its_address(
    lab: Lab, two_pods: tuple[Namespace, Namespace]
) -> None:
    assert lab.outside.run(ask_tcp, HOST4, 8001) == f"web {OUTSIDE4}"
    assert lab.outside.run(ask_tcp, HOST6, 8001) == f"web {OUTSIDE6}"
    assert lab.outside.run(ask_udp, HOST4, 8053) == f"web {OUTSIDE4}"


def test_the_ipv6_loopback_is_refused_each_time(
    lab: Lab, two_pods: tuple[Namespace, Namespace]
) -> None:
    for _ in range(4):  # the kernel limits the rate of ICMP errors: none may be needed
        assert refused(ask_tcp, lab.host, "::1", 8001)
        assert refused(ask_udp, lab.host, "::1", 8053)


def test_localhost_by_name_falls_back(lab: Lab, two_pods: tuple[Namespace, Namespace]) -> None:
    assert lab.host.run(ask_tcp, "localhost", 8001).startswith("web ")


def test_host_ip_restricts(lab: Lab, two_pods: tuple[Namespace, Namespace]) -> None:
    assert lab.host.run(ask_tcp, "127.0.0.1", 8002).startswith("web ")
    assert refused(ask_tcp, lab.host, HOST4, 8002)
    assert refused(ask_tcp, lab.outside, HOST4, 8002)
    assert lab.outside.run(ask_tcp, HOST4, 8003).startswith("web ")
    assert refused(ask_tcp, lab.host, "127.0.0.1", 8003)
    assert refused(ask_tcp, lab.host, HOST6, 8003)


def test_route_localnet_is_set_on_the_bridge_alone(
    lab: Lab, two_pods: tuple[Namespace, Namespace]
) -> None:
    def flag(interface: str) -> str:
        return Path(f"/proc/sys/net/ipv4/conf/{interface}/route_localnet").read_text().strip()

    assert lab.host.run(flag, "labbr0") == "1"
    assert [lab.host.run(flag, name) for name in ("all", "default", "uplink")] == ["0"] * 3


def test_pods_reach_each_other_and_the_host(lab: Lab) -> None:
    one, at_one = lab.pod("one")
    two, at_two = lab.pod("two")
    with served(one, at_one, "one"), lab.host.background(serve_tcp, "host", GATEWAY4, 7000):
        for mine, address in zip(at_two.ips, at_one.ips, strict=True):
            assert two.run(ask_tcp, address, 80) == f"one {mine}"  # not masqueraded
            assert lab.host.run(ask_tcp, address, 80).startswith("one ")
        assert two.run(ask_tcp, GATEWAY4, 7000) == f"host {at_two.ips[0]}"


def test_what_leaves_is_masqueraded(lab: Lab) -> None:
    pod, _ = lab.pod("one")  # outside has no route to the pods
    for there, mine in ((OUTSIDE4, HOST4), (OUTSIDE6, HOST6)):
        with lab.outside.background(serve_tcp, "outside", there, 7000):
            assert pod.run(ask_tcp, there, 7000) == f"outside {mine}"


def test_pods_do_not_reach_the_hosts_loopback(lab: Lab) -> None:
    """route_localnet on the bridge would let a pod in that sends to 127.0.0.1 on purpose."""
    pod, at = lab.pod("one")
    pod.run(sysctl, "ipv4/conf/all/route_localnet", "1")
    pod.run(ip, "addr del 127.0.0.1/8 dev lo")
    pod.run(ip, f"route add 127.0.0.1/32 via {GATEWAY4} dev eth0 src {at.ips[0]}")
    with lab.host.background(serve_udp, "secret", "127.0.0.1", 7000):
        with pytest.raises(TimeoutError):
            pod.run(ask_udp, "127.0.0.1", 7000, 0.3)
        guard = ("flush", "chain", "inet", lab.config.nft_table, "loopback")
        lab.host.run(output, "nft", *guard)
        assert pod.run(ask_udp, "127.0.0.1", 7000).startswith("secret ")  # so that was the guard


def test_a_udp_client_that_never_stops_follows_its_server(lab: Lab) -> None:
    """A flow that began before the pod, or goes on after it, must not stick to what was then."""
    lab.pod("another")  # so that the table is there, and with it conntrack
    with lab.claimed("old", DNS):
        lab.outside.run(_send_only, HOST4, 8053, 50_000)
        old, at = lab.pod("old", DNS)
        with served(old, at, "old"):
            assert lab.outside.run(_ask_from, HOST4, 8053, 50_000).startswith("old ")
    lab.detach("old")
    with lab.claimed("new", DNS):
        new, at = lab.pod("new", DNS)
        with served(new, at, "new"):
            assert lab.outside.run(_ask_from, HOST4, 8053, 50_000).startswith("new ")


def _from(port: int) -> socket.socket:
    client = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    client.settimeout(2.0)
    client.bind((OUTSIDE4, port))
    return client


def _send_only(address: str, port: int, source: int) -> None:
    with _from(source) as client:
        client.sendto(b"?", (address, port))


def _ask_from(address: str, port: int, source: int) -> str:
    with _from(source) as client:
        client.sendto(b"?", (address, port))
        return client.recv(100).decode()
