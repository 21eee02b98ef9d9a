"""What a container is asked to be, and the record of what runs."""

from __future__ import annotations

from pathlib import Path

import msgspec

from podrun.cgroup.limits import Limits
from podrun.linux import process
from podrun.volume.spec import Volume

#: containerd's default set
DEFAULT_CAPABILITIES = (
    "CHOWN", "DAC_OVERRIDE", "FSETID", "FOWNER", "MKNOD", "NET_RAW", "SETGID", "SETUID", "SETFCAP",
    "SETPCAP", "NET_BIND_SERVICE", "SYS_CHROOT", "KILL", "AUDIT_WRITE",
)  # fmt: skip


class VolumeMount(msgspec.Struct, frozen=True, omit_defaults=True):
    """``sub_path`` is relative to the volume; ``lowers`` are an image's layers, topmost first.

    ``recursive`` says that read_only holds for the mounts below it, too; ``propagation`` is the
    manifest's mountPropagation. A ``device`` is a node that the container may use.
    """

    volume: Volume
    target: str
    read_only: bool = False
    recursive: bool = False
    propagation: str = ""
    sub_path: str = ""
    lowers: tuple[str, ...] = ()
    device: bool = False


class Process(msgspec.Struct, frozen=True, omit_defaults=True):
    """The application. ``user`` is the image's USER (names are looked up inside the container);
    ``uid`` and ``gid`` overrule it. ``groups`` come with those of the image's /etc/group when
    ``merge_groups``. ``env`` entries are KEY=VALUE. ``capabilities`` have no CAP_.
    """

    args: tuple[str, ...]
    env: tuple[str, ...]
    cwd: str = "/"
    user: str = ""
    uid: int | None = None
    gid: int | None = None
    groups: tuple[int, ...] = ()
    merge_groups: bool = True
    capabilities: tuple[str, ...] = DEFAULT_CAPABILITIES
    no_new_privileges: bool = False
    privileged: bool = False
    seccomp: str = ""  # the compiled filter's path; "": unconfined
    apparmor: str = ""  # a loaded profile; "": none
    selinux: str = ""  # a label; "": podrun's own


class ContainerSpec(msgspec.Struct, frozen=True, omit_defaults=True):
    """One run. ``pid_namespace`` is private, pod (pause's) or host."""

    id: str
    name: str
    attempt: int
    lowers: tuple[str, ...]  # topmost first
    process: Process
    cgroup: str
    log: str
    log_max_bytes: int
    log_max_files: int
    pid_namespace: str = "private"
    mounts: tuple[VolumeMount, ...] = ()
    limits: Limits = Limits()
    oom_score_adj: int = 0
    read_only_root: bool = False
    unmasked: bool = False  # /proc and /sys as privileged containers see them
    note: str = ""  # for the user: what this run goes without
    stop_signal: str = ""  # the image's STOPSIGNAL: a name or a number
    stdin: bool = False
    stdin_once: bool = False
    tty: bool = False
    termination_message_path: str = ""  # in the container; "": no such file
    agent_command: tuple[str, ...] = ()


class ContainerRecord(msgspec.Struct, frozen=True, omit_defaults=True):
    """Written before the application runs: nothing runs that is not on record."""

    id: str
    pod_uid: str
    name: str
    attempt: int
    boot_id: str
    pid: int
    start_time: int
    monitor_pid: int
    monitor_start_time: int
    cgroup: str
    process: Process
    stop_signal: str = ""
    stdin: bool = False
    tty: bool = False
    first_id: int = 0  # outside, of the pod's own users; 0: the host's

    def main_alive(self) -> bool:
        return self._alive(self.pid, self.start_time)

    def monitor_alive(self) -> bool:
        return self._alive(self.monitor_pid, self.monitor_start_time)

    def _alive(self, pid: int, start: int) -> bool:
        return self.boot_id == process.boot_id() and process.is_alive(pid, start)


def short(container_id: str) -> str:
    """The name of a container's runtime files: a socket path has 108 bytes."""
    return container_id[:16]


def record_path(runtime: Path, container_id: str) -> Path:
    return runtime / f"{short(container_id)}.json"


def socket_path(runtime: Path, container_id: str) -> Path:
    return runtime / f"{short(container_id)}.sock"
