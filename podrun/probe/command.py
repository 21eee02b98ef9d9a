"""Run a command in a running container: exec probes and exec hooks.

The command is the child of a small static helper (pause/enter), not of a fork of the agent: a fork
copies the agent's page tables and an interpreter starts in tens of milliseconds, and a hundred
containers may each be probed every second. ``posix_spawn`` copies nothing.

    agent                                    enter
      │ posix_spawn ───────────────────────► │ joins the container, runs the command
      │ ◄── pidfd readable: it has ended ─── │ result line and output are in the pipe
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from pathlib import Path

from podrun.cgroup.group import Group
from podrun.container import child, confinement, user
from podrun.container.spec import ContainerRecord
from podrun.errors import NotFound
from podrun.linux import namespace, process, sealed
from podrun.probe.outcome import ERROR, FAILURE, KEPT_BYTES, SUCCESS, Outcome, text_of
from podrun.probe.ready import readable

ENTER = Path(__file__).parent.parent / "bin" / "enter"

#: beyond the helper's own timeout: it may be stuck in the kernel, and is killed then
_HELPER_SECONDS = 2.0
_MAX_RESULT = KEPT_BYTES + 2048
#: what Python ignores, which a command would inherit
_IGNORED = (signal.SIGPIPE, signal.SIGXFSZ)


def resolve_user(record: ContainerRecord) -> user.User:
    """Who the container's process is, looked up inside it as at its start.

    Joins the container's mount namespace for good: call it in a process of its own. Raises
    NotFound when the container has ended, MechanismFailed for an unknown name.
    """
    pidfd = _main_process(record)
    try:
        namespace.setns(pidfd, namespace.CLONE_NEWNS, record.name)
    except ProcessLookupError:
        raise _not_running(record) from None
    return user.resolve(record.process)


def _main_process(record: ContainerRecord) -> int:
    pidfd = None
    if record.boot_id == process.boot_id():
        pidfd = process.pidfd_of(record.pid, record.start_time)
    if pidfd is None:
        raise _not_running(record)
    return pidfd


def _not_running(record: ContainerRecord) -> NotFound:
    return NotFound(f"container {record.name} is not running")


class Entrance:
    """All that is the same for every command run in one run of a container. ``close`` it."""

    def __init__(self, record: ContainerRecord, who: user.User) -> None:
        """Raises NotFound when the container has ended."""
        self.record = record
        self._pidfd = _main_process(record)
        self._arguments = _arguments(record, who)
        self._environment = child.environment_of(record.process, who)
        self._program = sealed.open_program(ENTER)

    def close(self) -> None:
        for fd in {self._pidfd, self._program} - {-1}:
            os.close(fd)
        self._pidfd = self._program = -1

    def spawn(self, command: tuple[str, ...], timeout: float | None, result: int) -> int:
        """The pid of a new helper; ``result`` is where it writes. OSError."""
        milliseconds = 0 if timeout is None else max(int(timeout * 1000), 1)
        arguments = [
            "enter",
            *("--pidfd", str(self._pidfd), "--result", str(result)),
            *("--parent", str(os.getpid()), "--timeout", str(milliseconds)),
            *self._arguments,
            "--",
            *command,
        ]
        keep = [(os.POSIX_SPAWN_DUP2, fd, fd) for fd in (self._pidfd, result)]  # not close-on-exec
        return os.posix_spawn(
            sealed.path_of(self._program),
            arguments,
            self._environment,
            file_actions=keep,
            setsid=True,
            setsigmask=(),
            setsigdef=_IGNORED,
        )


def _arguments(record: ContainerRecord, who: user.User) -> tuple[str, ...]:
    wanted = record.process
    keep = confinement.kept_capabilities(wanted)
    found = ["--uid", str(who.uid), "--gid", str(who.gid), "--capabilities", f"{keep:x}"]
    found += ["--no-new-privileges", str(int(wanted.no_new_privileges))]
    found += ["--directory", wanted.cwd, "--oom-score", _oom_score(record.pid)]
    labels = {"--apparmor": wanted.apparmor, "--selinux": wanted.selinux}
    for option, value in {"--seccomp": wanted.seccomp, **labels}.items():
        if value:
            found += [option, value]
    for group in who.groups:
        found += ["--group", str(group)]
    if record.first_id:
        found += ["--first-id", str(record.first_id)]
    for directory in Group(record.cgroup).directories():
        found += ["--cgroup", str(directory / "cgroup.procs")]
    return tuple(found)


def _oom_score(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/oom_score_adj").read_text().strip()
    except OSError:
        return "0"


async def run(entrance: Entrance, command: tuple[str, ...], timeout: float | None) -> Outcome:
    """Exit code 0 is success. At ``timeout`` seconds (None: never) its process group is killed.

    Also killed when this is cancelled. Never raises PodrunError or OSError.
    """
    try:
        return _outcome(await _result(entrance, command, timeout), command, timeout)
    except OSError as error:
        return Outcome(ERROR, f"run {ENTER.name}: {error.strerror}")


async def _result(entrance: Entrance, command: tuple[str, ...], timeout: float | None) -> bytes:
    read, write = os.pipe()
    try:
        try:
            pid = entrance.spawn(command, timeout, write)
        finally:
            os.close(write)
        limit = None if timeout is None else timeout + _HELPER_SECONDS
        await _ended(pid, limit)
        os.set_blocking(read, False)  # it has ended: what there is, is there
        with contextlib.suppress(BlockingIOError):
            return os.read(read, _MAX_RESULT)
        return b""
    finally:
        os.close(read)


async def _ended(pid: int, limit: float | None) -> None:
    """Until our child ``pid`` has ended, by itself or by our hand; reaped on return."""
    pidfd = os.pidfd_open(pid)
    try:
        try:
            async with asyncio.timeout(limit):
                await readable(pidfd)
        except TimeoutError:
            process.pidfd_send_signal(pidfd, signal.SIGKILL)
        except asyncio.CancelledError:
            process.pidfd_send_signal(pidfd, signal.SIGTERM)  # it ends the command, then itself
            raise
    finally:
        os.close(pidfd)
        _reap(pid)


def _reap(pid: int) -> None:
    """Now if it has ended, else as soon as it has."""
    with contextlib.suppress(ChildProcessError):
        if os.waitpid(pid, os.WNOHANG) == (0, 0):
            asyncio.get_running_loop().call_later(0.05, _reap, pid)


def _outcome(result: bytes, command: tuple[str, ...], timeout: float | None) -> Outcome:
    line, _, output = result.partition(b"\n")
    word, _, detail = line.decode(errors="replace").partition(" ")
    shown = text_of(output)
    match word:
        case "exit" if detail == "0":
            return Outcome(SUCCESS, shown)
        case "exit":
            return Outcome(FAILURE, shown or f"command exited with {detail}")
        case "signal":
            return Outcome(FAILURE, shown or f"command was ended by signal {detail}")
        case "timeout":
            text = " ".join(command)
            return Outcome(FAILURE, f'command timed out: "{text}" timed out after {timeout:g}s')
        case "failed":
            return Outcome(ERROR, detail)
        case "gone":
            return Outcome(ERROR, "the container has ended")
    return Outcome(ERROR, f"{ENTER.name} ended without a result")
