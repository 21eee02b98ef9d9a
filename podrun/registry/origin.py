"""Where requests may go: origins, loopback, and which redirects are followed.

How safe the way to a host must be follows from the endpoint that leads there:

    a registry as any other     verified TLS, nothing else
    insecure by configuration   TLS that need not be verified, else plain HTTP; wherever the
                                endpoint leads: its redirects and its token server too
    on loopback                 the same, but only on loopback: elsewhere as any other
    (localhost, 127.0.0.0/8, ::1)

The last row is what docker and containerd do, and what people expect of ``localhost:5000/app``
(podman wants ``insecure = true`` for it). A directory of ``certs.d`` for a loopback host takes it
back: who installs a certificate authority wants it to be asked.
"""

from __future__ import annotations

import ipaddress
from urllib.parse import SplitResult, urljoin, urlsplit

from podrun.registry.types import Endpoint, RegistryError

_PORTS = {"https": 443, "http": 80}
_URL_MAX = 16 << 10  # signed URLs of object stores have 1 to 3 KiB
Origin = tuple[str, str, int]


def split(url: str) -> SplitResult:
    """The parts of an absolute http(s) URL. Raises ValueError for everything else."""
    if len(url) > _URL_MAX or not url.isascii() or not url.isprintable() or " " in url:
        raise ValueError("not a URL")
    parts = urlsplit(url)
    if parts.scheme not in _PORTS or not parts.hostname:
        raise ValueError("not an http or https URL")
    if parts.username is not None or parts.password is not None:
        raise ValueError("a URL with a login in it")
    _ = parts.port  # raises ValueError when it is no number
    return parts


def origin(url: str) -> Origin:
    parts = split(url)
    return parts.scheme, parts.hostname or "", parts.port or _PORTS[parts.scheme]


def hostname(host: str) -> str:
    """``host`` without its port, an IPv6 address without its brackets."""
    return urlsplit(f"//{host}").hostname or ""


def is_loopback(host: str) -> bool:
    """Whether ``host`` (may have a port) is this machine itself."""
    name = hostname(host)
    try:
        return name == "localhost" or ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False


class Safety:
    """The table above, for one endpoint. ``has_certs``: certs.d knows the endpoint's host."""

    def __init__(self, endpoint: Endpoint, *, has_certs: bool) -> None:
        self._everywhere = endpoint.insecure
        self._on_loopback = is_loopback(endpoint.host) and not has_certs

    def lax(self, host: str) -> bool:
        """Whether ``host`` may be spoken to without a verified certificate."""
        return self._everywhere or (self._on_loopback and is_loopback(host))

    def target(self, base: str, location: str) -> str:
        """The URL to which an answer of ``base`` leads. Raises RegistryError when it must not."""
        try:
            url = urljoin(base, location)
            parts = split(url)
        except ValueError as error:
            raise RegistryError(f"{_host(base)} leads to {location[:80]!r}: {error}") from None
        if parts.scheme == "http" and not self.lax(parts.netloc):
            raise RegistryError(
                f"{_host(base)} leads to http://{parts.netloc}, which is not encrypted",
                hint="insecure = true for the registry in registries.conf allows it",
            )
        return parts._replace(fragment="").geturl()


def _host(url: str) -> str:
    return urlsplit(url).netloc
