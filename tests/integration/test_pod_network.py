"""hostPorts of real pods, from everywhere; who has a port; addresses that go and come back."""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Iterator

import pytest

from tests.node import Node, wait_until

SERVER = """
apiVersion: v1
kind: Pod
metadata: {name: NAME}
spec:
  terminationGracePeriodSeconds: 1
  containers:
  - name: web
    image: localhost/host
    command: [python3, -c, "SCRIPT"]
    ports: [{containerPort: 8080, hostPort: PORT, protocol: PROTOCOL}]
"""
TCP = (
    "import socket; s=socket.create_server(('0.0.0.0',8080))\\n"
    "while True: c=s.accept()[0]; c.sendall(socket.gethostname().encode()); c.close()"
)
UDP = (
    "import socket; s=socket.socket(socket.AF_INET,socket.SOCK_DGRAM); s.bind(('',8080))\\n"
    "while True: d,a=s.recvfrom(99); s.sendto(b'got '+d,a)"
)


def server(name: str, port: int, script: str = TCP, protocol: str = "TCP") -> str:
    text = SERVER.replace("NAME", name).replace("PORT", str(port))
    return text.replace("SCRIPT", script).replace("PROTOCOL", protocol)


@pytest.fixture
def port() -> Iterator[int]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        number = free.getsockname()[1]
    yield int(number)


def ask(address: str, port: int) -> str:
    try:
        with socket.create_connection((address, port), timeout=3) as client:
            return client.recv(99).decode()
    except OSError:
        return ""


def ask_from(node: Node, pod: str, address: str, port: int) -> str:
    script = (
        f"import socket; print(socket.create_connection(('{address}',{port}),timeout=3)"
        ".recv(99).decode())"
    )
    return node.podrun("exec", pod, "--", "python3", "-c", script, check=False).stdout.strip()


def test_a_host_port_from_loopback_from_the_pod_itself_and_from_another(
    node: Node, port: int
) -> None:
    node.apply_text(server("portone", port))
    wait_until(lambda: ask("127.0.0.1", port) == "portone", what="the page on loopback")
    status = node.status("portone")
    assert ask(status["hostIP"], port) == "portone"
    assert ask_from(node, "portone", status["hostIP"], port) == "portone"  # hairpin
    idle = server("porttwo", port + 1).replace("hostPort: ", "containerPort: ")
    idle = idle.replace("containerPort: 8080, containerPort: ", "containerPort: ")
    node.apply_text(idle)
    assert ask_from(node, "porttwo", status["hostIP"], port) == "portone"
    assert ask_from(node, "porttwo", status["podIP"], 8080) == "portone"
    node.podrun("delete", "portone")
    assert ask("127.0.0.1", port) == ""


def test_a_udp_host_port(node: Node, port: int) -> None:
    node.apply_text(server("udpone", port, UDP, "UDP"))

    def answer() -> bytes:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
            client.settimeout(1)
            try:
                client.sendto(b"x", ("127.0.0.1", port))
                return client.recv(99)
            except OSError:
                return b""

    wait_until(lambda: answer() == b"got x", what="the answer over UDP")


def test_a_taken_host_port_names_the_pod_that_has_it(node: Node, port: int) -> None:
    node.apply_text(server("first", port))
    done = node.apply_text(server("second", port), check=False, timeout=90)
    assert done.returncode == 1
    assert f"{port}" in done.stderr and "default/first" in done.stderr
    node.podrun("delete", "first")
    node.podrun("wait", "second", "--for=condition=Ready", "--timeout", "40s")
    wait_until(lambda: ask("127.0.0.1", port) == "second")


def test_a_port_taken_by_a_process_of_the_host_names_it(node: Node) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        done = node.apply_text(server("late", port), check=False, timeout=90)
        assert done.returncode == 1
        assert str(port) in done.stderr and f"(pid {os.getpid()})" in done.stderr


def test_the_address_outlives_containers_and_is_not_shared(node: Node) -> None:
    for name in ("one", "two", "three"):
        node.apply_text(server(name, 0).replace("hostPort: 0, ", ""))
    addresses = {name: node.status(name)["podIP"] for name in ("one", "two", "three")}
    assert len(set(addresses.values())) == 3
    before = node.status("one")["containerStatuses"][0]["restartCount"]
    node.podrun("exec", "one", "--", "sh", "-c", "kill -9 -1; kill 1", check=False)
    node.podrun("exec", "one", "--", "sh", "-c", "kill -TERM 1", check=False)
    assert node.status("one")["podIP"] == addresses["one"]
    assert before == 0


def test_both_families_and_the_gateway(node: Node) -> None:
    node.apply_text(server("dual", 0).replace("hostPort: 0, ", ""))
    ips = [entry["ip"] for entry in node.status("dual")["podIPs"]]
    assert len(ips) == 2 and ":" in ips[1]
    routes = node.podrun("exec", "dual", "--", "ip", "-j", "route").stdout
    default = next(row for row in json.loads(routes) if row["dst"] == "default")
    assert default["dev"] == "eth0"
    wait_until(lambda: ask(ips[0], 8080) == "dual", what="the page")
