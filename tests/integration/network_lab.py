"""A host, other hosts and pods, each a network namespace of its own: nothing here touches the
network of the machine that runs the tests.

    outside 198.51.100.2 ──── 198.51.100.1 host ── bridge ── pods
            2001:db8:1::2     2001:db8:1::1
"""

from __future__ import annotations

import contextlib
import os
import pickle
import signal
import socket
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar

from podrun.linux.namespace import CLONE_NEWNET, setns, unshare
from podrun.network import attach
from podrun.network.types import PodAddresses, PortMapping
from podrun.node.config import Config
from podrun.node.paths import Paths

T = TypeVar("T")
SECONDS = 5.0

HOST4, OUTSIDE4 = "198.51.100.1", "198.51.100.2"
HOST6, OUTSIDE6 = "2001:db8:1::1", "2001:db8:1::2"


class Namespace:
    """A network namespace without a process; gone when its descriptor is closed."""

    def __init__(self) -> None:
        self.fd = _new_namespace()
        self.run(ip, "link set lo up")

    def run(self, function: Callable[..., T], *arguments: Any) -> T:
        """Call it in a forked child inside the namespace; the result, or the exception, is ours."""
        there, here = os.pipe()
        pid = os.fork()
        if pid == 0:
            _child(self.fd, here, function, arguments)
        os.close(here)
        with os.fdopen(there, "rb") as stream:
            answer = stream.read()
        os.waitpid(pid, 0)
        good, value = pickle.loads(answer)
        if not good:
            raise value
        result: T = value
        return result

    @contextlib.contextmanager
    def background(self, function: Callable[..., Any], *arguments: Any) -> Iterator[int]:
        """Have it run in there for a while; it says that it is ready by closing its argument."""
        there, here = os.pipe()
        pid = os.fork()
        if pid == 0:
            try:
                setns(self.fd, CLONE_NEWNET)
                function(here, *arguments)
            finally:
                os._exit(0)
        os.close(here)
        with os.fdopen(there, "rb") as stream:
            stream.read()
        try:
            yield pid
        finally:
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)

    def close(self) -> None:
        os.close(self.fd)


class Lab:
    """One host with podrun's network on it."""

    def __init__(self, root: Path, **settings: Any) -> None:
        self.config = Config(
            state_root=str(root / "state"),
            run_root=str(root / "run"),
            bridge="labbr0",
            nft_table="podrun-lab",
            **{"pod_cidrs": ("10.99.0.0/24", "fd99:6c61:6200::/64"), **settings},
        )
        self.paths = Paths(self.config)
        self.stack = contextlib.ExitStack()
        self.host = self.namespace()
        self.outside = self.namespace()
        join(self.host, self.outside)

    def namespace(self) -> Namespace:
        made = Namespace()
        self.stack.callback(made.close)
        return made

    def pod(self, uid: str, *mappings: PortMapping) -> tuple[Namespace, PodAddresses]:
        netns = self.namespace()
        return netns, self.attach(uid, netns, *mappings)

    def attach(self, uid: str, netns: Namespace, *mappings: PortMapping) -> PodAddresses:
        return self.host.run(attach.attach, self.config, self.paths, uid, netns.fd, mappings)

    def detach(self, uid: str) -> None:
        self.host.run(attach.detach, self.config, self.paths, uid)

    @contextlib.contextmanager
    def claimed(self, uid: str, *mappings: PortMapping) -> Iterator[None]:
        """Some process of the host holds the sockets, as pause does."""
        with self.host.background(self._hold, uid, mappings):
            yield

    def _hold(self, ready: int, uid: str, mappings: tuple[PortMapping, ...]) -> None:
        attach.claim_ports(self.config, self.paths, uid, f"default/{uid}", mappings)
        os.close(ready)
        signal.pause()

    def links(self) -> set[str]:
        return {
            line.split()[0].split("@")[0] for line in self.host.run(ip, "-br link").splitlines()
        }

    def elements(self) -> str:
        """The table without its rules: what is left when pods are gone should be no element."""
        listing = self.host.run(output, "nft", "list", "table", "inet", self.config.nft_table)
        return "\n".join(line for line in listing.splitlines() if "elements" in line)


def join(host: Namespace, outside: Namespace) -> None:
    host.run(_link_outside, outside.fd)
    for netns, v4, v6 in ((host, HOST4, HOST6), (outside, OUTSIDE4, OUTSIDE6)):
        netns.run(ip, f"addr add {v4}/24 dev uplink")
        netns.run(ip, f"addr add {v6}/64 dev uplink nodad")
        netns.run(ip, "link set uplink up")


def _link_outside(outside_fd: int) -> None:
    fd = f"/proc/{os.getpid()}/fd/{outside_fd}"
    subprocess.run(
        ["ip", "link", "add", "uplink", "type", "veth", "peer", "name", "uplink", "netns", fd],
        check=True,
        pass_fds=[outside_fd],
    )


def ip(arguments: str) -> str:
    return output("ip", *arguments.split())


def output(*command: str) -> str:
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


def serve_tcp(ready: int, name: str, address: str, port: int) -> None:
    """Answer each connection with our name and the address of the peer."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with socket.create_server((address, port), family=family) as server:
        os.close(ready)
        while True:
            connection, peer = server.accept()
            with connection:
                connection.sendall(f"{name} {peer[0]}".encode())


def serve_udp(ready: int, name: str, address: str, port: int) -> None:
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with socket.socket(family, socket.SOCK_DGRAM) as server:
        server.bind((address, port))
        os.close(ready)
        while True:
            _, peer = server.recvfrom(100)
            server.sendto(f"{name} {peer[0]}".encode(), peer)


def ask_tcp(address: str, port: int, timeout: float = SECONDS) -> str:
    """What the server says: "NAME PEER". Raises OSError when there is none."""
    with socket.create_connection((address, port), timeout=timeout) as client:
        return client.makefile().read()


def ask_udp(address: str, port: int, timeout: float = SECONDS) -> str:
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with socket.socket(family, socket.SOCK_DGRAM) as client:
        client.settimeout(timeout)
        client.connect((address, port))
        client.send(b"?")
        return client.recv(100).decode()


def _new_namespace() -> int:
    there, here = os.pipe()
    go, stop = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.close(stop)
        unshare(CLONE_NEWNET)
        os.close(here)
        os.read(go, 1)
        os._exit(0)
    os.close(here)
    os.close(go)
    os.read(there, 1)
    fd = os.open(f"/proc/{pid}/ns/net", os.O_RDONLY | os.O_CLOEXEC)
    os.close(stop)
    os.close(there)
    os.waitpid(pid, 0)
    return fd


def _child(
    netns: int, stream: int, function: Callable[..., Any], arguments: tuple[Any, ...]
) -> None:
    try:
        try:
            setns(netns, CLONE_NEWNET)
            answer = (True, function(*arguments))
        except BaseException as error:
            answer = (False, error)
        try:
            data = pickle.dumps(answer)
            pickle.loads(data)
        except Exception:
            data = pickle.dumps((False, RuntimeError(repr(answer[1]))))
        os.write(stream, data)
    finally:
        os._exit(0)
