"""The process that becomes the application (``C`` in docs/architecture.md).

    its cgroup ─► namespaces ─► file tree ─► user, rights ─► one byte ─► (filter) ─► execve
             │                                                                       │
             └─────────────── any failure: one JSON line on the status pipe ◄────────┘   EOF: leave

It was forked by the worker and is the monitor's child. Until execve it is not dumpable, and after
it no descriptor but the three standard ones is left.
"""

from __future__ import annotations

import contextlib
import errno
import os
from typing import NoReturn

import msgspec

from podrun.cgroup.group import Group
from podrun.cgroup.hierarchy import Hierarchy
from podrun.container import confinement, streams, terminal, tree, user
from podrun.container.records import WAITS_FOR_RECORD, StartFailure
from podrun.container.spec import ContainerSpec, Process
from podrun.errors import MechanismFailed
from podrun.linux import capability, namespace, process, users

#: what containerd reports for an application that could not be executed
EXIT_START_FAILED = 128

_UMASK = 0o022


class Channels(msgspec.Struct, frozen=True):
    """Descriptors of the child: see the picture in docs/architecture.md."""

    go: int  # read: one byte when the run is on record
    status: int  # write, close-on-exec
    stdin: int
    stdout: int
    stderr: int
    tty: bool  # those three are its terminal


class Prepared(msgspec.Struct, frozen=True):
    """Mounts made outside, in the order they are attached: (descriptor, target)."""

    root: int
    mounts: tuple[tuple[int, str], ...]
    pause: int  # pidfd of pause
    first_id: int = 0  # outside, of the pod's own users; 0: the host's
    note: str = ""  # for the user, of how the root file system was made


class _Step:
    """What is being done, for the message when it fails."""

    now = "start"


def run(spec: ContainerSpec, prepared: Prepared, channels: Channels, group: Group) -> NoReturn:
    """Never returns: becomes the application or exits with EXIT_START_FAILED."""
    step = _Step()
    try:
        rights = confinement.Confinement(spec.process)
        environment = _prepare(spec, prepared, channels, group, rights, step)
        step.now = WAITS_FOR_RECORD
        if not os.read(channels.go, 1):
            raise ProcessLookupError(errno.ESRCH, "whoever wanted this run is gone")
        step.now = "exec"
        rights.seal()
        execute(spec.process.args, environment)
    except BaseException as error:  # a forked child never returns
        _tell(channels.status, step.now, error)
    os._exit(EXIT_START_FAILED)


def _prepare(
    spec: ContainerSpec,
    prepared: Prepared,
    channels: Channels,
    group: Group,
    rights: confinement.Confinement,
    step: _Step,
) -> dict[str, str]:
    """Everything but the execve; gives the application's environment."""
    capability.not_dumpable()
    os.setsid()  # kill(0, …) in the container must not reach the monitor
    if not prepared.first_id:  # else whoever forked us has done it
        step.now = "enter the cgroup"
        enter_cgroup(spec, group)
    step.now = "join the pod's namespaces"
    namespace.setns(
        prepared.pause,
        namespace.CLONE_NEWNET | namespace.CLONE_NEWIPC | namespace.CLONE_NEWUTS,
        "pause",
    )
    namespace.unshare(namespace.CLONE_NEWNS)
    if prepared.first_id:
        users.become_root()
    step.now = "build the file tree"
    _build_tree(spec, prepared, channels, group.hierarchy)
    step.now = "change to the working directory"
    _make_working_directory(spec.process.cwd)
    step.now = "set the user and its rights"
    who = user.resolve(spec.process)
    if prepared.first_id:
        _check_ids(who)
    streams.give((channels.stdin, channels.stdout, channels.stderr), who.uid)
    environment = environment_of(spec.process, who)
    if channels.tty:
        environment.setdefault("TERM", "xterm")
    _take_streams(channels)
    rights.confine(who)
    return environment


def enter_cgroup(spec: ContainerSpec, group: Group) -> None:
    """With the rights of the host's root, which are gone in a user namespace."""
    group.enter()
    set_oom_score(spec.oom_score_adj)


