"""``podrun system reset``: back to a machine that never ran a pod.

    pods deleted ─► agent left, its lock ours ─► network, cgroups, records removed

Killed at any point, it can be run again.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import time
from pathlib import Path

from podrun.errors import PodrunError, WaitTimeout
from podrun.linux.mountinfo import unmount_below
from podrun.linux.trees import remove_tree
from podrun.node.config import Config
from podrun.node.paths import Paths

_LEAVE_TIMEOUT = 15.0


def reset(config: Config, *, images: bool) -> None:
    """Raises PodrunError when something resists; what is done by then stays done."""
    paths = Paths(config)
    _delete_pods(config, paths)
    lock = _agentless(config, paths)
    try:
        _remove_network(config, paths)
        _remove_cgroups(config)
        unmount_below(paths.claims)  # what containers have mounted there
        for path in (
            paths.pods,
            paths.objects,
            paths.claims,
            paths.network,
            paths.users,
            paths.seccomp_filters,
            paths.log / "pods",
        ):
            remove_tree(path)
        if images:
            remove_tree(paths.images)
            remove_tree(paths.snapshots)
        for path in (paths.runtime, paths.run / "locks"):
            shutil.rmtree(path, ignore_errors=True)
        paths.agent_stopped.unlink(missing_ok=True)
    finally:
        if lock is not None:
            os.close(lock)


def _delete_pods(config: Config, paths: Paths) -> None:
    """Through the agent, which at its start also removes what is only half there. Before them go
    the objects, of which some would make new pods."""
    if not any(_names(path) for path in (paths.pods, paths.runtime)):
        return
    from podrun.agent.client import call
    from podrun.agent.podstore import PodStore

    uids = [stored.pod.metadata.uid for stored in PodStore(paths).list()]
    request = {"verb": "delete", "uids": uids, "graceSeconds": 0, "wait": True, "timeout": 60.0}
    for _ in call(config, {**request, "objects": _objects(paths)}):
        pass


def _objects(paths: Paths) -> list[dict[str, str]]:
    from podrun.agent.objectstore import ObjectStore
    from podrun.api.kinds import KINDS, POD

    store = ObjectStore(paths)
    return [
        {"kind": kind.name, "namespace": each.metadata.namespace, "name": each.metadata.name}
        for kind in KINDS
        if kind is not POD
        for each in store.list(kind)
    ]


def _names(directory: Path) -> list[str]:
    with contextlib.suppress(FileNotFoundError):
        return os.listdir(directory)
    return []


def _agentless(config: Config, paths: Paths) -> int | None:
    """End the agent and hold its lock, so that none starts meanwhile; None: there never was one."""
    if not paths.run.is_dir():
        return None
    from podrun.agent.client import call, try_connect
    from podrun.agent.main import take_lock

    deadline = time.monotonic() + _LEAVE_TIMEOUT
    while (lock := take_lock(paths)) is None:
        connection = try_connect(config)
        if connection is not None:
            connection.close()
            with contextlib.suppress(PodrunError):  # it may leave before it has answered
                list(call(config, {"verb": "stop"}))
        if time.monotonic() > deadline:
            raise WaitTimeout(f"the agent does not leave within {_LEAVE_TIMEOUT:g} s")
        time.sleep(0.02)
    paths.socket.unlink(missing_ok=True)
    return lock


def _remove_network(config: Config, paths: Paths) -> None:
    from podrun.network.attach import reset as reset_network

    reset_network(config, paths)


def _remove_cgroups(config: Config) -> None:
    from podrun.cgroup.group import Group

    Group(config.cgroup_root).remove()
