"""Attach to a running container: its own streams, through its monitor.

caller                       podrun attach                       monitor
  stdin, raw ──────────────► detach keys? ──── INPUT, RESIZE ──► container's stdin, terminal
  stdout, stderr ◄────────────────────────── STDOUT, STDERR ◄─── container's stdout, stderr
  exit code ◄──────────────────────────────────────── EXIT ◄──── its end

pause/monitor/protocol.h has the frames. Nothing here may block but writing to the caller: whoever
does not read is dropped by the monitor, and whoever sends what the container does not take waits.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import select
import signal
import socket
import struct
import termios
from collections.abc import Callable, Iterator
from pathlib import Path

from podrun.container import control, terminal
from podrun.container.spec import ContainerRecord, socket_path
from podrun.errors import MechanismFailed, NotFound

_INPUT, _STDOUT, _STDERR, _EXIT, _RESIZE = range(5)
_HEAD = struct.Struct("!BI")
_ANSWER_SECONDS = 10
_READ = 65536
_CTRL_P, _CTRL_Q = 0x10, 0x11


class DetachKeys:
    """Finds ctrl-p ctrl-q in what is typed. A ctrl-p is held back until the key after it."""

    def __init__(self) -> None:
        self._held = False

    def feed(self, data: bytes) -> tuple[bytes, bool]:
        """What to pass on, and whether the user wants to leave."""
        passed = bytearray()
        for key in data:
            if self._held:
                if key == _CTRL_Q:
                    return bytes(passed), True
                passed.append(_CTRL_P)
            self._held = key == _CTRL_P
            if not self._held:
                passed.append(key)
        return bytes(passed), False


def running(runtime: Path, container_id: str) -> ContainerRecord:
    """Raises NotFound when it does not run (any more)."""
    record = control.load(runtime, container_id)
    if record is None or not record.main_alive():
        raise NotFound("the container is not running", hint="see `podrun ps -c`")
    return record


def attach(
    runtime: Path,
    record: ContainerRecord,
    *,
    interactive: bool,
    typing: Callable[[], None] = lambda: None,
) -> int | None:
    """Until the container ends: its exit code, 128+n for signal n; None: the user has detached.

    ``interactive`` passes standard input on, raw when it is a terminal and the container has one;
    ``typing`` is called then, once what is typed goes there. Raises NotFound or MechanismFailed.
    """
    with _connect(socket_path(runtime, record.id), interactive=interactive) as connection:
        connection.setblocking(False)
        at_terminal = interactive and record.tty and os.isatty(0)
        keys = DetachKeys() if at_terminal else None
        relay = Relay(connection, 0 if interactive else None, keys)
        with _signals() as wakeups, contextlib.ExitStack() as undo:
            if at_terminal:
                undo.enter_context(terminal.raw(0))
                typing()
            return relay.run(wakeups, resizing=record.tty)


def _connect(path: Path, *, interactive: bool) -> socket.socket:
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        connection.settimeout(_ANSWER_SECONDS)
        connection.connect(str(path))
        connection.sendall(b"attach stdin stdout stderr\n" if interactive else _OUTPUT_ONLY)
        answer = _line(connection)
    except (FileNotFoundError, ConnectionRefusedError):
        connection.close()
        raise NotFound("the container has just ended", hint="see `podrun ps -c`") from None
    except OSError as error:
        connection.close()
        raise MechanismFailed.from_oserror("attach to the container's monitor", error) from None
    if answer != b"ok":
        connection.close()
        text = answer.removeprefix(b"error ").decode(errors="replace") or "it hung up"
        raise MechanismFailed(f"the container's monitor refuses: {text}")
    return connection


_OUTPUT_ONLY = b"attach stdout stderr\n"


def _line(connection: socket.socket) -> bytes:
    """Without its newline. Byte by byte: what follows it are frames."""
    line = b""
    while (byte := connection.recv(1)) not in (b"", b"\n"):
        line += byte
    return line


@contextlib.contextmanager
def _signals() -> Iterator[int]:
    """A descriptor that can be read after SIGWINCH. SIGTERM and SIGHUP end us tidily."""
    read, write = os.pipe()
    os.set_blocking(read, False)
    os.set_blocking(write, False)

    def leave(number: int, _: object) -> None:
        raise SystemExit(128 + number)

    handlers = {signal.SIGWINCH: lambda *_: None, signal.SIGTERM: leave, signal.SIGHUP: leave}
    before = {number: signal.signal(number, handler) for number, handler in handlers.items()}
    wakeup = signal.set_wakeup_fd(write, warn_on_full_buffer=False)
    try:
        yield read
    finally:
        signal.set_wakeup_fd(wakeup)
        for number, handler in before.items():
            signal.signal(number, handler)
        os.close(read)
        os.close(write)


class Relay:
    """Copies between a session and our standard streams; ``source`` None: no input."""

    def __init__(
        self, connection: socket.socket, source: int | None, keys: DetachKeys | None
    ) -> None:
        self._connection = connection
        self._source = source
        self._keys = keys
        self._received = bytearray()
        self._to_send = bytearray()
        self._code: int | None = None

    def run(self, wakeups: int, *, resizing: bool) -> int | None:
        """The exit code, or None for detached. MechanismFailed when it ends without either."""
        if resizing:
            self._send_size()
        while self._code is None:
            readers = [self._connection.fileno(), wakeups]
            if self._source is not None and len(self._to_send) < _READ:
                readers.append(self._source)
            writers = [self._connection.fileno()] if self._to_send else []
            ready, writable, _ = select.select(readers, writers, [])
            if wakeups in ready:
                os.read(wakeups, _READ)
                if resizing:
                    self._send_size()
            if self._connection.fileno() in ready:
                self._receive()
            if self._source in ready and not self._read_source():
                self._flush()
                return None
            if writable:
                self._flush()
        return self._code

    def _receive(self) -> None:
        try:
            data = self._connection.recv(_READ)
        except BlockingIOError:
            return
        except ConnectionResetError:
            data = b""
        if not data:
            raise MechanismFailed(
                "the container's monitor ended the connection",
                hint="it drops who cannot keep up with the output: see `podrun logs`",
            )
        self._received += data
        while (frame := self._take_frame()) is not None:
            self._handle(*frame)

    def _take_frame(self) -> tuple[int, bytes] | None:
        if len(self._received) < _HEAD.size:
            return None
        kind, size = _HEAD.unpack_from(self._received)
        end = _HEAD.size + size
        if len(self._received) < end:
            return None
        payload = bytes(self._received[_HEAD.size : end])
        del self._received[:end]
        return kind, payload

    def _handle(self, kind: int, payload: bytes) -> None:
        if kind == _EXIT:
            self._code = int.from_bytes(payload, "big")
        elif kind in (_STDOUT, _STDERR):
            rest = memoryview(payload)
            while rest:
                rest = rest[os.write(1 if kind == _STDOUT else 2, rest) :]

    def _read_source(self) -> bool:
        """Pass a piece of the input on. False when the user wants to leave."""
        assert self._source is not None
        try:
            data = os.read(self._source, _READ)
        except OSError:  # EIO: its terminal is gone
            data = b""
        if not data:
            self._source = None
            self._queue(_INPUT, b"")
            return True
        leave = False
        if self._keys is not None:
            data, leave = self._keys.feed(data)
        if data:  # none would mean the end
            self._queue(_INPUT, data)
        return not leave

    def _send_size(self) -> None:
        """Of the caller's terminal, if there is one."""
        with contextlib.suppress(OSError):
            rows, columns, _, _ = struct.unpack(
                "HHHH", fcntl.ioctl(0, termios.TIOCGWINSZ, bytes(8))
            )
            self._queue(_RESIZE, struct.pack("!HH", rows, columns))

    def _queue(self, kind: int, payload: bytes) -> None:
        self._to_send += _HEAD.pack(kind, len(payload)) + payload

    def _flush(self) -> None:
        with contextlib.suppress(BlockingIOError, BrokenPipeError):  # the end is read, not written
            del self._to_send[: self._connection.send(self._to_send)]
