"""Start one container: the worker's side (``W`` in docs/architecture.md).

``launch`` runs in a forked process of its own and never returns: it ends as the monitor. What it
tells on ``report``, one JSON object a line:

    {"created": {"pid": …, "note": …}}      the run is on record and waits for its byte on ``go``
    {"error": {…}}                          nothing was made (errors.to_wire)
    {"started": SECONDS}                    from the monitor: the application was executed
    {"failed": {"message": …}}              from the monitor: it could not be
"""

from __future__ import annotations

import contextlib
import os
import posixpath
import signal
import socket
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import NoReturn

import msgspec

from podrun.cgroup import devices as device_rules
from podrun.cgroup.devices import DeviceRule
from podrun.cgroup.group import Group
from podrun.container import child, devices, imagevolume, message, ownusers, streams
from podrun.container.spec import (
    ContainerRecord,
    ContainerSpec,
    VolumeMount,
    record_path,
    socket_path,
)
from podrun.errors import MechanismFailed
from podrun.image import rootfs
from podrun.linux import capability, mount, namespace, process, users
from podrun.linux.users import Users
from podrun.node import idmapped
from podrun.node.paths import Paths, PodPaths
from podrun.node.records import write_record
from podrun.volume import volumes

MONITOR = Path(__file__).parent.parent / "bin" / "monitor"

_ETC_FILES = ("hosts", "hostname", "resolv.conf")


class Sandbox(msgspec.Struct, frozen=True):
    """The pause process to join."""

    pid: int
    start_time: int
    share_pid: bool = False
    first_id: int = 0  # outside, of the pod's own users; 0: the host's


def launch(
    paths: Paths, pod: PodPaths, sandbox: Sandbox, spec: ContainerSpec, report: int, go: int
) -> NoReturn:
    """Become the monitor of a new container; raises PodrunError or OSError before that.

    ``go`` is the read end of the pipe whose one byte lets the application run.
    """
    with ExitStack() as undo:
        group = Group(spec.cgroup)
        attempt = pod.attempt(spec.name, spec.attempt)
        _make_directories(pod, attempt, Path(spec.log).parent)
        prepared = _prepare(pod, sandbox, spec, attempt)
        ends = streams.make(stdin=spec.stdin, pts=_devpts(spec, prepared))
        if sandbox.first_id:
            given = (ends.stdin, ends.stdout, ends.stderr)
            streams.give(given, sandbox.first_id, sandbox.first_id)
        undo.callback(group.remove)
        group.create(spec.limits)
        if not spec.process.privileged:
            device_rules.restrict(group, (*device_rules.DEFAULT_RULES, *_devices(spec, prepared)))
        main = _fork(group, sandbox, spec, prepared, ends, go)
        undo.callback(_end, main)
        control = _control_socket(paths, spec)
        _write_record(paths, pod, spec, main, sandbox.first_id)
        created = {"pid": main, "note": "; ".join(filter(None, (prepared.note, spec.note)))}
        os.write(report, msgspec.json.encode({"created": created}) + b"\n")
        _exec_monitor(paths, spec, group, attempt, main, ends, report, control)


def _devices(spec: ContainerSpec, prepared: child.Prepared) -> list[DeviceRule]:
    """Of the very nodes that are mounted, whatever their paths are by now."""
    targets = {mount.target for mount in spec.mounts if mount.device}
    return [device_rules.rule_of(fd) for fd, target in prepared.mounts if target in targets]


def _devpts(spec: ContainerSpec, prepared: child.Prepared) -> int | None:
    """Where the container's terminal is to be made; None when it wants none."""
    if not spec.tty:
        return None
    if any(posixpath.normpath(m.target) == "/dev/pts" for m in spec.mounts):
        raise MechanismFailed(
            f"container {spec.name}: tty needs /dev/pts, where a volume is mounted",
            hint="mount the volume elsewhere, or do without tty",
            reason="CreateContainerConfigError",
        )
    return next(fd for fd, target in prepared.mounts if target == "/dev/pts")


