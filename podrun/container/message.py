"""The termination message: a file that the container writes and nobody else, read after its end.

The file is made by us in the attempt's directory and bound into the container, which can write to
it but neither replace nor rename it. What is read is bounded, as upstream bounds it
(k8s.io/kubernetes pkg/kubelet/container/runtime.go: MaxContainerTerminationMessage*).
"""

from __future__ import annotations

import contextlib
import os
import stat
from collections import deque
from pathlib import Path

from podrun.node.paths import PodPaths

MESSAGE_BYTES = 4096
LOG_LINES = 80
LOG_BYTES = 2048

_NAME = "termination-log"
#: entries of 16 KiB and their heads: more than the last 2048 bytes of any log can need
_LOG_TAIL = 4 * 17 * 1024


def make(attempt: Path) -> Path:
    """An empty file for the run's message, to be bound into the container."""
    flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC
    fd = os.open(attempt / _NAME, flags, 0o666)
    try:
        os.fchmod(fd, 0o666)  # whatever the umask: the container's user is anybody
    finally:
        os.close(fd)
    return attempt / _NAME


def read_message(
    pod: PodPaths, name: str, attempt: int, *, exit_code: int, policy: str = "File"
) -> str:
    """What the run has to say of its end; "" when it said nothing. Never raises.

    ``policy`` FallbackToLogsOnError: the end of its log, when the file is empty and the exit code
    is not 0. At most MESSAGE_BYTES or LOG_BYTES bytes before they are decoded.
    """
    data = _read(pod.attempt(name, attempt) / _NAME, 0, MESSAGE_BYTES)
    if not data and exit_code != 0 and policy == "FallbackToLogsOnError":
        data = _end_of_log(pod.log(name, attempt))
    return data.decode(errors="replace")


def _read(path: Path, from_end: int, most: int) -> bytes:
    """Up to ``most`` bytes: the first ones, or those that begin ``from_end`` before the end."""
    flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOCTTY
    with contextlib.suppress(OSError), open(os.open(path, flags), "rb", buffering=0) as file:
        info = os.fstat(file.fileno())
        if stat.S_ISREG(info.st_mode):
            if from_end:
                file.seek(max(info.st_size - from_end, 0))
            return file.read(most) or b""
    return b""


def _end_of_log(log: Path) -> bytes:
    """The last LOG_LINES lines of both streams, and of those the last LOG_BYTES bytes."""
    found: deque[bytes] = deque([b""], maxlen=LOG_LINES + 1)
    for entry in _log_tail(log).split(b"\n"):
        parts = entry.split(b" ", 3)  # time, stream, tag, content
        if len(parts) == 4 and parts[1] in (b"stdout", b"stderr"):
            found[-1] += parts[3]
            if parts[2].startswith(b"F"):
                found[-1] += b"\n"
                found.append(b"")
    lines = [line for line in found if line]
    return b"".join(lines[-LOG_LINES:])[-LOG_BYTES:]


def _log_tail(log: Path) -> bytes:
    """Of the log, and of its newest rotated file, which is not compressed: it was perhaps rotated
    a moment ago."""
    rotated = sorted(p for p in log.parent.glob(f"{log.name}.*") if p.suffix != ".gz")
    return b"".join(_read(path, _LOG_TAIL, _LOG_TAIL) for path in (*rotated[-1:], log))
