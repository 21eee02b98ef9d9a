"""tcpSocket handlers, and the addresses of probes."""

from __future__ import annotations

import asyncio
import socket
from pathlib import Path

import pytest

from podrun.errors import NotFound
from podrun.probe import address, tcp
from podrun.probe.outcome import Outcome
from podrun.probe.tcp import TcpConnect


def connect(where: str, port: int, timeout: float = 2.0) -> Outcome:
    return asyncio.run(tcp.connect(TcpConnect(where, port), timeout))


@pytest.mark.parametrize("where", ["127.0.0.1", "::1"])
def test_being_accepted_is_success(where: str) -> None:
    family = socket.AF_INET6 if ":" in where else socket.AF_INET
    with socket.create_server((where, 0), family=family) as server:
        assert connect(where, server.getsockname()[1]) == Outcome("success")


def test_being_refused_is_a_failure() -> None:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        port = sock.getsockname()[1]
        text = f"dial tcp 127.0.0.1:{port}: connect: connection refused"
        assert connect("127.0.0.1", port) == Outcome("failure", text)


def test_silence_is_a_failure_after_the_timeout() -> None:
    with socket.create_server(("127.0.0.1", 0), backlog=0) as server:
        port = server.getsockname()[1]
        waiting = [socket.socket() for _ in range(4)]
        for sock in waiting:  # fill the queue: further ones are not answered
            sock.setblocking(False)
            sock.connect_ex(("127.0.0.1", port))
        assert connect("127.0.0.1", port, 0.1) == Outcome(
            "failure", f"dial tcp 127.0.0.1:{port}: i/o timeout"
        )
        for sock in waiting:
            sock.close()


def test_an_impossible_address_is_a_failure() -> None:
    assert connect("fe80::1", 1).kind == "failure"


def test_a_literal_is_its_own_address() -> None:
    assert address.known("10.1.2.3") == "10.1.2.3"
    assert address.known("[FD00::1]") == "fd00::1"


def test_names_of_the_hosts_file(tmp_path: Path) -> None:
    hosts = tmp_path / "hosts"
    hosts.write_text("# x\n\n10.0.0.7 Db.example db # the db\nnonsense db2\n10.0.0.8 db\n")
    assert address.known("DB", hosts) == "10.0.0.7"
    assert address.known("db.example.", hosts) == "10.0.0.7"
    assert address.known("db2", hosts) is None
    assert address.known("the", hosts) is None
    assert address.known("db", tmp_path / "missing") is None


def test_a_name_nobody_knows_is_not_found() -> None:
    with pytest.raises(NotFound, match=r"lookup nobody\.invalid"):
        address.look_up("nobody.invalid")
