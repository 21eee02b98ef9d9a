"""Run a command in a running container, as the command line itself (root), without the agent.

podrun exec                          child                           grandchild
  │ pidfd of PID 1, start time checked │                                │
  │ fork ────────────────────────────► │ setns(pidfd, all namespaces)   │
  │                                    │ fork (into the PID namespace) ►│ container's cgroup
  │                                    │                                │ terminal, user, rights
  │ copies the terminal's bytes        │ waits, passes the code on      │ execve
  │ waits for the code                 │                                │
"""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import sys
from typing import NoReturn

from podrun.cgroup.group import Group, join
from podrun.container import child, control, streams, terminal, tree, user
from podrun.container.confinement import Confinement
from podrun.container.spec import ContainerRecord, Process
from podrun.errors import MechanismFailed, NotFound, Unavailable
from podrun.linux import capability, namespace, process, users
from podrun.node.config import Config
from podrun.node.paths import Paths

#: what a shell reports for a command that cannot be executed, and one that is not found
_CANNOT_EXECUTE, _NOT_FOUND = _SHELL_CODES = (126, 127)

_NAMESPACES = (
    namespace.CLONE_NEWNS
    | namespace.CLONE_NEWPID
    | namespace.CLONE_NEWNET
    | namespace.CLONE_NEWIPC
    | namespace.CLONE_NEWUTS
    | namespace.CLONE_NEWCGROUP
)


class NotExecuted(MechanismFailed):
    """The command is not there, or no program; ``code`` is what a shell gives for it."""

    def __init__(self, message: str, code: int) -> None:
        super().__init__(message)
        self.code = code


def run_in_container(
    config: Config, container_id: str, args: tuple[str, ...], *, tty: bool, interactive: bool
) -> int:
    """The command's exit code, 128+n for signal n. Raises PodrunError when it cannot be begun.

    Standard streams are the caller's; stdin is /dev/null unless ``interactive``. With ``tty`` the
    command gets a terminal of the container's own, and the caller's goes raw meanwhile.
    """
    if os.geteuid() != 0:
        raise Unavailable("exec joins the container's namespaces", hint="run it with sudo")
    record = control.load(Paths(config).runtime, container_id)
    if record is None or not record.main_alive():
        raise NotFound("the container is not running", hint="see `podrun ps -c`")
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
    pid = os.fork()
    if pid == 0:
        ours.close()
        _enter(record, _command(record.process, args, tty=tty), theirs, tty, interactive)
    theirs.close()
    master = terminal.receive(ours) if tty else -1
    if master >= 0:
        terminal.relay(master, ours.fileno())
    return _code(pid, ours)


def _command(original: Process, args: tuple[str, ...], *, tty: bool) -> Process:
    """The container's own process with other arguments: user, rights, directory stay."""
    environment = original.env
    if tty and not any(entry.startswith("TERM=") for entry in environment):
        environment = (*environment, f"TERM={os.environ.get('TERM', 'xterm')}")
    fields = {name: getattr(original, name) for name in original.__struct_fields__}
    return Process(**{**fields, "args": args, "env": environment})


def _code(pid: int, channel: socket.socket) -> int:
    """The child's answer: empty when the command ran, else why it did not."""
    failure = b""
    while data := channel.recv(4096):
        failure += data
    channel.close()
    _, status = os.waitpid(pid, 0)
    code = os.waitstatus_to_exitcode(status)
    if failure:
        text = failure.decode(errors="replace")
        raise NotExecuted(text, code) if code in _SHELL_CODES else MechanismFailed(text)
    return code


def _enter(
    record: ContainerRecord, wanted: Process, channel: socket.socket, tty: bool, interactive: bool
) -> NoReturn:
    try:
        rights = Confinement(wanted)
        if not (tty or interactive):  # not the container's, which may be a link to anything
            os.dup2(os.open("/dev/null", os.O_RDONLY | os.O_CLOEXEC), 0)
        capability.not_dumpable()  # before there is anybody who could trace us
        pipes = _pipes()
        if record.first_id:
            streams.give(pipes, record.first_id, record.first_id)
        doors = _join(record)
        pid = os.fork()
        if pid == 0:
            join(doors)
            if record.first_id:
                users.become_root()
            _become(wanted, rights, channel, tty, pipes)
        channel.close()
        _forward_signals(pid)
        _, status = os.waitpid(pid, 0)
        code = os.waitstatus_to_exitcode(status)
        os._exit(code if code >= 0 else 128 - code)
    except BaseException as error:  # a forked child never returns
        with contextlib.suppress(OSError):
            channel.send(f"enter container {record.name}: {error}".encode())
    os._exit(1)


def _join(record: ContainerRecord) -> list[int]:
    """The namespaces, and the score by which the kernel kills; the doors to the cgroups are for the
    command's process alone. Were we killed with it we could not reap it, and a PID namespace ends
    only when all in it are reaped: not every machine's PID 1 does that for us."""
    doors = Group(record.cgroup).doors()
    pidfd = process.pidfd_of(record.pid, record.start_time)
    if pidfd is None:
        raise ProcessLookupError(3, "the container has ended")
    with open(f"/proc/{record.pid}/oom_score_adj") as file:
        child.set_oom_score(int(file.read()))
    kinds = _NAMESPACES | (namespace.CLONE_NEWUSER if record.first_id else 0)
    namespace.setns(pidfd, kinds, record.name)
    os.close(pidfd)
    return doors


def _pipes() -> list[int]:
    """Those of the standard streams that have no name: the command's user gets them, who else could
    not open /dev/stdout. The caller's files stay whose they are."""
    found = []
    for fd in (0, 1, 2):
        with contextlib.suppress(OSError):  # the caller may have closed it
            if os.readlink(f"/proc/self/fd/{fd}").startswith("pipe:"):
                found.append(fd)
    return found


def _forward_signals(pid: int) -> None:
    """What the user sends to us (kill, a closed terminal) is meant for the command."""

    def forward(number: int, _: object) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, number)

    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGQUIT):
        signal.signal(number, forward)


def _become(
    wanted: Process, rights: Confinement, channel: socket.socket, tty: bool, pipes: list[int]
) -> NoReturn:
    code = _CANNOT_EXECUTE
    try:
        process.default_signals()
        channel.set_inheritable(False)
        if tty:
            terminal.take(channel)
        os.umask(0o022)
        fd = tree.open_target(wanted.cwd, directory=True)
        os.fchdir(fd)
        os.close(fd)
        who = user.resolve(wanted)
        streams.give(pipes, who.uid)
        sys.stdout.flush()
        process.cloexec_from(3)
        rights.confine(who)
        rights.seal()
        child.execute(wanted.args, child.environment_of(wanted, who))
    except FileNotFoundError as error:
        code = _NOT_FOUND
        _complain(channel, wanted, error)
    except BaseException as error:  # a forked child never returns
        _complain(channel, wanted, error)
    os._exit(code)


def _complain(channel: socket.socket, wanted: Process, error: BaseException) -> None:
    text = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    with contextlib.suppress(OSError):
        channel.send(f'exec "{wanted.args[0]}": {text}'.encode())
