"""Make a sandbox and take it away again: cgroup, pause, network, the shared files of /etc.

    (no record) ──write──► being made ──pause + network + record──► ready
         ▲                     │                                      │
         └──────── remove ◄────┴────── pause ended, or asked ◄────────┘

``remove`` works from every point between, because each step can be undone without knowing how far
it came; ``create`` calls it first when it finds a record.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import signal
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import msgspec
from msgspec.structs import replace

from podrun.cgroup.group import Group
from podrun.cgroup.limits import Limits
from podrun.errors import MechanismFailed
from podrun.linux import namespace, process
from podrun.node.config import Config
from podrun.node.paths import Paths, PodPaths
from podrun.node.records import read_record, write_record
from podrun.sandbox import etc_files, idleases
from podrun.sandbox.pause import PauseChild
from podrun.sandbox.spec import SandboxRecord, SandboxSpec

#: systemd-resolved's stub listens on the host's loopback, where no pod can reach it
_RESOLV_CONFS = (Path("/run/systemd/resolve/resolv.conf"), Path("/etc/resolv.conf"))
_STUB_ADDRESS = "127.0.0.53"


@contextmanager
def locked(pod: PodPaths, *, shared: bool = False) -> Iterator[None]:
    """One operation on one sandbox at a time, also across a killed agent and its successor.

    ``shared``: beside others that only add to a sandbox that stays (launches).
    """
    pod.lock.parent.mkdir(parents=True, exist_ok=True)
    fd = os.open(pod.lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(fd, fcntl.LOCK_SH if shared else fcntl.LOCK_EX)
        yield
    finally:
        os.close(fd)


def create(config: Config, paths: Paths, pod: PodPaths, spec: SandboxSpec) -> SandboxRecord:
    """The pod's pause process, with everything its containers share. Raises PodrunError.

    A failure half-way removes what was made; so does the next ``create`` or ``remove`` when this
    process was killed.
    """
    with locked(pod):
        if pod.sandbox.exists():
            _remove(config, paths, pod)
        record = SandboxRecord(
            spec.attempt, process.boot_id(), spec.cgroup, host_network=spec.host_network
        )
        _write(pod, record)
        with ExitStack() as undo:
            undo.callback(_remove, config, paths, pod)
            record = _make(config, paths, pod, spec, undo)
            undo.pop_all()
        return record


def _limits(spec: SandboxSpec) -> Limits:
    return Limits(
        cpu_shares=spec.cpu_shares,
        cpu_quota_us=spec.cpu_quota_us,
        memory_bytes=spec.memory_bytes,
        pids=spec.pids,
        hugepages=spec.hugepages,
    )


def _make(
    config: Config, paths: Paths, pod: PodPaths, spec: SandboxSpec, undo: ExitStack
) -> SandboxRecord:
    if spec.own_users:
        spec = replace(spec, first_id=idleases.lease(config, paths, spec.uid))
    group = Group(spec.cgroup)
    holder = group.child("pause")
    sockets = _claim_ports(config, paths, spec)
    try:
        group.create(_limits(spec))
        holder.create()
        child = PauseChild(spec, holder, sockets)
        undo.callback(child.abandon)
        ips = _attach(config, paths, spec, child)
        _write_etc(pod, spec, ips)
        record = SandboxRecord(
            attempt=spec.attempt,
            boot_id=process.boot_id(),
            cgroup=spec.cgroup,
            pid=child.pid,
            start_time=child.start_time,
            ips=ips,
            namespaces=_namespaces(child.pid, spec),
            share_pid=spec.share_pid,
            host_network=spec.host_network,
            first_id=spec.first_id,
        )
        _write(pod, record)
        child.let_go()
    finally:
        for fd in sockets:
            os.close(fd)
    return record


def _claim_ports(config: Config, paths: Paths, spec: SandboxSpec) -> list[int]:
    """Bound sockets for pause to hold. On the host's network the application binds by itself."""
    if spec.host_network or not spec.ports:
        return []
    from podrun.network.attach import claim_ports

    return claim_ports(config, paths, spec.uid, spec.owner, spec.ports)


