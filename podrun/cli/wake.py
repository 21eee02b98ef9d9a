"""A reader that finds pods and no agent starts one: probes and restarts shall not wait for a
command that changes something.

    output is there ──► agent.lock is held ───────────────────► nothing
           │ free: the agent was killed, or the machine rebooted
           ├─ not root, or somebody wished it to stop, or no pod ─► nothing
           └─ fork ─► fork ─► no terminal, no pipe of ours ─► does a pod need it? ─► start ─► gone

Two readers may both come to the start: the second agent finds the lock taken, and leaves.
"""

from __future__ import annotations

import fcntl
import os
import sys
from typing import NoReturn

from podrun.node.config import Config
from podrun.node.paths import Paths


def wake_agent(config: Config) -> None:
    """Costs three system calls while an agent runs, and never waits for one to come up."""
    paths = Paths(config)
    if os.geteuid() != 0 or _is_held(paths) or not _has_pods(paths):
        return
    from podrun.agent import stopped

    if stopped.is_wished(paths):
        return
    sys.stdout.flush()
    sys.stderr.flush()
    child = os.fork()
    if child == 0:
        _start(config, paths)
    os.waitpid(child, 0)


def _is_held(paths: Paths) -> bool:
    """An agent that starts in the instant in which we hold it ourselves gives up: then our start
    is the one that counts."""
    try:
        fd = os.open(paths.agent_lock, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(fd)
    return False


def _has_pods(paths: Paths) -> bool:
    try:
        return bool(os.listdir(paths.pods))
    except OSError:
        return False


def _start(config: Config, paths: Paths) -> NoReturn:
    """In a process that nobody waits for. Never returns; what goes wrong, the next command says."""
    try:
        from podrun.linux import process

        process.detach()
        process.close_range(3, 0xFFFFFFFF)
        if _is_needed(paths):
            from podrun.agent.client import start

            start(config)
    finally:
        os._exit(0)


def _is_needed(paths: Paths) -> bool:
    from podrun.agent.podstore import PodStore
    from podrun.pod.progress import is_finished

    return any(not is_finished(stored.pod, stored.facts) for stored in PodStore(paths).list())
