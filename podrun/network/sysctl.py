"""The kernel settings below /proc/sys/net that the network needs, in the caller's namespace.

Written only where they differ: on a host whose administrator has set them already, a read-only
/proc/sys is no obstacle.
"""

from __future__ import annotations

import contextlib
import errno
import os
from pathlib import Path

from podrun.errors import MechanismFailed, Unavailable

_NET = Path("/proc/sys/net")
_V6 = _NET / "ipv6/conf"


def read(name: str) -> str:
    """The value of ``ipv4/ip_forward`` and the like; "" when this kernel does not have it."""
    try:
        return (_NET / name).read_text().strip()
    except OSError:
        return ""


def put(name: str, value: str) -> None:
    if read(name) == value:
        return
    try:
        (_NET / name).write_text(value)
    except OSError as error:
        setting = f"net.{name.replace('/', '.')}={value}"
        if error.errno not in (errno.EROFS, errno.EACCES, errno.EPERM):
            raise MechanismFailed.from_oserror(f"set {setting}", error) from None
        raise Unavailable(
            f"{setting} is needed and cannot be set here: {os.strerror(error.errno)}",
            hint="set it outside (sysctl -w) or make /proc/sys/net writable",
        ) from None


def forward(ipv6: bool) -> None:
    """Let the host route between the bridge and the world."""
    put("ipv4/ip_forward", "1")
    if ipv6 and read("ipv6/conf/all/forwarding") != "1":
        _keep_router_advertisements()
        put("ipv6/conf/all/forwarding", "1")


def _keep_router_advertisements() -> None:
    """With accept_ra=1 a host that forwards ignores router advertisements, and the moment it
    begins to forward the kernel drops the default routes it learned from them; 2 keeps both."""
    for interface in os.listdir(_V6):
        if interface != "all" and read(f"ipv6/conf/{interface}/accept_ra") == "1":
            with contextlib.suppress(FileNotFoundError):  # an interface that has just gone
                put(f"ipv6/conf/{interface}/accept_ra", "2")


def prepare_bridge(bridge: str, ipv6: bool) -> None:
    """``route_localnet`` lets answers to 127.0.0.1 come back over the bridge, and over it alone;
    the table drops what pods send to 127.0.0.0/8 themselves."""
    put(f"ipv4/conf/{bridge}/route_localnet", "1")
    if ipv6:
        put(f"ipv6/conf/{bridge}/disable_ipv6", "0")
        _trust_no_neighbour(bridge)


def prepare_pod(ipv6: bool) -> None:
    """Called inside the pod's network namespace before it has an eth0."""
    if ipv6:
        put("ipv6/conf/lo/disable_ipv6", "0")
        put("ipv6/conf/default/disable_ipv6", "0")
        _trust_no_neighbour("default")


def _trust_no_neighbour(interface: str) -> None:
    """No router advertisements: a pod could send them too (CVE-2020-10749). No duplicate address
    detection: leases are unique, and an address under test cannot be used for a second."""
    put(f"ipv6/conf/{interface}/accept_ra", "0")
    put(f"ipv6/conf/{interface}/accept_dad", "0")