def _attach(config: Config, paths: Paths, spec: SandboxSpec, child: PauseChild) -> tuple[str, ...]:
    """The pod's addresses. Its namespaces stand on return; they are made beside the rest."""
    if spec.host_network:
        child.wait_ready()
        return spec.host_ips
    from podrun.network.attach import attach

    with ExitStack() as opened:

        def netns() -> int:
            child.wait_ready()
            fd = namespace.open_namespace(child.pid, "net")
            opened.callback(os.close, fd)
            return fd

        return attach(config, paths, spec.uid, netns, spec.ports).ips


def _namespaces(pid: int, spec: SandboxSpec) -> dict[str, int]:
    kinds = [] if spec.host_network else ["net", "uts"]
    kinds += [] if spec.host_ipc else ["ipc"]
    kinds += ["pid"] if spec.share_pid else []
    kinds += ["user"] if spec.first_id else []
    return {kind: namespace.inode(pid, kind) for kind in kinds}


def _write_etc(pod: PodPaths, spec: SandboxSpec, ips: tuple[str, ...]) -> None:
    """0644 whatever the umask: every user of every container reads them."""
    pod.etc.mkdir(mode=0o755, exist_ok=True)
    if spec.host_network:
        node_file = Path("/etc/hosts")
        text = node_file.read_text(errors="replace") if node_file.exists() else ""
        hosts = etc_files.host_network_hosts(text, spec.aliases)
    else:
        hosts = etc_files.hosts(ips, spec.hostname, spec.aliases, spec.fqdn)
    host_resolv = _host_resolv_conf() if spec.dns.from_host else ""
    contents = {
        "hosts": hosts,
        "hostname": f"{spec.hostname}\n",
        "resolv.conf": etc_files.resolv_conf(spec.dns, host_resolv),
    }
    for name, text in contents.items():
        write_record(pod.etc / name, text.encode(), mode=0o644, durable=False)


def _host_resolv_conf() -> str:
    text = ""
    for path in reversed(_RESOLV_CONFS):
        with contextlib.suppress(OSError):
            text = path.read_text(errors="replace")
            if _STUB_ADDRESS not in text:
                return text
    return text


def remove(config: Config, paths: Paths, pod: PodPaths) -> None:
    """End pause, give the network back, remove the pod's cgroup and all that is in it.

    Idempotent; works on what a killed ``create`` left. The pod's volumes and records stay.
    Raises PodrunError when something resists; then the record stays too, for another try.
    """
    with locked(pod):
        _remove(config, paths, pod)


def _remove(config: Config, paths: Paths, pod: PodPaths) -> None:
    record = read_record(pod.sandbox, SandboxRecord)
    if record is None:
        return
    _end_pause(record)
    if not record.host_network:
        from podrun.network.attach import detach

        detach(config, paths, pod.uid)
    Group(record.cgroup).remove()
    pod.sandbox.unlink(missing_ok=True)


def _end_pause(record: SandboxRecord, timeout: float = 5.0) -> None:
    """pause leaves on KILL like everything; as PID 1 it takes its PID namespace along."""
    if not record.alive():
        return
    fd = process.pidfd_of(record.pid, record.start_time)
    if fd is None:
        return
    try:
        process.pidfd_send_signal(fd, signal.SIGKILL)
        deadline = time.monotonic() + timeout
        while process.is_alive(record.pid, record.start_time):
            if time.monotonic() > deadline:
                raise MechanismFailed(f"end pause (process {record.pid}): it does not die")
            time.sleep(0.0005)
    except ProcessLookupError:
        return
    finally:
        os.close(fd)


def read(pod: PodPaths) -> SandboxRecord | None:
    """The record of the sandbox, of whatever boot; None when there is none."""
    return read_record(pod.sandbox, SandboxRecord)


def _write(pod: PodPaths, record: SandboxRecord) -> None:
    write_record(pod.sandbox, msgspec.json.encode(record), durable=False)
