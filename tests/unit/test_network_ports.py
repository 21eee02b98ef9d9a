from __future__ import annotations

import contextlib
import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from podrun.errors import Conflict, InvalidManifest, PodrunError, Unavailable
from podrun.network import attach, claims, ports, rules
from podrun.network.claims import Claim
from podrun.network.layout import layout_of
from podrun.network.types import PortMapping
from podrun.node.config import Config
from podrun.node.paths import Paths

IPS = ("10.85.0.2", "fd85::2")


def claim(root: Path, uid: str, *mappings: PortMapping) -> list[int]:
    config = Config(state_root=str(root))
    return attach.claim_ports(config, Paths(config), uid, f"default/{uid}", mappings)


@contextlib.contextmanager
def open_ports(root: Path, uid: str, *mappings: PortMapping) -> Iterator[None]:
    fds = claim(root, uid, *mappings)
    try:
        yield
    finally:
        for fd in fds:
            os.close(fd)


@contextlib.contextmanager
def server(kind: socket.SocketKind = socket.SOCK_STREAM) -> Iterator[int]:
    """Some port of the host that is taken."""
    with socket.socket(socket.AF_INET, kind) as taken:
        taken.bind(("127.0.0.1", 0))
        if kind == socket.SOCK_STREAM:
            taken.listen()
        yield int(taken.getsockname()[1])


def free_port() -> int:
    with server() as port:
        return port


def test_a_claimed_port_belongs_to_nobody_else(tmp_path: Path) -> None:
    port = free_port()
    with open_ports(tmp_path, "a", PortMapping(port, 80)):
        for address in ("127.0.0.1", "0.0.0.0"):
            with socket.socket() as other, pytest.raises(OSError, match="in use"):
                other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                other.bind((address, port))
                other.listen()
    with socket.socket() as other:
        other.bind(("127.0.0.1", port))


def test_nobody_listens_on_it(tmp_path: Path) -> None:
    port = free_port()
    with open_ports(tmp_path, "a", PortMapping(port, 80)):
        for address in ("127.0.0.1", "::1"):
            with pytest.raises(ConnectionRefusedError):
                socket.create_connection((address, port), timeout=5)


def test_a_conflict_names_the_pod(tmp_path: Path) -> None:
    port = free_port()
    with open_ports(tmp_path, "web", PortMapping(port, 80)):
        with pytest.raises(Conflict, match=f"hostPort {port}/TCP is taken by pod default/web") as c:
            claim(tmp_path, "other", PortMapping(port, 8080))
        assert c.value.reason == "HostPortConflict"
        with open_ports(tmp_path, "udp", PortMapping(port, 80, "UDP")):  # another protocol
            pass


@pytest.mark.parametrize("kind", [socket.SOCK_STREAM, socket.SOCK_DGRAM])
def test_a_conflict_names_the_process(tmp_path: Path, kind: socket.SocketKind) -> None:
    protocol = "TCP" if kind == socket.SOCK_STREAM else "UDP"
    with server(kind) as port, pytest.raises(Conflict, match=rf"\(pid {os.getpid()}\)"):
        claim(tmp_path, "a", PortMapping(port, 80, protocol))


def test_a_conflict_leaves_nothing(tmp_path: Path) -> None:
    free, before = free_port(), set(os.listdir("/proc/self/fd"))
    with server() as taken, pytest.raises(Conflict):
        claim(tmp_path, "a", PortMapping(free, 80), PortMapping(taken, 81))
    assert set(os.listdir("/proc/self/fd")) == before
    assert claims.everyone(Paths(Config(state_root=str(tmp_path)))) == []
    with open_ports(tmp_path, "b", PortMapping(free, 80)):
        pass


