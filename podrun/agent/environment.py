"""Gather what a container's environment tells of. Done by the worker that starts it."""

from __future__ import annotations

import os
import stat
from functools import cache

from podrun.agent.node import Node
from podrun.agent.objectstore import ObjectStore
from podrun.agent.podstore import StoredPod
from podrun.api.kinds import Kind
from podrun.api.objects import AnyObject
from podrun.api.pod import Container
from podrun.errors import PodrunError
from podrun.pod.environment import Surroundings
from podrun.pod.environment import variables as of_manifest
from podrun.pod.missing import CONFIG_ERROR
from podrun.volume import subpath

_FILE_BYTES = 64 << 10


def variables(node: Node, stored: StoredPod, container: Container) -> dict[str, str]:
    """Raises PodrunError (CreateContainerConfigError)."""
    if not (container.env or container.env_from):
        return {}
    pod = stored.pod
    store = ObjectStore(node.paths)

    @cache  # all variables are of one version of it
    def find(kind: Kind, name: str) -> AnyObject | None:
        return store.read(kind, pod.metadata.namespace, name)

    @cache
    def read_file(volume: str, path: str) -> str | None:
        return _read(stored, volume, path)

    sandbox = stored.facts.sandbox
    own = sandbox.ips if sandbox is not None else ()
    around = Surroundings(
        find=find,
        read_file=read_file,
        pod_ips=node.host_ips if pod.spec.host_network else own,
        host_ips=node.host_ips,
        node_name=node.name,
        allocatable=node.open_limits,
    )
    return of_manifest(pod, container, around)


def _read(stored: StoredPod, volume: str, path: str) -> str | None:
    """Found by descriptor: containers may have put links and devices there."""
    what = f'file {path} of volume "{volume}"'
    try:
        root = os.open(stored.paths.volume(volume), os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            found = subpath.open_path(root, path)
        finally:
            os.close(root)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise PodrunError(f"{what}: {error.strerror}", reason=CONFIG_ERROR) from None
    try:
        if not stat.S_ISREG(os.fstat(found).st_mode):
            raise PodrunError(f"{what}: not a regular file", reason=CONFIG_ERROR)
        with open(f"/proc/self/fd/{found}", "rb") as file:
            data = file.read(_FILE_BYTES + 1)
    finally:
        os.close(found)
    if len(data) > _FILE_BYTES:
        raise PodrunError(f"{what}: larger than {_FILE_BYTES >> 10} KiB", reason=CONFIG_ERROR)
    try:
        return data.decode()
    except UnicodeDecodeError:
        raise PodrunError(f"{what}: no UTF-8 text", reason=CONFIG_ERROR) from None