def _check_ids(who: user.User) -> None:
    beyond = [number for number in (who.uid, who.gid, *who.groups) if number >= users.COUNT]
    if beyond:
        raise MechanismFailed(
            f"the id {beyond[0]} is not among the {users.COUNT} of a pod with hostUsers: false"
        )


def _build_tree(
    spec: ContainerSpec, prepared: Prepared, channels: Channels, cgroups: Hierarchy
) -> None:
    privileged = spec.process.privileged
    os.umask(0o022)
    kernel = tree.kernel_file_systems(privileged=privileged)
    tree.enter_root(prepared.root)
    early = [m for m in prepared.mounts if m[1] == "/dev" or m[1].startswith("/dev/")]
    late = [m for m in prepared.mounts if m not in early]
    for fd, target in early:
        tree.attach(fd, target)
    if channels.tty and "/dev/console" not in (target for _, target in early):
        terminal.bind_console(channels.stdin)
    for target, fd in kernel.items():
        tree.attach(fd, target)
    if not (privileged or spec.unmasked):
        tree.hide_kernel_knobs()
    namespace.unshare(namespace.CLONE_NEWCGROUP)  # its root is the cgroup that its maker is in
    tree.mount_cgroups(cgroups, privileged=privileged)
    for fd, target in late:
        tree.attach(fd, target)
    if spec.read_only_root:
        tree.make_read_only(prepared.root)
    os.close(prepared.root)


def _make_working_directory(path: str) -> None:
    """Made when it is missing, as the other runtimes do. Entered as root: see ``take_user``."""
    fd = tree.open_target(path, directory=True)
    try:
        os.fchdir(fd)
    finally:
        os.close(fd)


def environment_of(wanted: Process, who: user.User) -> dict[str, str]:
    """HOME comes from the container's passwd file where nobody set it, as the runtimes do."""
    environment = {key: value for key, _, value in (e.partition("=") for e in wanted.env)}
    environment.setdefault("HOME", who.home)
    return environment


def set_oom_score(wanted: int) -> None:
    """Raising is always allowed; lowering needs CAP_SYS_RESOURCE: without it, stay."""
    with contextlib.suppress(PermissionError), open("/proc/self/oom_score_adj", "w") as file:
        file.write(str(wanted))


def _take_streams(channels: Channels) -> None:
    if channels.tty:
        terminal.take_control(channels.stdin)
    os.dup2(channels.stdin, 0, inheritable=True)
    os.dup2(channels.stdout, 1, inheritable=True)
    os.dup2(channels.stderr, 2, inheritable=True)
    os.umask(_UMASK)
    process.cloexec_from(3)


def execute(args: tuple[str, ...], environment: dict[str, str]) -> NoReturn:
    """execve with the search of $PATH in the application's own environment. OSError."""
    name = args[0]
    if "/" in name:
        os.execve(name, args, environment)
    failure = errno.ENOENT
    for directory in environment.get("PATH", "").split(":"):
        try:
            os.execve(f"{directory or '.'}/{name}", args, environment)
        except (FileNotFoundError, NotADirectoryError):
            continue
        except PermissionError as error:
            failure = error.errno or errno.EACCES  # go on: another directory may have one that runs
    if failure == errno.ENOENT:
        raise FileNotFoundError(failure, "executable file not found in $PATH", name)
    raise PermissionError(failure, os.strerror(failure), name)


def _tell(status: int, step: str, error: BaseException) -> None:
    message = str(error)
    number = 0
    if isinstance(error, OSError) and error.errno:
        number = error.errno
        message = error.strerror or os.strerror(number)
        name = error.filename
        message = f'{step}: "{name}": {message}' if name else f"{step}: {message}"
    else:
        message = f"{step}: {message}"
    failure = StartFailure(message=message[:3000], step=step, errno=number)
    with contextlib.suppress(OSError):
        os.write(status, msgspec.json.encode(failure))