def test_lingering_connections_of_a_server_that_has_gone(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as gone:
        port = gone.getsockname()[1]
        with socket.create_connection(("127.0.0.1", port)) as client:
            accepted, _ = gone.accept()
            accepted.close()  # the side that closes first is the one in TIME_WAIT
            assert client.recv(1) == b""
    with socket.socket() as strict, pytest.raises(OSError, match="in use"):
        strict.bind(("127.0.0.1", port))
    with open_ports(tmp_path, "a", PortMapping(port, 80)), socket.socket() as other:
        other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        with pytest.raises(OSError, match="in use"):
            other.bind(("127.0.0.1", port))
            other.listen()


def test_one_port_on_two_addresses(tmp_path: Path) -> None:
    port = free_port()
    one = PortMapping(port, 80, host_ip="127.0.0.1")
    two = PortMapping(port, 80, host_ip="127.0.0.2")
    with (
        open_ports(tmp_path, "a", one),
        open_ports(tmp_path, "b", two),
        pytest.raises(Conflict, match=r"default/[ab]"),
    ):
        claim(tmp_path, "c", PortMapping(port, 80))


@pytest.mark.parametrize(
    ("host_ip", "kind", "complaint"),
    [
        ("::1", InvalidManifest, "IPv6 loopback"),
        ("203.0.113.77", Unavailable, "no address 203.0.113.77"),
        ("localhost", InvalidManifest, "not an IP address"),
    ],
)
def test_a_host_ip_that_cannot_be(
    tmp_path: Path, host_ip: str, kind: type[PodrunError], complaint: str
) -> None:
    with pytest.raises(kind, match=complaint):
        claim(tmp_path, "a", PortMapping(free_port(), 80, host_ip=host_ip))


def test_a_family_that_pods_do_not_have(tmp_path: Path) -> None:
    config = Config(state_root=str(tmp_path), pod_cidrs=("10.85.0.0/16",))
    mapping = PortMapping(free_port(), 80, host_ip="fd00::2")
    with pytest.raises(Unavailable, match="no IPv6 address"):
        attach.claim_ports(config, Paths(config), "a", "default/a", (mapping,))


def test_sctp_is_there_or_the_error_says_so(tmp_path: Path) -> None:
    try:
        with open_ports(tmp_path, "a", PortMapping(free_port(), 80, "SCTP")):
            pass
    except Unavailable as error:
        assert "no SCTP" in error.message
        assert error.hint == "modprobe sctp"


@pytest.mark.parametrize(
    ("a", "b", "overlap"),
    [
        ("", "", True),
        ("", "10.0.0.1", True),
        ("10.0.0.1", "", True),
        ("10.0.0.1", "10.0.0.2", False),
        ("0.0.0.0", "10.0.0.2", True),
        ("0.0.0.0", "::", False),
        ("0.0.0.0", "fd00::1", False),
        ("::", "fd00::1", True),
        ("", "::", True),
    ],
)
def test_which_claims_overlap(tmp_path: Path, a: str, b: str, overlap: bool) -> None:
    paths = Paths(Config(state_root=str(tmp_path)))
    claims.write(paths, Claim("a", "default/a", (PortMapping(80, 1, host_ip=a),)))
    wanted = PortMapping(80, 2, host_ip=b)
    assert (claims.conflicting(paths, "b", wanted) is not None) == overlap
    assert claims.conflicting(paths, "a", wanted) is None  # one's own
    assert claims.conflicting(paths, "b", PortMapping(81, 2, host_ip=b)) is None
    assert claims.conflicting(paths, "b", PortMapping(80, 2, "UDP", host_ip=b)) is None


def test_a_torn_claim_is_none(tmp_path: Path) -> None:
    paths = Paths(Config(state_root=str(tmp_path)))
    claims.write(paths, Claim("a", "default/a", ()))
    (paths.network / "claims" / "b.json").write_bytes(b"")
    assert [claim.uid for claim in claims.everyone(paths)] == ["a"]
    claims.forget(paths, "b")
    claims.forget(paths, "b")


@pytest.mark.parametrize(
    ("mapping", "expected"),
    [
        (
            PortMapping(8001, 80),
            [
                ("hostports4", "tcp . 8001", "10.85.0.2 . 80"),
                ("hostports6", "tcp . 8001", "fd85::2 . 80"),
            ],
        ),
        (
            PortMapping(53, 5353, "UDP"),
            [
                ("hostports4", "udp . 53", "10.85.0.2 . 5353"),
                ("hostports6", "udp . 53", "fd85::2 . 5353"),
                ("refused", "53", ""),
            ],
        ),
        (PortMapping(1, 2, host_ip="0.0.0.0"), [("hostports4", "tcp . 1", "10.85.0.2 . 2")]),
        (PortMapping(1, 2, host_ip="::"), [("hostports6", "tcp . 1", "fd85::2 . 2")]),
        (
            PortMapping(1, 2, host_ip="127.0.0.1"),
            [("hostips4", "127.0.0.1 . tcp . 1", "10.85.0.2 . 2")],
        ),
        (PortMapping(1, 2, host_ip="fd00::1"), [("hostips6", "fd00::1 . tcp . 1", "fd85::2 . 2")]),
    ],
)
def test_the_elements_of_a_mapping(mapping: PortMapping, expected: list[rules.Element]) -> None:
    assert rules.elements(mapping, IPS) == expected


def test_the_table_is_marked_with_its_layout() -> None:
    one = rules.table_text(layout_of(Config()))
    other = rules.table_text(layout_of(Config(bridge="podrun1")))
    marks = [text.rpartition("chain ")[2] for text in (one, other)]
    assert marks[0] != marks[1]
    assert all(mark.startswith("layout-") for mark in marks)


def test_what_is_said_of_a_mapping() -> None:
    assert ports.describe(PortMapping(80, 1)) == "hostPort 80/TCP"
    assert ports.describe(PortMapping(80, 1, "UDP", "::1")) == "hostPort [::1]:80/UDP"
