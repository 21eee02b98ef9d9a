"""Attach and detach: again, half-way, at once, killed, and after others were at our things."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import os
import re
import signal
import sys
from collections.abc import Iterator
from pathlib import Path
from types import FrameType
from typing import Any

import pytest

from podrun.errors import Conflict, MechanismFailed, Unavailable
from podrun.network import attach, check, leases, nft
from podrun.network.layout import veth_name
from podrun.network.types import PodAddresses, PortMapping
from podrun.node.config import Config
from tests.integration.network_lab import HOST4, OUTSIDE4, Lab, ask_tcp, ip, output, serve_tcp

WEB, DNS = PortMapping(8001, 80), PortMapping(8053, 53, "UDP")
QUIET = {"lo", "uplink", "labbr0"}


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[Lab]:
    made = Lab(tmp_path)
    with made.stack:
        yield made


def nothing_is_left(lab: Lab) -> None:
    assert lab.links() <= QUIET
    assert lab.elements() == ""
    assert attach.in_use(lab.paths) == {}
    for directory in ("leases", "claims"):
        with contextlib.suppress(FileNotFoundError):
            assert os.listdir(lab.paths.network / directory) == []


def test_a_pod_comes_and_goes(lab: Lab) -> None:
    with lab.claimed("web", WEB, DNS):
        pod, at = lab.pod("web", WEB, DNS)
        assert at.ips == ("10.99.0.2", "fd99:6c61:6200::2")
        assert attach.in_use(lab.paths) == {"web": at}
        assert veth_name("web") in lab.links()
        assert "8001" in lab.elements()
        links = {line.split()[0] for line in pod.run(ip, "-br link").splitlines()}
        assert {link.split("@")[0] for link in links} == {"lo", "eth0"}
        lab.detach("web")
    nothing_is_left(lab)


def test_everything_can_be_done_again(lab: Lab) -> None:
    with lab.claimed("web", WEB):
        pod, at = lab.pod("web", WEB)
        assert lab.attach("web", pod, WEB) == at
        elsewhere, again = lab.pod("web", WEB)  # the sandbox was made anew
        assert again == at
        with elsewhere.background(serve_tcp, "web", at.ips[0], 80):
            assert lab.outside.run(ask_tcp, HOST4, 8001).startswith("web ")
        lab.detach("web")
        lab.detach("web")
    lab.detach("never-there")
    nothing_is_left(lab)


def test_addresses_outlive_everything_but_detach(lab: Lab) -> None:
    pod, at = lab.pod("one")
    pod.run(ip, "link del eth0")
    assert attach.in_use(lab.paths) == {"one": at}
    _, other = lab.pod("two")
    assert not set(other.ips) & set(at.ips)
    lab.detach("one")
    lab.detach("two")
    nothing_is_left(lab)


def test_the_network_namespace_ended_first(lab: Lab) -> None:
    with lab.claimed("web", WEB):
        netns = lab.namespace()
        lab.attach("web", netns, WEB)
        lab.stack.pop_all().callback(lab.host.close)  # keep the host alone
        netns.close()
        lab.detach("web")
        nothing_is_left(lab)


def test_a_failed_attach_leaves_nothing(lab: Lab) -> None:
    not_a_namespace = os.open("/dev/null", os.O_RDONLY)
    try:
        with pytest.raises(MechanismFailed, match="network namespace of pod broken"):
            lab.host.run(attach.attach, lab.config, lab.paths, "broken", not_a_namespace, (WEB,))
    finally:
        os.close(not_a_namespace)
    nothing_is_left(lab)


def _killed_at(point: int, lab: Lab, uid: str, netns_fd: int, holding: bool) -> None:
    """Do everything in a child that is killed at the ``point``th call of a Python or C function.

    The process that would hold the hostPorts dies too, so that the ports are free afterwards.
    """
    pid = os.fork()
    if pid == 0:
        seen = 0

        def count(_: FrameType, event: str, __: Any) -> None:
            nonlocal seen
            seen += event in ("call", "c_call")
            if seen == point:
                os.kill(os.getpid(), signal.SIGKILL)

        sys.setprofile(count)
        if holding:
            attach.claim_ports(lab.config, lab.paths, uid, f"default/{uid}", (WEB, DNS))
            attach.attach(lab.config, lab.paths, uid, netns_fd, (WEB, DNS))
        else:
            attach.detach(lab.config, lab.paths, uid)
        os.kill(os.getpid(), signal.SIGKILL)
    os.waitpid(pid, 0)


@pytest.mark.parametrize("kill", ["attach", "detach"])
def test_killed_anywhere(lab: Lab, kill: str) -> None:
    """The bridge and the table are there already: they are in the way of nobody when they stay."""
    lab.pod("bystander")
    attach.preload(lab.config)
    # prime numbers of calls, denser at the beginning, where claims and leases are written
    points = [3, 31, 61, 97, 131, 173, 211, 257, 307, 367, 431, 503, 601, 809, 1009, 1511, 2503]
    for number, point in enumerate(points):
        uid = f"pod{number}"
        netns = lab.namespace()
        if kill == "detach":
            fds = lab.host.run(_claim_and_attach, lab, uid, netns.fd)
            assert fds == 4
        lab.host.run(_killed_at, point, lab, uid, netns.fd, kill == "attach")
        lab.detach(uid)
        assert lab.links() <= {*QUIET, veth_name("bystander")}, point
        assert lab.elements() == "", point
        assert set(attach.in_use(lab.paths)) == {"bystander"}, point
    with lab.claimed("after", WEB):
        pod, at = lab.pod("after", WEB)
        with pod.background(serve_tcp, "after", at.ips[0], 80):
            assert lab.outside.run(ask_tcp, HOST4, 8001).startswith("after ")


def _claim_and_attach(lab: Lab, uid: str, netns_fd: int) -> int:
    fds = attach.claim_ports(lab.config, lab.paths, uid, f"default/{uid}", (WEB, DNS))
    attach.attach(lab.config, lab.paths, uid, netns_fd, (WEB, DNS))
    return len(fds)


def test_killed_while_the_bridge_is_made(lab: Lab) -> None:
    for number, point in enumerate((101, 301, 601, 1201, 2401, 4801)):
        lab.host.run(_killed_at, point, lab, f"pod{number}", lab.namespace().fd, True)
        lab.detach(f"pod{number}")
    lab.pod("after")
    assert {"labbr0", veth_name("after")} <= lab.links()


def test_many_at_once(lab: Lab) -> None:
    """The first of them make the bridge and the table."""
    namespaces = {f"pod{n}": lab.namespace() for n in range(8)}
    answers = lab.host.run(_attach_all, lab, {uid: ns.fd for uid, ns in namespaces.items()})
    assert answers == [0] * 8
    held = leases.by_uid(lab.paths)
    assert set(held) == set(namespaces)
    assert len({address for ips in held.values() for address in ips}) == 16
    with namespaces["pod0"].background(serve_tcp, "pod0", held["pod0"][0], 80):
        assert namespaces["pod7"].run(ask_tcp, held["pod0"][0], 80).startswith("pod0 ")
    for uid in namespaces:
        lab.detach(uid)
    nothing_is_left(lab)


def _attach_all(lab: Lab, namespaces: dict[str, int]) -> list[int]:
    children = []
    for uid, fd in namespaces.items():
        pid = os.fork()
        if pid == 0:
            try:
                attach.attach(lab.config, lab.paths, uid, fd, ())
                os._exit(0)
            finally:
                os._exit(1)
        children.append(pid)
    return [os.waitpid(pid, 0)[1] for pid in children]


def test_the_range_is_exhausted(tmp_path: Path) -> None:
    lab = Lab(tmp_path, pod_cidrs=("10.99.0.0/30",))
    with lab.stack:
        lab.pod("only")
        with pytest.raises(Unavailable, match=r"no address is left in 10\.99\.0\.0/30"):
            lab.pod("more")
        lab.detach("only")
        assert lab.pod("more")[1] == PodAddresses(("10.99.0.2",))


@pytest.mark.parametrize(
    ("cidrs", "complaint"),
    [
        (("198.51.100.0/25",), r"198\.51\.100\.0/24 on uplink"),
        (("198.51.0.0/16",), r"198\.51\.100\.0/24 on uplink"),
        (("10.99.0.0/24", "2001:db8:1::/64"), r"2001:db8:1::/64 on uplink"),
    ],
)
def test_a_range_that_the_host_routes_already(
    tmp_path: Path, cidrs: tuple[str, ...], complaint: str
) -> None:
    lab = Lab(tmp_path, pod_cidrs=cidrs)
    with lab.stack:
        with pytest.raises(Conflict, match=complaint) as caught:
            lab.pod("one")
        assert "podCidrs" in caught.value.hint
        assert "labbr0" not in lab.links()
        assert attach.in_use(lab.paths) == {}


def test_a_bridge_that_is_not_ours(lab: Lab) -> None:
    lab.host.run(ip, "link add labbr0 type bridge")
    with pytest.raises(Conflict, match="labbr0 exists and was not made by podrun"):
        lab.pod("one")
    lab.host.run(attach.reset, lab.config, lab.paths)
    assert "labbr0" in lab.links()


def test_what_others_took_away_comes_back(lab: Lab) -> None:
    with lab.claimed("web", WEB):
        pod, at = lab.pod("web", WEB)
        with pod.background(serve_tcp, "web", at.ips[0], 80):
            lab.host.run(output, "nft", "flush", "ruleset")
            lab.host.run(ip, "addr flush dev labbr0")
            with pytest.raises(OSError):
                lab.outside.run(ask_tcp, HOST4, 8001)
            lab.host.run(attach.restore, lab.config, lab.paths)
            assert lab.outside.run(ask_tcp, HOST4, 8001).startswith("web ")
            lab.host.run(output, "nft", "delete", "table", "inet", lab.config.nft_table)
            lab.pod("another")  # the next pod's attach heals it as well
            assert lab.outside.run(ask_tcp, HOST4, 8001).startswith("web ")


def test_elements_of_a_pod_on_no_record_give_way(lab: Lab) -> None:
    with lab.claimed("lost", WEB):
        lab.pod("lost", WEB)
    for record in ("claims/lost.json", "leases/10.99.0.2", "leases/fd99:6c61:6200::2"):
        (lab.paths.network / record).unlink()
    with lab.claimed("web", WEB):
        pod, at = lab.pod("web", WEB)
        with pod.background(serve_tcp, "web", at.ips[0], 80):
            assert lab.outside.run(ask_tcp, HOST4, 8001).startswith("web ")


def test_reset(lab: Lab) -> None:
    with lab.claimed("web", WEB):
        lab.pod("web", WEB)
        lab.pod("other")
        lab.host.run(attach.reset, lab.config, lab.paths)
        assert lab.links() == {"lo", "uplink"}
        assert lab.host.run(output, "nft", "list", "tables") == ""
        assert not lab.paths.network.exists()
        lab.host.run(attach.reset, lab.config, lab.paths)


def test_router_advertisements_go_on(lab: Lab) -> None:
    def conf(interface: str, value: str = "") -> str:
        path = Path(f"/proc/sys/net/ipv6/conf/{interface}/accept_ra")
        if value:
            path.write_text(value)
        return path.read_text().strip()

    lab.host.run(conf, "uplink", "1")
    lab.host.run(conf, "lo", "0")
    pod, _ = lab.pod("one")
    assert [lab.host.run(conf, name) for name in ("uplink", "lo", "labbr0")] == ["2", "0", "0"]
    assert pod.run(conf, "eth0") == "0"


def test_in_a_worker_of_a_running_loop(lab: Lab) -> None:
    """As the agent does it: forked inside a coroutine; no descriptor may be left open."""

    def work() -> tuple[PodAddresses, int]:
        before = len(os.listdir("/proc/self/fd"))
        addresses = attach.attach(lab.config, lab.paths, "one", netns.fd, ())
        check.check(lab.config)  # dumps, through IPRoute
        return addresses, len(os.listdir("/proc/self/fd")) - before

    async def agent() -> tuple[PodAddresses, int]:
        return lab.host.run(work)

    netns = lab.namespace()
    addresses, leaked = asyncio.run(agent())
    assert addresses.ips[0] == "10.99.0.2"
    assert leaked == 0


def test_check(lab: Lab) -> None:
    def run(config: Config) -> dict[str, tuple[bool, str]]:
        return {c.name: (c.ok, f"{c.detail} {c.hint}") for c in check.check(config)}

    fresh = lab.host.run(run, lab.config)
    assert all(ok for ok, _ in fresh.values()), fresh
    assert "labbr0" not in lab.links()
    assert lab.host.run(output, "nft", "list", "tables") == ""
    lab.pod("one")
    assert all(ok for ok, _ in lab.host.run(run, lab.config).values())

    drop = (
        "table ip filter { chain FORWARD { type filter hook forward priority 0; policy drop; }; }"
    )
    lab.host.run(output, "nft", drop)
    ok, said = lab.host.run(run, lab.config)["forwarding of others"]
    assert not ok
    assert "ip filter FORWARD" in said
    assert "labbr0" in said

    overlapping = Config(bridge="labbr1", nft_table="lab1", pod_cidrs=("198.51.100.0/24",))
    ok, said = lab.host.run(run, overlapping)["range 198.51.100.0/24"]
    assert not ok
    assert "uplink" in said


DOCKER = """
table ip filter {
  chain DOCKER-USER {
    counter return
  }
  chain FORWARD {
    type filter hook forward priority filter; policy drop;
    jump DOCKER-USER
  }
}
"""


def test_beside_docker(lab: Lab) -> None:
    def docker_user() -> str:
        return lab.host.run(output, "nft", "list", "chain", "ip", "filter", "DOCKER-USER")

    lab.host.run(nft.run, "start docker", DOCKER)
    before = docker_user()
    with lab.claimed("web", WEB):
        pod, at = lab.pod("web", WEB)
        with (
            pod.background(serve_tcp, "web", at.ips[0], 80),
            lab.outside.background(serve_tcp, "outside", OUTSIDE4, 7000),
        ):
            assert lab.outside.run(ask_tcp, HOST4, 8001).startswith("web ")
            assert pod.run(ask_tcp, OUTSIDE4, 7000).startswith("outside ")
            assert all(line.ok for line in lab.host.run(check.check, lab.config))
            lab.host.run(output, "nft", "flush", "chain", "ip", "filter", "DOCKER-USER")
            with pytest.raises(TimeoutError):
                pod.run(ask_tcp, OUTSIDE4, 7000, 0.3)  # so that is what let it pass
            lab.host.run(
                output, "nft", "add", "rule", "ip", "filter", "DOCKER-USER", "counter", "return"
            )
            for _ in range(2):  # Docker was started after the pod: the agent sees to it, once
                lab.host.run(attach.restore, lab.config, lab.paths)
            assert docker_user().count("podrun labbr0") == 2
            assert pod.run(ask_tcp, OUTSIDE4, 7000).startswith("outside ")
        lab.host.run(attach.reset, lab.config, lab.paths)
    assert _uncounted(docker_user()) == _uncounted(before)


def _uncounted(listing: str) -> str:
    return re.sub(r"packets \d+ bytes \d+", "", listing)


def test_errors_name_what_failed(lab: Lab) -> None:
    netns = lab.namespace()
    netns.run(ip, "link add eth0 type bridge")
    with pytest.raises(MechanismFailed, match=f"make {veth_name('one')}: File exists") as caught:
        lab.attach("one", netns)
    assert caught.value.errno == errno.EEXIST
    nothing_is_left(lab)
