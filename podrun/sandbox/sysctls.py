"""Kernel parameters of a pod's own namespaces, written by the process that has just made them."""

from __future__ import annotations

import os
from collections.abc import Mapping

from podrun.linux.openat import RESOLVE_NO_XDEV, STRAIGHT, openat2
from podrun.linux.users import COUNT

#: containerd's defaults of a pod with its own network: any user may bind low ports and ping
NETWORK_DEFAULTS = {
    "net.ipv4.ip_unprivileged_port_start": "0",
    "net.ipv4.ping_group_range": "0 2147483647",
}
#: the same in a user namespace, which has no more groups than that
OWN_USERS_DEFAULTS = {**NETWORK_DEFAULTS, "net.ipv4.ping_group_range": f"0 {COUNT - 1}"}


def write(parameters: Mapping[str, str]) -> None:
    """name (with dots; a slash stands for a dot inside a part) → value. OSError names the one.

    /proc must be the host's still: by descriptor, and never off /proc/sys or through a link.
    """
    root = os.open("/proc/sys", os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        for name, value in parameters.items():
            path = name.translate(str.maketrans("./", "/."))
            try:
                _write(root, path, value)
            except OSError as error:
                raise OSError(error.errno, error.strerror, f"{name}={value}") from None
    finally:
        os.close(root)


def _write(root: int, path: str, value: str) -> None:
    fd = openat2(root, os.fsencode(path), os.O_WRONLY, 0, STRAIGHT | RESOLVE_NO_XDEV)
    try:
        os.write(fd, value.encode())
    finally:
        os.close(fd)
