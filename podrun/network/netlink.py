"""rtnetlink through pyroute2, which only this room imports, and only when a link is to be changed:
the import costs about 130 ms, so the agent pays it once, before it forks its workers.

pyroute2 0.9 runs an event loop of its own inside each synchronous ``IPRoute``. In a worker forked
from a process with a running loop that is fine: asyncio forgets the parent's loop after a fork.
``IPRoute(netns=…)`` is not used: it makes missing namespaces and forks a process for each socket.
"""

from __future__ import annotations

import contextlib
import errno
import os
import socket
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from podrun.errors import MechanismFailed, PodrunError, Unavailable
from podrun.linux.namespace import CLONE_NEWNET, setns

if TYPE_CHECKING:
    from pyroute2 import IPRoute

IFF_UP = 1
IFA_F_NODAD = 2


@contextlib.contextmanager
def rtnetlink() -> Iterator[IPRoute]:
    """A socket in the network namespace this process is in."""
    import pyroute2

    ipr = pyroute2.IPRoute()
    try:
        yield ipr
    finally:
        ipr.close()


@contextlib.contextmanager
def inside(netns_fd: int) -> Iterator[None]:
    """Be in the network namespace for a while; sockets opened there go on belonging to it."""
    here = os.open("/proc/self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
    try:
        setns(netns_fd, CLONE_NEWNET, "the pod's network namespace")
        try:
            yield
        finally:
            setns(here, CLONE_NEWNET, "/proc/self/ns/net")
    finally:
        os.close(here)


@contextlib.contextmanager
def step(what: str) -> Iterator[None]:
    """Say what was being done when netlink or another system call fails in here."""
    try:
        yield
    except OSError as error:
        raise MechanismFailed.from_oserror(what, error) from None
    except PodrunError:
        raise
    except Exception as error:
        code = getattr(error, "code", None)  # pyroute2's NetlinkError, without importing it
        if not isinstance(code, int):
            raise
        raise _translated(what, code, str(error)) from None


def _translated(what: str, code: int, text: str) -> PodrunError:
    if code == errno.EOPNOTSUPP:
        return Unavailable(
            f"{what}: this kernel cannot do it",
            hint="podrun needs the modules bridge and veth (modprobe bridge veth)",
        )
    if code == errno.EPERM:
        return Unavailable(f"{what}: not permitted", hint="podrun needs root and CAP_NET_ADMIN")
    return MechanismFailed(f"{what}: {os.strerror(code) if code else text}", errno=code)


def index_of(name: str) -> int:
    """The link's index, 0 when there is none. An ioctl: a twentieth of a netlink round trip."""
    try:
        return socket.if_nametoindex(name)
    except OSError:
        return 0


def attribute(message: Any, *path: str) -> Any:
    """The attribute at ``path`` of a decoded message, or None."""
    for name in path:
        message = message.get_attr(name) if message is not None else None
    return message
