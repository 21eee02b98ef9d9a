"""What a sandbox is asked to be, and the record of what it became."""

from __future__ import annotations

import msgspec

from podrun.linux import process
from podrun.network.types import PortMapping


class HostAlias(msgspec.Struct, frozen=True):
    ip: str
    hostnames: tuple[str, ...]


class Dns(msgspec.Struct, frozen=True, omit_defaults=True):
    """resolv.conf: the host's own lines when ``from_host``, then what the pod adds."""

    from_host: bool = True
    nameservers: tuple[str, ...] = ()
    searches: tuple[str, ...] = ()
    options: tuple[str, ...] = ()


class SandboxSpec(msgspec.Struct, frozen=True, omit_defaults=True):
    """The pod-wide half of a pod. ``owner`` is "namespace/name", for messages and claims."""

    uid: str
    owner: str
    attempt: int
    hostname: str
    fqdn: str = ""  # beside the hostname in /etc/hosts
    cgroup: str = ""  # of the pod, relative: podrun/besteffort/pod<uid>
    host_network: bool = False
    host_ipc: bool = False
    host_pid: bool = False
    share_pid: bool = False
    ports: tuple[PortMapping, ...] = ()
    aliases: tuple[HostAlias, ...] = ()
    dns: Dns = Dns()
    host_ips: tuple[str, ...] = ()
    cpu_shares: int | None = None
    cpu_quota_us: int | None = None
    memory_bytes: int | None = None
    hugepages: dict[int, int] | None = None
    pids: int | None = None
    sysctls: dict[str, str] = {}
    seccomp: str = ""  # pause's compiled filter; "": none
    own_users: bool = False
    first_id: int = 0  # outside, of the pod's own users; 0: the host's


class SandboxRecord(msgspec.Struct, frozen=True, omit_defaults=True):
    """``pid`` 0: being made. A record of another boot describes nothing that exists."""

    attempt: int
    boot_id: str
    cgroup: str
    pid: int = 0
    start_time: int = 0
    ips: tuple[str, ...] = ()
    namespaces: dict[str, int] = {}  # kind → inode, those that pause owns
    share_pid: bool = False
    host_network: bool = False
    first_id: int = 0  # outside, of the pod's own users; 0: the host's

    def alive(self) -> bool:
        return (
            self.pid > 0
            and self.boot_id == process.boot_id()
            and process.is_alive(self.pid, self.start_time)
        )
