"""Containers that exist: find, signal, kill, remove. Nothing here waits for long."""

from __future__ import annotations

import contextlib
import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import msgspec

from podrun.cgroup.group import Group
from podrun.container.spec import ContainerRecord, record_path, socket_path
from podrun.errors import MechanismFailed
from podrun.image import rootfs
from podrun.linux import process
from podrun.node.paths import PodPaths
from podrun.node.records import read_record


def load(runtime: Path, container_id: str) -> ContainerRecord | None:
    return read_record(record_path(runtime, container_id), ContainerRecord)


def records(runtime: Path) -> Iterator[ContainerRecord]:
    """All of them, of whatever boot; one that cannot be read is passed over."""
    with contextlib.suppress(FileNotFoundError):
        for path in sorted(runtime.glob("*.json")):
            with contextlib.suppress(msgspec.MsgspecError):
                record = read_record(path, ContainerRecord)
                if record is not None:
                    yield record


def stop_signal(name: str) -> int:
    """Of ``signal_number``; SIGTERM for "" and for what is no signal here.

    The name comes from the image: one that means nothing must not keep a container from stopping.
    """
    return signal_number(name) or signal.SIGTERM


def signal_number(name: str) -> int | None:
    """Of "SIGTERM", "TERM", "15", "RTMIN+3"; None for what is no signal here."""
    text = name.upper().removeprefix("SIG")
    base, _, offset = text.partition("+")
    try:
        number = int(text) if text.isdecimal() else signal.Signals[f"SIG{base}"] + int(offset or 0)
    except (KeyError, ValueError):
        return None
    return number if number in signal.valid_signals() else None


def send(record: ContainerRecord, number: int) -> bool:
    """To the main process alone. False when it is gone already."""
    fd = process.pidfd_of(record.pid, record.start_time)
    if fd is None or record.boot_id != process.boot_id():
        return False
    try:
        process.pidfd_send_signal(fd, number)
    except ProcessLookupError:
        return False
    finally:
        os.close(fd)
    return True


def kill(record: ContainerRecord) -> None:
    """SIGKILL to every process of the container, whatever PID namespace it is in."""
    send(record, signal.SIGKILL)
    Group(record.cgroup).kill()


def end(record: ContainerRecord, timeout: float = 5.0) -> None:
    """Kill a container and its monitor, and wait until both are gone. For what nobody knows."""
    kill(record)
    monitor = process.pidfd_of(record.monitor_pid, record.monitor_start_time)
    if monitor is None or record.boot_id != process.boot_id():
        return
    try:
        with contextlib.suppress(ProcessLookupError):
            process.pidfd_send_signal(monitor, signal.SIGKILL)
    finally:
        os.close(monitor)
    deadline = time.monotonic() + timeout
    while record.monitor_alive() or record.main_alive():
        if time.monotonic() > deadline:
            raise MechanismFailed(f"end container {record.name}: process {record.pid} stays")
        time.sleep(0.001)


def remove(runtime: Path, pod: PodPaths, name: str, attempt: int, container_id: str) -> None:
    """What an ended run leaves but its log and its exit record. Idempotent."""
    record = load(runtime, container_id)
    if record is not None:
        Group(record.cgroup).remove()
    rootfs.discard(pod.attempt(name, attempt) / "upper")
    socket_path(runtime, container_id).unlink(missing_ok=True)
    record_path(runtime, container_id).unlink(missing_ok=True)