def _prepare(pod: PodPaths, sandbox: Sandbox, spec: ContainerSpec, attempt: Path) -> child.Prepared:
    """Every mount of the container but the kernel's own, as descriptors.

    What the pod mounts itself at a place of ours (/etc/hosts, /dev/shm) takes that place.
    """
    pause = process.pidfd_of(sandbox.pid, sandbox.start_time)
    if pause is None:
        raise MechanismFailed("the pod's pause process is gone", reason="SandboxChanged")
    with users.of_process(sandbox.pid, sandbox.first_id) as owner:
        lowers = [Path(path) for path in spec.lowers]
        root = rootfs.prepare(lowers, attempt / "upper", users=owner)
        taken = {posixpath.normpath(m.target) for m in spec.mounts}
        own = _own(pod, sandbox, spec, owner)
        mounts = [(make(), target) for target, make in own.items() if target not in taken]
        mounts += [(_open_volume(m, pod, owner), m.target) for m in spec.mounts]
    mounts.sort(key=lambda m: posixpath.normpath(m[1]).count("/"))  # none hides another
    return child.Prepared(root.fd, tuple(mounts), pause, sandbox.first_id, root.note)


def _open_volume(wanted: VolumeMount, pod: PodPaths, owner: Users | None) -> int:
    volume, sub_path = wanted.volume, wanted.sub_path
    if volume.kind == "image":
        return imagevolume.open_mount(volume, wanted.lowers, sub_path, pod, owner)
    return volumes.open_mount(
        volume,
        pod,
        read_only=wanted.read_only,
        recursive=wanted.recursive,
        sub_path=sub_path,
        propagation=wanted.propagation,
        users=owner,
    )


def _own(
    pod: PodPaths, sandbox: Sandbox, spec: ContainerSpec, owner: Users | None
) -> dict[str, Callable[[], int]]:
    """What every container gets: target → how to open it."""
    first = sandbox.first_id
    found: dict[str, Callable[[], int]] = {
        "/dev": partial(devices.make_dev, privileged=spec.process.privileged, owner=first),
        "/dev/pts": partial(devices.make_pts, first),
        "/dev/shm": partial(_open_shm, sandbox.pid),
    }
    for name in _ETC_FILES:
        found[f"/etc/{name}"] = partial(_open_file, pod.etc / name, owner)
    if spec.termination_message_path:
        target = posixpath.normpath(posixpath.join("/", spec.termination_message_path))
        found[target] = partial(_open_message, pod.attempt(spec.name, spec.attempt), owner)
    return found


def _open_message(attempt: Path, owner: Users | None) -> int:
    return _open_file(message.make(attempt), owner)


def _open_file(path: Path, owner: Users | None) -> int:
    fd = mount.open_tree(mount.AT_FDCWD, str(path))
    if owner is not None:
        idmapped.idmap(fd, owner, path.name, path, reason="CreateContainerError")
    return fd


def _open_shm(pause: int) -> int:
    """A copy of the pod's /dev/shm: open_tree(2) clones only from the caller's own namespace."""
    with namespace.entered(pause, "mnt"):
        return mount.open_tree(mount.AT_FDCWD, "/dev/shm")


def _fork(
    group: Group,
    sandbox: Sandbox,
    spec: ContainerSpec,
    prepared: child.Prepared,
    ends: streams.Streams,
    go: int,
) -> int:
    """C's pid."""
    channels = child.Channels(
        go=go,
        status=ends.status,
        stdin=ends.stdin,
        stdout=ends.stdout,
        stderr=ends.stderr,
        tty=spec.tty,
    )
    run = partial(child.run, spec, prepared, channels, group)
    if sandbox.first_id:
        enter = partial(child.enter_cgroup, spec, group)
        share_pid = spec.pid_namespace == "pod"
        return ownusers.fork(group, prepared.pause, enter, run, share_pid=share_pid)
    return _fork_child(group, sandbox, spec, run)


def _fork_child(
    group: Group, sandbox: Sandbox, spec: ContainerSpec, run: Callable[[], NoReturn]
) -> int:
    """Fork C into its cgroup and its PID namespace: its own, pause's, or the host's."""
    with _children_in_pid_namespace(spec.pid_namespace, sandbox.pid):
        pid = group.fork()
        if pid == 0:
            run()
    return pid


