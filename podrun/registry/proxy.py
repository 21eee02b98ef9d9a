"""Which proxy leads to a host: HTTPS_PROXY, HTTP_PROXY and NO_PROXY, read as Go's programs do.

Lower-case names go before upper-case ones. NO_PROXY is a list with commas:

    *                   no proxy at all
    example.com         the host and all below it
    .example.com        only hosts below it
    10.0.0.0/8, ::1     addresses, when the host is written as one
    example.com:5000    with that port only

This machine itself (localhost, 127.0.0.0/8, ::1) is never asked through a proxy.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from urllib.parse import SplitResult, urlsplit

from podrun.registry.origin import is_loopback
from podrun.registry.types import RegistryError

_PORTS = {"https": 443, "http": 80}


def choose(scheme: str, host: str, environ: Mapping[str, str]) -> SplitResult | None:
    """The proxy for ``scheme``://``host`` (may have a port); None: go straight.

    Raises RegistryError when the variable does not hold the URL of an HTTP proxy.
    """
    name = f"{scheme}_proxy"
    value = (environ.get(name) or environ.get(name.upper()) or "").strip()
    if not value or is_loopback(host):
        return None
    if excluded(scheme, host, environ.get("no_proxy") or environ.get("NO_PROXY") or ""):
        return None
    return _parse(name.upper(), value)


def _parse(name: str, value: str) -> SplitResult:
    try:
        parts = urlsplit(value if "://" in value else f"http://{value}")
        usable = parts.scheme in _PORTS and bool(parts.hostname) and parts.port != 0
    except ValueError:
        usable = False
    if not usable:  # the value may hold a password: it is not shown
        raise RegistryError(
            f"{name} is not the URL of an HTTP proxy", hint="http://[user:password@]host:port"
        )
    return parts


def excluded(scheme: str, host: str, no_proxy: str) -> bool:
    """Whether an entry of ``no_proxy`` matches ``host``."""
    parts = urlsplit(f"//{host}")
    name = (parts.hostname or "").rstrip(".")
    port = parts.port or _PORTS[scheme]
    entries = (entry.strip().lower() for entry in no_proxy.split(","))
    return any(_matches(entry, name, port) for entry in entries if entry)


def _matches(entry: str, name: str, port: int) -> bool:
    if entry == "*":
        return True
    address = _address(name)
    try:
        if address is not None:
            return address in ipaddress.ip_network(entry.strip("[]"), strict=False)
    except ValueError:
        pass
    pattern, colon, wanted = entry.rpartition(":")
    if colon and wanted.isdigit():
        if int(wanted) != port:
            return False
        entry = pattern
    if address is not None:
        return _address(entry.strip("[]")) == address
    entry = entry.removeprefix("*")
    if entry.startswith("."):
        return name.endswith(entry)
    return name == entry or name.endswith(f".{entry}")


def _address(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(text)
    except ValueError:
        return None
