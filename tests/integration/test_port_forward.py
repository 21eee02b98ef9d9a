"""``podrun port-forward``: real connections into real pods."""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import socket
import struct
import subprocess
import sys
from collections.abc import Iterator

import pytest

from tests.integration.test_cli_session import container, pod
from tests.node import Node

# Answers with what came, upside down, once its client has closed its half; on loopback alone.
SERVER = """
import socket, sys, threading
family, host, port = sys.argv[1:]
server = socket.create_server((host, int(port)), family=getattr(socket, family), backlog=64)
def serve(client):
    try:
        data = b""
        while chunk := client.recv(65536): data += chunk
        client.sendall(data[::-1])
    except OSError: pass
    client.close()
print("up", flush=True)
while True:
    client, _ = server.accept()
    threading.Thread(target=serve, args=(client,), daemon=True).start()
"""


def server(name: str, port: int, family: str = "AF_INET", host: str = "127.0.0.1") -> str:
    command = json.dumps([os.path.realpath(sys.executable), "-c", SERVER, family, host, str(port)])
    ports = f"ports: [{{name: {name}-port, containerPort: {port}}}]"
    return f"\n  - {{name: {name}, image: localhost/host, {ports}, command: {command}}}"


@pytest.fixture
def web(node: Node) -> Node:
    apps = server("v4", 7001) + server("v6", 7002, "AF_INET6", "::1")
    node.apply_text(pod("web", apps))
    logs = ("logs", "web", "--all-containers")
    node.wait_until(lambda: node.podrun(*logs).stdout.count("up") == 2)
    return node


class Forwarding:
    """A running command; ``ports`` maps the address and remote port it told to local ones."""

    def __init__(self, node: Node, *args: str, lines: int) -> None:
        self.process = node.popen(
            "port-forward", *args, stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )
        self.ports: dict[tuple[str, int], int] = {}
        assert self.process.stdout is not None
        for _ in range(lines):
            line = self.process.stdout.readline().decode()
            match = re.fullmatch(r"Forwarding from (\S+):(\d+) -> (\d+)\n", line)
            assert match, line + self.rest()[1]
            self.ports[match[1].strip("[]"), int(match[3])] = int(match[2])

    def rest(self) -> tuple[str, str]:
        out, err = self.process.communicate(timeout=20)
        return out.decode(), err.decode()

    def end(self, number: int = signal.SIGINT) -> tuple[str, str]:
        self.process.send_signal(number)
        return self.rest()


@contextlib.contextmanager
def forwarding(node: Node, *args: str, lines: int = 2) -> Iterator[Forwarding]:
    found = Forwarding(node, *args, lines=lines)
    try:
        yield found
    finally:
        if found.process.poll() is None:
            found.end(signal.SIGKILL)


def ask(port: int, data: bytes, host: str = "127.0.0.1") -> bytes:
    with socket.create_connection((host, port), timeout=20) as client:
        client.sendall(data)
        client.shutdown(socket.SHUT_WR)
        answer = b""
        while chunk := client.recv(65536):
            answer += chunk
        return answer


def test_the_pods_loopback_and_half_closed_connections(web: Node) -> None:
    with forwarding(web, "web", ":7001", "0:v6-port", lines=4) as found:
        for address in ("127.0.0.1", "::1"):
            assert ask(found.ports[address, 7001], b"abc", address) == b"cba"
            assert ask(found.ports[address, 7002], b"abc", address) == b"cba"
        large = os.urandom(3_000_000)
        assert ask(found.ports["127.0.0.1", 7001], large) == large[::-1]
        out, err = found.end()
    assert (found.process.returncode, err) == (0, "")
    handled = [f"Handling connection for {port}" for port in found.ports.values()]
    assert set(out.splitlines()) == set(handled)


def test_many_at_once(web: Node) -> None:
    with forwarding(web, "web", ":7001", "--address", "127.0.0.1", lines=1) as found:
        port = found.ports["127.0.0.1", 7001]
        clients = [socket.create_connection(("127.0.0.1", port), timeout=20) for _ in range(50)]
        for number, client in enumerate(clients):
            client.sendall(f"{number:02}".encode())
            client.shutdown(socket.SHUT_WR)
        for number, client in enumerate(clients):
            assert client.recv(10).decode() == f"{number:02}"[::-1]
            client.close()


def test_a_refused_and_a_vanished_connection_harm_no_other(web: Node) -> None:
    with forwarding(web, "web", ":7001", ":9", "--address=127.0.0.1", lines=2) as found:
        port = found.ports["127.0.0.1", 7001]
        with pytest.raises(OSError, match=r"reset|not connected"):
            ask(found.ports["127.0.0.1", 9], b"")
        client = socket.create_connection(("127.0.0.1", port))
        client.sendall(b"half of it")
        client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        client.close()  # a reset
        assert ask(port, b"xy") == b"yx"
        _, err = found.end(signal.SIGTERM)
    assert err == "port 9 of the pod: Connection refused\n"


def test_a_taken_port(web: Node) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        done = web.podrun("port-forward", "web", f"{port}:7001", check=False)
    assert done.returncode == 1 and done.stdout == ""
    assert done.stderr.startswith(f"error: 127.0.0.1:{port} is taken (")


def test_it_ends_with_the_pod(web: Node) -> None:
    with forwarding(web, "web", ":7001") as found:
        port = found.ports["127.0.0.1", 7001]
        with socket.create_connection(("127.0.0.1", port)) as client:
            client.sendall(b"x")
            web.podrun("delete", "web", "--now")
            _, err = found.rest()
    assert found.process.returncode == 1
    assert 'error: the sandbox of pod "web" has ended' in err
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", port))


def test_the_hosts_network(node: Node) -> None:
    with socket.create_server(("127.0.0.1", 0)) as host:
        port = host.getsockname()[1]
        node.apply_text(pod("host", container("a"), spec="hostNetwork: true"))
        with forwarding(node, "host", f":{port}") as found:
            address = ("127.0.0.1", found.ports["127.0.0.1", port])
            with socket.create_connection(address) as client:
                client.sendall(b"through")
                there, _ = host.accept()
                with there:
                    assert there.recv(10) == b"through"