@contextlib.contextmanager
def _children_in_pid_namespace(kind: str, pause: int) -> Iterator[None]:
    """What is forked meanwhile is in a new one (private), in pause's (pod), or in ours (host).

    Taken back afterwards: the monitor will fork once more when its container is over (to start an
    agent), and nothing can be forked into a namespace whose PID 1 is dead.
    """
    ours = os.open("/proc/self/ns/pid", os.O_RDONLY | os.O_CLOEXEC)
    try:
        if kind == "private":
            namespace.unshare(namespace.CLONE_NEWPID)
        elif kind == "pod":
            fd = namespace.open_namespace(pause, "pid")
            namespace.setns(fd, namespace.CLONE_NEWPID, "pid namespace of pause")
            os.close(fd)
        yield
        if kind != "host":
            namespace.setns(ours, namespace.CLONE_NEWPID, "pid namespace of the host")
    finally:
        os.close(ours)


def _end(pid: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)
    with contextlib.suppress(ChildProcessError):
        os.waitpid(pid, 0)


def _make_directories(pod: PodPaths, attempt: Path, logs: Path) -> None:
    """Both belong to the group of the pod's owner; the monitor hands it on to its files."""
    gid = pod.root.stat().st_gid
    for path in (attempt, logs):
        path.mkdir(parents=True, exist_ok=True)
        os.chown(path, -1, gid)
        os.chmod(path, 0o750)
    for name in ("started.json", "exit.json"):  # of a run that was never let go
        (attempt / name).unlink(missing_ok=True)


def _control_socket(paths: Paths, spec: ContainerSpec) -> socket.socket:
    path = socket_path(paths.runtime, spec.id)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.unlink(missing_ok=True)
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    listener.bind(str(path))
    os.chmod(path, 0o600)
    listener.listen(4)
    return listener


def _write_record(
    paths: Paths, pod: PodPaths, spec: ContainerSpec, pid: int, first_id: int
) -> None:
    record = ContainerRecord(
        id=spec.id,
        pod_uid=pod.uid,
        name=spec.name,
        attempt=spec.attempt,
        boot_id=process.boot_id(),
        pid=pid,
        start_time=process.start_time(pid),
        monitor_pid=os.getpid(),
        monitor_start_time=process.start_time(os.getpid()),
        cgroup=spec.cgroup,
        process=spec.process,
        stop_signal=spec.stop_signal,
        stdin=spec.stdin,
        tty=spec.tty,
        first_id=first_id,
    )
    path = record_path(paths.runtime, spec.id)
    write_record(path, msgspec.json.encode(record), mode=0o600, durable=False)


def _exec_monitor(
    paths: Paths,
    spec: ContainerSpec,
    group: Group,
    attempt: Path,
    pid: int,
    ends: streams.Streams,
    report: int,
    control: socket.socket,
) -> NoReturn:
    given = {**ends.monitor, "--report": report, "--socket": control.fileno()}
    arguments = [
        "monitor",
        *("--id", spec.id),
        *("--pid", str(pid)),
        *("--records", str(attempt)),
        *("--log", spec.log),
        *("--log-max", str(spec.log_max_bytes)),
        *("--log-files", str(spec.log_max_files)),
        *("--private-pid", "1" if spec.pid_namespace == "private" else "0"),
        *("--stdin-once", "1" if spec.stdin_once else "0"),
        *("--cgroup-procs", str(group.procs_file())),
        *("--agent-socket", str(paths.socket)),
    ]
    kill_file = group.kill_file()
    if kill_file is not None:
        arguments += ["--cgroup-kill", str(kill_file)]
    for name, fd in given.items():
        os.set_inheritable(fd, True)
        arguments += [name, str(fd)]
    process.default_signals()
    capability.die_with_parent(0)  # from here on it outlives the agent
    os.execv(MONITOR, [*arguments, "--", *spec.agent_command])
