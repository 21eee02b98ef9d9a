"""Who has a port, from /proc: best effort, for an error message."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path


def holder(protocol: str, port: int) -> str:
    """ "nginx (pid 812)", "pid …" without a name, or "" when it cannot be found.

    Sockets in TIME_WAIT belong to nobody (inode 0) and are not counted. A socket that is bound
    but neither listens nor is connected is in no table of TCP.
    """
    for inode in _inodes(protocol.lower(), port):
        found = _process(f"socket:[{inode}]")
        if found:
            return found
    return ""


def _inodes(protocol: str, port: int) -> list[str]:
    inodes = []
    for table in (protocol, f"{protocol}6"):
        with contextlib.suppress(OSError):
            for line in Path("/proc/self/net", table).read_text().splitlines()[1:]:
                fields = line.split()
                if int(fields[1].rpartition(":")[2], 16) == port and fields[9] != "0":
                    inodes.append(fields[9])
    return inodes


def _process(link: str) -> str:
    for pid in filter(str.isdigit, os.listdir("/proc")):
        with contextlib.suppress(OSError):
            for fd in os.listdir(f"/proc/{pid}/fd"):
                with contextlib.suppress(OSError):
                    if os.readlink(f"/proc/{pid}/fd/{fd}") == link:
                        return f"{Path(f'/proc/{pid}/comm').read_text().strip()} (pid {pid})"
    return ""
