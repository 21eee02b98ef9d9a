"""Part of one operation in a process of its own: layers are fetched and unpacked side by side.

    parent                             child
      │ fork ────────────────────────► │ dies with its parent; SIGINT is the parent's to answer
      │                                │ keeps only the descriptors it needs
      │ ◄─ one JSON object on a pipe ─ │ {"ok": …} or {"error": …}
      │ pidfd readable: reaped         │ _exit

There are no threads, so that fork is safe and a signal or an error ends everything at once.
"""

from __future__ import annotations

import contextlib
import errno
import gc
import os
import signal
import sys
from collections.abc import Callable, Iterable, Iterator
from typing import Any, NoReturn

import msgspec

from podrun.errors import MechanismFailed, PodrunError, from_wire
from podrun.image.types import BadArchive
from podrun.linux import capability, process
from podrun.registry.types import RegistryError

_ANSWER_MAX = 60_000  # what a pipe holds: nobody reads before the child has ended
_MESSAGE_MAX = 10_000


class Child:
    """``body`` runs in a child; what it returns (or its PodrunError) is what ``result`` gives.

    ``what`` it does is named in errors of the kernel; ``keep`` are its descriptors.
    """

    def __init__(self, what: str, body: Callable[[], object], keep: Iterable[int] = ()) -> None:
        self.what = what
        self.pidfd = -1
        self._report, answer = os.pipe()
        parent = os.getpid()
        try:
            with _held_signals():
                self.pid = os.fork()
                if self.pid == 0:
                    _run(what, body, parent, answer, keep)
                self.pidfd = os.pidfd_open(self.pid)
        except OSError as error:
            os.close(self._report)
            raise MechanismFailed.from_oserror(f"{what}: begin a process for it", error) from error
        finally:
            os.close(answer)

    @property
    def running(self) -> bool:
        """Nobody has asked for its result yet."""
        return self.pidfd >= 0

    def result(self) -> Any:
        """Waits for the end. Raises what ended it."""
        os.waitid(os.P_PIDFD, self.pidfd, os.WEXITED)
        data = os.read(self._report, _ANSWER_MAX)
        self._close()
        if not data:
            raise MechanismFailed(f"{self.what}: the process was killed")
        answer = msgspec.json.decode(data, type=dict[str, Any])
        if "error" in answer:
            raise _raised(answer["error"])
        return answer.get("ok")

    def kill(self) -> None:
        """End it, if ``result`` has not been asked for."""
        if self.pidfd < 0:
            return
        with contextlib.suppress(ProcessLookupError):
            signal.pidfd_send_signal(self.pidfd, signal.SIGKILL)
        os.waitid(os.P_PIDFD, self.pidfd, os.WEXITED)
        self._close()

    def _close(self) -> None:
        os.close(self.pidfd)
        os.close(self._report)
        self.pidfd = -1


@contextlib.contextmanager
def _held_signals() -> Iterator[None]:
    """No interruption between the fork and knowing of the child."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT, signal.SIGTERM})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _run(
    what: str, body: Callable[[], object], parent: int, answer: int, keep: Iterable[int]
) -> NoReturn:
    try:
        gc.disable()  # what is garbage of the parent would close descriptors that are ours now
        process.default_signals()
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        signal.signal(signal.SIGPIPE, signal.SIG_IGN)
        capability.die_with_parent(signal.SIGKILL)
        if os.getppid() == parent:
            process.keep_only((0, 1, 2, answer, *keep))
            os.write(answer, _answer(what, body))
    except BaseException:  # a forked child never returns into its parent's code
        _trace()
    os._exit(0)


def _answer(what: str, body: Callable[[], object]) -> bytes:
    try:
        return msgspec.json.encode({"ok": body()})
    except PodrunError as error:
        failed = error
    except OSError as error:
        hint = "the disk is full" if error.errno in (errno.ENOSPC, errno.EDQUOT) else ""
        failed = MechanismFailed.from_oserror(what, error, hint=hint)
    except BaseException as error:
        failed = MechanismFailed(f"{what}: {type(error).__name__}: {error}")
        _trace()
    wire = failed.to_wire()
    wire["message"] = wire["message"][:_MESSAGE_MAX]
    if isinstance(failed, RegistryError):  # its subclasses are the client's own business
        wire |= {"kind": "RegistryError", "status": failed.status}
    return msgspec.json.encode({"error": wire})


def _raised(wire: dict[str, Any]) -> PodrunError:
    about = {key: wire[key] for key in ("message", "hint", "reason")}
    if wire["kind"] == "RegistryError":
        return RegistryError(**about, status=wire["status"])
    return BadArchive(**about) if wire["kind"] == "BadArchive" else from_wire(wire)


def _trace() -> None:
    import traceback

    traceback.print_exc()
    sys.stderr.flush()
