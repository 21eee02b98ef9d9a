"""What the agent knows of its machine: settings, paths, capacity, addresses."""

from __future__ import annotations

import os
import socket

import msgspec

from podrun.api.amounts import STORAGE
from podrun.api.hugepages import resource_of
from podrun.errors import UsageError
from podrun.linux import hugepages
from podrun.node.config import Config
from podrun.node.paths import Paths
from podrun.pod.backoff import Settings
from podrun.pod.fitting import allocatable
from podrun.pod.resources import Amounts, amounts
from podrun.pod.status import NodeFacts


class Node(msgspec.Struct, frozen=True):
    config: Config
    paths: Paths
    name: str
    host_ips: tuple[str, ...]
    memory_bytes: int
    capacity: Amounts = {}  # less what is reserved

    @property
    def allocatable(self) -> Amounts:
        """What pods may ask for, all together. Huge pages are no other memory; both as of now."""
        pages = hugepages.totals()
        memory = {"memory": max(self.capacity.get("memory", 0) - sum(pages.values()), 0)}
        return self.capacity | memory | {resource_of(size): pages[size] for size in pages}

    @property
    def open_limits(self) -> Amounts:
        """What a container without limits may use, as the downward API tells it. OSError."""
        disk = os.statvfs(self.paths.state)
        return self.allocatable | {STORAGE: disk.f_blocks * disk.f_frsize}

    @property
    def settings(self) -> Settings:
        return Settings(
            max_restart_period=self.config.max_container_restart_period,
            first_pull_delay=self.config.image_pull_backoff,
            allowed_unsafe_sysctls=self.config.allowed_unsafe_sysctls,
        )

    @property
    def facts(self) -> NodeFacts:
        return NodeFacts(host_ips=self.host_ips, name=self.name)


def discover(config: Config) -> Node:
    """Read the machine once. Addresses are those a packet to the world would carry."""
    import psutil

    memory = psutil.virtual_memory().total
    capacity = {"cpu": 1000 * (psutil.cpu_count() or 1), "memory": memory}
    return Node(
        config=config,
        paths=Paths(config),
        name=node_name(config),
        host_ips=host_ips(),
        memory_bytes=memory,
        capacity=allocatable(capacity, _reserved(config)),
    )


def _reserved(config: Config) -> Amounts:
    """Raises UsageError."""
    try:
        return amounts(config.system_reserved)
    except ValueError as error:
        raise UsageError(f"systemReserved: {error}", hint="see docs/configuration.md") from None


def node_name(config: Config) -> str:
    return config.node_name or os.uname().nodename


def host_ips() -> tuple[str, ...]:
    """At most one address of each family: of the route to the world, else of none.

    Connecting a datagram socket sends nothing; it only asks the kernel for the source address.
    """
    found = []
    for family, there in ((socket.AF_INET, "192.0.2.1"), (socket.AF_INET6, "2001:db8::1")):
        try:
            with socket.socket(family, socket.SOCK_DGRAM) as probe:
                probe.connect((there, 9))
                found.append(str(probe.getsockname()[0]))
        except OSError:
            continue
    return tuple(found) or ("127.0.0.1",)
