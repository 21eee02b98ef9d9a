"""One forked process per operation: mechanism is synchronous, the loop must never block.

    agent                                   worker
      │ fork ───────────────────────────────► │ own session, default signals, dies with the agent
      │                                       │ closes all but its two descriptors
      │ ◄── lines of JSON on a pipe ───────── │ {"ok": …} or {"error": …}; or several lines
      │ EOF, pidfd readable: reaped           │ _exit

asyncio and fork do not mix freely: the child must not touch the loop it was copied with, so it
never returns from here, collects no garbage (old descriptors would be closed under new files), and
takes back the wake-up descriptor, through which its signals would run the parent's handlers.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import os
import signal
from collections.abc import Callable
from typing import Any, NoReturn

import msgspec

from podrun.errors import MechanismFailed, PodrunError, from_wire
from podrun.linux import capability, process
from podrun.probe.ready import readable

#: a worker's answer is a handful of facts, or the pods of a request; more is a defect
_MAX_ANSWER = 64 << 20


class Lines:
    """The JSON lines that come out of a pipe, awaited one by one."""

    def __init__(self, fd: int) -> None:
        self._fd = fd
        self._buffer = bytearray()  # grows in place: a long line is not copied for each piece
        self._closed = False
        os.set_blocking(fd, False)

    async def next(self) -> dict[str, Any] | None:
        """The next object, or None at the end. MechanismFailed on something else."""
        end = self._buffer.find(b"\n")
        while end < 0:
            if self._closed or len(self._buffer) > _MAX_ANSWER:
                return None
            seen = len(self._buffer)
            await self._fill()
            end = self._buffer.find(b"\n", seen)
        line = bytes(self._buffer[:end])
        del self._buffer[: end + 1]
        try:
            return msgspec.json.decode(line, type=dict[str, Any])
        except msgspec.MsgspecError as error:
            raise MechanismFailed(f"a worker said {line[:80]!r}: {error}") from None

    async def _fill(self) -> None:
        await readable(self._fd)
        data = os.read(self._fd, 65536)
        self._buffer += data
        self._closed = not data

    def close(self) -> None:
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1


async def ended(pidfd: int, *, is_child: bool) -> None:
    """Until that process has ended; a child of ours is reaped. The descriptor stays open."""
    await readable(pidfd)
    if is_child:
        _reap(pidfd)


def _reap(pidfd: int) -> None:
    with contextlib.suppress(ChildProcessError):
        os.waitid(os.P_PIDFD, pidfd, os.WEXITED | os.WNOHANG)


class Forked:
    """A forked worker: its pidfd, the lines it says, and optionally a pipe to it."""

    def __init__(self, body: Callable[[int, int], object]) -> None:
        """``body(report, go)`` runs in the child; what it returns is reported as ``ok``.

        Raises MechanismFailed where no process can be had.
        """
        try:
            self._fork(body)
        except OSError as error:
            hint = (
                "the machine, or the agent's cgroup, has as many processes or open files as may be"
            )
            raise MechanismFailed.from_oserror("fork a worker", error, hint=hint) from error

    def _fork(self, body: Callable[[int, int], object]) -> None:
        agent = os.getpid()
        with contextlib.ExitStack() as undo:  # no descriptor is lost where nothing can be forked
            report_read, report_write = _pipe(undo)
            go_read, self.go = _pipe(undo)
            self.pid = os.fork()
            if self.pid == 0:
                _child(body, report_write, go_read, agent)
            undo.callback(_give_up, self.pid)
            self.pidfd = os.pidfd_open(self.pid)
            undo.pop_all()
        os.close(report_write)
        os.close(go_read)
        self.lines = Lines(report_read)

    def let_go(self) -> None:
        """Send the one byte that a launched container waits for."""
        with contextlib.suppress(BrokenPipeError):
            os.write(self.go, b"x")

    def close(self) -> None:
        """The pipes; the pidfd belongs to who watches for the end."""
        self.lines.close()
        if self.go >= 0:
            os.close(self.go)
            self.go = -1


def _pipe(undo: contextlib.ExitStack) -> tuple[int, int]:
    ends = os.pipe()
    for end in ends:
        undo.callback(os.close, end)
    return ends


def _give_up(pid: int) -> None:
    """A worker that cannot be watched for want of a descriptor."""
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)


def reap_later(pidfd: int) -> None:
    """Take the end of a child, whenever it comes; closes the descriptor."""
    loop = asyncio.get_running_loop()

    def reap() -> None:
        loop.remove_reader(pidfd)
        _reap(pidfd)
        os.close(pidfd)

    loop.add_reader(pidfd, reap)


async def run(operation: Callable[..., object], *arguments: object) -> Any:
    """The result of ``operation(*arguments)``, carried out in a worker. Raises its PodrunError,
    and MechanismFailed where no worker can be had.

    The result travels as JSON: a Struct comes back as a mapping.
    """
    forked = Forked(lambda report, go: operation(*arguments))
    try:
        answer = await forked.lines.next()
    finally:
        forked.close()
        reap_later(forked.pidfd)  # it has done everything; its end takes it some ms more
    return unpack(answer, getattr(operation, "__name__", "operation"))


def unpack(answer: dict[str, Any] | None, what: str) -> Any:
    if answer is None:
        raise MechanismFailed(f"{what}: the worker died before it was done")
    if "error" in answer:
        raise from_wire(answer["error"])
    return answer.get("ok")


def _child(body: Callable[[int, int], object], report: int, go: int, agent: int) -> NoReturn:
    try:
        gc.disable()
        signal.set_wakeup_fd(-1)
        process.default_signals()
        asyncio._set_running_loop(None)
        capability.die_with_parent(signal.SIGKILL)
        if os.getppid() != agent:
            os._exit(1)
        process.keep_only((0, 1, 2, report, go))
        os.setsid()
        os.umask(0o022)
        answer: dict[str, object] = {"ok": body(report, go)}
    except PodrunError as error:
        answer = {"error": error.to_wire()}
    except OSError as error:
        answer = {"error": MechanismFailed.from_oserror("unexpected", error).to_wire()}
        _trace()
    except BaseException as error:  # a forked child never returns into the agent's code
        answer = {"error": MechanismFailed(f"{type(error).__name__}: {error}").to_wire()}
        _trace()
    try:
        os.write(report, msgspec.json.encode(answer) + b"\n")
    finally:
        os._exit(0)


def _trace() -> None:
    import traceback

    os.write(2, traceback.format_exc().encode())
