"""The pause process: the one that holds a pod's namespaces.

worker                                   child
  │ fork (into its cgroup)        ───────► │ unshare(net, ipc, uts, mnt); hostname; sysctls
  │ ◄──────────────────────── "ready" ────── │ root := a small read-only tmpfs with /dev/shm
  │ the network is attached, the record      │ no rights any more
  │ is written                               │
  │ ───────────── one byte (EOF: exits) ───► │ execve(pause): its text lies in that tmpfs,
  │ ◄──────────────── EOF, or an error ───── │ so it pins nothing of the host's files
"""

from __future__ import annotations

import contextlib
import os
import signal
import socket
from pathlib import Path
from typing import NoReturn

from podrun.cgroup.group import Group
from podrun.errors import MechanismFailed
from podrun.linux import capability, mount, namespace, process, seccomp, users
from podrun.sandbox import sysctls
from podrun.sandbox.spec import SandboxSpec

BINARY = Path(__file__).parent.parent / "bin" / "pause"

SHM_BYTES = 64 << 20

_OOM_SCORE_ADJ = "-998"


class PauseChild:
    """A forked pause that waits for its byte. ``abandon`` ends it, ``let_go`` makes it pause."""

    def __init__(self, spec: SandboxSpec, cgroup: Group, inherited: list[int]) -> None:
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
        kinds = namespace.CLONE_NEWPID if spec.share_pid else 0
        if spec.first_id:
            kinds |= namespace.CLONE_NEWUSER  # with the others, so that it owns them
        elif kinds:
            namespace.unshare(kinds)  # for our children, the next is its PID 1
            kinds = 0
        self.pid = _fork(cgroup, kinds)
        if self.pid == 0:
            ours.close()
            _child(spec, cgroup, theirs, inherited)
        theirs.close()
        self._channel = ours
        self.start_time = process.start_time(self.pid)
        if spec.first_id:
            self._give_ids(spec.first_id)

    def _give_ids(self, first: int) -> None:
        """And the score, which only the host's root may lower."""
        try:
            users.write_maps(self.pid, first)
            _set_oom_score(self.pid)
            self._channel.send(b"u")
        except OSError as error:
            self.abandon()
            raise MechanismFailed.from_oserror("give the pod its user ids", error) from None

    def wait_ready(self) -> None:
        """Until its namespaces stand. Raises MechanismFailed with what the child says."""
        answer = self._channel.recv(4096)
        if answer != b"ready":
            raise MechanismFailed(answer.decode(errors="replace") or "the pause process died early")

    def let_go(self) -> None:
        self._channel.send(b"x")
        failure = self._channel.recv(4096)
        self._channel.close()
        if failure:
            raise MechanismFailed(failure.decode(errors="replace"))

    def abandon(self) -> None:
        self._channel.close()
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.pid, signal.SIGKILL)
        with contextlib.suppress(ChildProcessError):
            os.waitpid(self.pid, 0)


def _fork(cgroup: Group, kinds: int) -> int:
    try:
        return cgroup.fork(kinds)
    except OSError as error:
        if not kinds & namespace.CLONE_NEWUSER:
            raise
        raise MechanismFailed.from_oserror(
            "make a user namespace", error, hint="see `podrun system check`"
        ) from None


def _child(
    spec: SandboxSpec, cgroup: Group, channel: socket.socket, inherited: list[int]
) -> NoReturn:
    step = "start"
    try:
        step = "enter the cgroup"
        cgroup.enter()
        step = "make the namespaces of the sandbox"
        if spec.first_id and not channel.recv(1):
            os._exit(1)
        _unshare(spec)
        binary = BINARY.read_bytes()
        program = Path(spec.seccomp).read_bytes() if spec.seccomp else b""
        step = "set sysctls"
        if spec.first_id:
            _become_root(spec)
        else:
            sysctls.write({**_network_defaults(spec), **spec.sysctls})
        step = "set the hostname"
        if not spec.host_network:
            socket.sethostname(spec.hostname)
        channel.send(b"ready")  # the worker attaches the network while we go on
        step = "make the sandbox's root"
        _make_root(binary)
        step = "give up its rights"
        _confine(inherited, program)
        if not channel.recv(1):
            os._exit(0)  # nobody wants this sandbox any more
        step = "execute pause"
        os.execve("/pause", ["/pause"], {})
    except BaseException as error:  # a forked child never returns
        with contextlib.suppress(OSError):
            channel.send(f"{step}: {error}".encode()[:4096])
    os._exit(1)


def _become_root(spec: SandboxSpec) -> None:
    """Root inside, who sees no file of podrun's any more.

    Parameters of IPC are the host root's to write until Linux 6.9, and root's inside since then.
    """
    denied = {}
    for name, value in {**_network_defaults(spec), **spec.sysctls}.items():
        try:
            sysctls.write({name: value})
        except PermissionError:
            denied[name] = value
    users.become_root()
    sysctls.write(denied)


def _unshare(spec: SandboxSpec) -> None:
    flags = namespace.CLONE_NEWNS
    if not spec.host_network:
        flags |= namespace.CLONE_NEWNET | namespace.CLONE_NEWUTS
    if not spec.host_ipc:
        flags |= namespace.CLONE_NEWIPC
    namespace.unshare(flags)
    if not spec.first_id:
        _set_oom_score("self")


def _set_oom_score(pid: int | str) -> None:
    with contextlib.suppress(PermissionError), open(f"/proc/{pid}/oom_score_adj", "w") as file:
        file.write(_OOM_SCORE_ADJ)  # without CAP_SYS_RESOURCE it cannot be lowered: stay


def _network_defaults(spec: SandboxSpec) -> dict[str, str]:
    if spec.host_network:
        return {}
    return sysctls.OWN_USERS_DEFAULTS if spec.first_id else sysctls.NETWORK_DEFAULTS


def _make_root(binary: bytes) -> None:
    """/pause and /dev/shm on a tmpfs; /dev/shm is the pod's, bound into every container."""
    root = mount.new_filesystem(
        "tmpfs", {"size": "64k", "mode": "0755"}, mount.MOUNT_ATTR_NOSUID | mount.MOUNT_ATTR_NODEV
    )
    os.mkdir("dev", 0o755, dir_fd=root)
    os.mkdir("dev/shm", 0o755, dir_fd=root)
    fd = os.open("pause", os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o755, dir_fd=root)
    with open(fd, "wb") as file:
        file.write(binary)
    mount.mount("", "/", "", mount.MS_REC | mount.MS_PRIVATE)
    mount.move_mount(root, "", mount.AT_FDCWD, "/")
    os.fchdir(root)
    mount.pivot_root(".", ".")
    mount.umount2(".", mount.MNT_DETACH)
    os.chdir("/")
    shm = mount.new_filesystem(
        "tmpfs",
        {"size": str(SHM_BYTES), "mode": "1777"},
        mount.MOUNT_ATTR_NOSUID | mount.MOUNT_ATTR_NODEV | mount.MOUNT_ATTR_NOEXEC,
    )
    mount.move_mount(shm, "", mount.AT_FDCWD, "/dev/shm")
    os.close(shm)
    mount.mount_setattr(root, attr_set=mount.MOUNT_ATTR_RDONLY)
    os.close(root)


def _confine(inherited: list[int], program: bytes) -> None:
    """No descriptor, capability or handler of ours goes into pause but ``inherited``."""
    process.cloexec_from(0)
    for fd in inherited:
        os.set_inheritable(fd, True)
    capability.drop_bounding(0)
    capability.set_user(0, 0, (), 0)
    capability.no_new_privileges()
    if program:
        seccomp.install(program)
