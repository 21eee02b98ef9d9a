"""A reader that finds pods or workloads and no agent starts one: probes and restarts shall not
wait for a command that changes something.

    output is there ──► agent.lock is held ───────────────────► nothing
           │ free: the agent was killed, or the machine rebooted
           ├─ not root, or somebody wished it to stop, or nothing is there ─► nothing
           └─ fork ─► fork ─► no terminal, no pipe of ours ─► is it needed? ─► start ─► gone

Two readers may both come to the start: the second agent finds the lock taken, and leaves.
"""

from __future__ import annotations

import fcntl
import os
import sys
from pathlib import Path
from typing import NoReturn

from podrun.api.kinds import DAEMON_SET, DEPLOYMENT, JOB
from podrun.node.config import Config
from podrun.node.paths import Paths


def wake_agent(config: Config) -> None:
    """Costs three system calls while an agent runs, and never waits for one to come up."""
    paths = Paths(config)
    if os.geteuid() != 0 or _is_held(paths) or not _has_any(paths):
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


def _has_any(paths: Paths) -> bool:
    found = (paths.pods, *(paths.objects / kind.plural for kind in (JOB, DEPLOYMENT, DAEMON_SET)))
    return any(map(_names, found))


def _names(directory: Path) -> list[str]:
    try:
        return os.listdir(directory)
    except OSError:
        return []


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

    if any(not is_finished(stored.pod, stored.facts) for stored in PodStore(paths).list()):
        return True
    return _workloads_need_it(paths)


def _workloads_need_it(paths: Paths) -> bool:
    from podrun.agent.objectstore import ObjectStore
    from podrun.api.workload import DaemonSet, Deployment, Job
    from podrun.workload.attention import needs_attention

    store = ObjectStore(paths)
    found = [thing for kind in (JOB, DEPLOYMENT, DAEMON_SET) for thing in store.list(kind)]
    return any(
        isinstance(thing, Job | Deployment | DaemonSet) and needs_attention(thing)
        for thing in found
    )
