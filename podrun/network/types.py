"""What the other rooms and this one tell each other. Imports nothing heavy."""

from __future__ import annotations

import msgspec


class PortMapping(msgspec.Struct, frozen=True):
    """One hostPort. ``protocol`` is TCP, UDP or SCTP.

    ``host_ip`` "" is every address of the host, "0.0.0.0" every IPv4 one, "::" every IPv6 one.
    """

    host_port: int
    container_port: int
    protocol: str = "TCP"
    host_ip: str = ""


class PodAddresses(msgspec.Struct, frozen=True):
    """A pod's addresses without prefix length; the first is its ``podIP``, IPv4 if it has any."""

    ips: tuple[str, ...]


class Check(msgspec.Struct, frozen=True):
    """One line of ``podrun system check``; ``hint`` says what to do when it is not ``ok``."""

    name: str
    ok: bool
    detail: str
    hint: str = ""
