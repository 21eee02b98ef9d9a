"""The agent's process: take the lock, listen, adopt what is there, serve, leave when idle."""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import gc
import logging
import os
import signal
import socket
import sys
from collections.abc import Iterator
from pathlib import Path

from podrun.agent import stopped
from podrun.linux import sealed
from podrun.node import config as node_config
from podrun.node.config import Config
from podrun.node.paths import Paths


def run(arguments: list[str]) -> int:
    """A whole process: sealed, since each container's child is a fork of it. See ``main``."""
    sealed.seal_this_process()
    sealed.name_this_process("podrun-agent")
    return main(arguments)


def main(arguments: list[str]) -> int:
    """``--ready-fd N`` is closed once the agent listens (or has found that another one does).

    ``--detached``: nobody watches; what it says goes to its log.
    """
    gc.enable()  # the command line goes without: its processes are short
    config = node_config.load()
    paths = Paths(config)
    if "--detached" in arguments:
        _write_to(paths.agent_log)
    ready = int(arguments[arguments.index("--ready-fd") + 1]) if "--ready-fd" in arguments else -1
    if "--detached" in arguments and ready < 0 and stopped.is_wished(paths):
        return 0  # a container has ended: that is no reason to go on against a wish
    _make_roots(paths)
    lock = take_lock(paths)
    if lock is None:
        return 0  # another agent is there: all is well
    stopped.forget(paths)
    listener = listen(paths)
    if ready >= 0:
        os.close(ready)
    os.umask(0o022)
    logging.basicConfig(format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    try:
        return serve(config, listener)
    finally:
        paths.socket.unlink(missing_ok=True)  # before the lock goes: nobody waits on a dead socket
        listener.close()
        os.close(lock)


def _write_to(log: Path) -> None:
    log.parent.mkdir(parents=True, exist_ok=True)
    fd = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o640)
    os.dup2(fd, 1)
    os.dup2(fd, 2)
    os.close(fd)


def _make_roots(paths: Paths) -> None:
    for path, mode in (
        (paths.state, 0o755),
        (paths.pods, 0o755),
        (paths.run, 0o755),
        (paths.runtime, 0o700),
        (paths.run / "locks", 0o700),
        (paths.log / "pods", 0o755),
    ):
        path.mkdir(parents=True, exist_ok=True)
        os.chmod(path, mode)


def take_lock(paths: Paths) -> int | None:
    """The agent's lock, held until its process ends; None when another agent has it."""
    fd = os.open(paths.agent_lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(fd)
        return None
    os.ftruncate(fd, 0)
    os.write(fd, f"{os.getpid()}\n".encode())
    return fd


def listen(paths: Paths) -> socket.socket:
    paths.socket.unlink(missing_ok=True)
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    old = os.umask(0o177)  # the socket is root's from its first moment
    try:
        listener.bind(str(paths.socket))
    finally:
        os.umask(old)
    listener.listen(64)
    return listener


def serve(config: Config, listener: socket.socket) -> int:
    """The loop. Heavy imports happen here, once the socket already takes connections."""
    from podrun.agent.node import discover
    from podrun.agent.server import Agent

    node = discover(config)
    agent = Agent(node)

    def leave() -> None:
        """Whoever sends a signal wants no agent, not another one."""
        with contextlib.suppress(OSError):
            stopped.remember(node.paths)
        agent.leave()

    async def live() -> None:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, leave)
        await agent.start()
        _preload(config)
        gc.freeze()  # what is loaded now stays: forked workers share its pages
        await agent.serve(listener)

    with _own_cgroup(config):
        asyncio.run(live())
    return 0


def _preload(config: Config) -> None:
    """What workers need, imported once here instead of in each of them."""
    from podrun.network.attach import preload

    preload(config)


@contextlib.contextmanager
def _own_cgroup(config: Config) -> Iterator[None]:
    """Out of the cgroup of whoever started us: it may be killed with the session it belongs to.

    Monitors inherit ours. On leaving we go back, so that an unused tree of cgroups disappears.
    """
    from podrun.cgroup.group import Group, membership
    from podrun.errors import PodrunError

    if "INVOCATION_ID" in os.environ:
        yield  # systemd's unit has its own
        return
    try:
        before = membership()
        group = Group(f"{config.cgroup_root}/agent")
        group.create()
        group.add(os.getpid())
    except PodrunError as error:  # no cgroups, or none to write: each pod will say so
        logging.warning("%s (%s)", error.message, error.hint)
        yield
        return
    try:
        yield
    finally:
        with contextlib.suppress(OSError):
            for directory in before:
                (directory / "cgroup.procs").write_text(str(os.getpid()))
        group.remove_if_empty()
        Group(config.cgroup_root).remove_if_empty()


if __name__ == "__main__":
    sys.exit(run(sys.argv[1:]))
