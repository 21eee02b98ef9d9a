"""What workers do: mechanism for one pod, synchronous, in a process of its own."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path
from typing import NoReturn

import msgspec
from msgspec.structs import replace

from podrun.agent import (
    claimvolumes,
    environment,
    logrotate,
    mounts,
    profiles,
    projections,
    rights,
    translate,
)
from podrun.agent.localimages import found_of
from podrun.agent.node import Node
from podrun.agent.podstore import StoredPod
from podrun.api.pod import Container
from podrun.container import control
from podrun.container.launch import Sandbox as SandboxToJoin
from podrun.container.launch import launch
from podrun.errors import MechanismFailed, NotFound, PodrunError
from podrun.image.store import ImageStore
from podrun.image.types import Image
from podrun.linux.trees import remove_tree
from podrun.node.records import fsync_directory
from podrun.pod.facts import Run
from podrun.pod.imagevolumes import puller_name
from podrun.sandbox import create as sandbox
from podrun.sandbox import idleases
from podrun.volume import volumes


def create_sandbox(node: Node, stored: StoredPod, attempt: int) -> tuple[str, ...]:
    """Volumes, then pause and its network; gives the pod's addresses. Raises PodrunError."""
    owner = rights.volume_owner(stored.pod)
    claimvolumes.take(node.paths, stored)
    for volume in mounts.volumes(stored.pod):
        volumes.make(volume, stored.paths, owner)
    projections.write(node, stored)
    spec = translate.sandbox_spec(node.config, stored.pod, attempt, node.name, node.host_ips)
    spec = replace(spec, seccomp=profiles.of_pause(node.paths))
    return sandbox.create(node.config, node.paths, stored.paths, spec).ips


def write_projections(node: Node, stored: StoredPod) -> None:
    """Once more, for a pod that has its volumes. Raises PodrunError."""
    with sandbox.locked(stored.paths):
        if sandbox.read(stored.paths) is not None:
            projections.write(node, stored)


def stop_sandbox(node: Node, stored: StoredPod) -> None:
    sandbox.remove(node.config, node.paths, stored.paths)
    claimvolumes.give_back(stored)


def launch_container(
    node: Node, stored: StoredPod, container: Container, run: Run, report: int, go: int
) -> NoReturn:
    """Become the monitor of a new run. First line said: what the image turned out to be."""
    image, lowers = _image(node, run.image)
    with sandbox.locked(stored.paths, shared=True):
        pause = sandbox.read(stored.paths)
        if pause is None or not pause.alive():
            raise MechanismFailed("the pod's sandbox is gone", reason="SandboxChanged")
        spec = translate.container_spec(
            node.config,
            stored.paths,
            stored.pod,
            container,
            image,
            lowers,
            container_id=run.id,
            attempt=run.attempt,
            node_name=node.name,
            memory_capacity=node.memory_bytes,
            volume_lowers=_volume_lowers(node, stored, container),
            variables=environment.variables(node, stored, container),
        )
        spec = profiles.confined(node.config, node.paths, stored.pod, container, spec)
        os.write(report, msgspec.json.encode({"image": found_of(node, image)}) + b"\n")
        to_join = SandboxToJoin(pause.pid, pause.start_time, pause.share_pid, pause.first_id)
        launch(node.paths, stored.paths, to_join, spec, report, go)


def _image(node: Node, name: str) -> tuple[Image, tuple[str, ...]]:
    store = ImageStore.of(node.config)
    try:
        image = store.resolve(name)
        return image, tuple(str(path) for path in store.lowers(image))
    except NotFound as error:  # removed since it was looked for
        error.reason = "CreateContainerError"
        raise
    except PodrunError as error:
        error.reason = error.reason or "ImageInspectError"
        raise


def _volume_lowers(
    node: Node, stored: StoredPod, container: Container
) -> dict[str, tuple[str, ...]]:
    """Of each image volume that it mounts: the image that was found when the pod began."""
    found = {}
    for mount in container.volume_mounts:
        pull = stored.facts.of(puller_name(mount.name)).pull
        if pull is not None:
            found[mount.name] = _image(node, pull.image_id)[1]
    return found


def remove_container(node: Node, stored: StoredPod, name: str, run: Run) -> None:
    control.remove(node.paths.runtime, stored.paths, name, run.attempt, run.id)


def sweep(node: Node, known: dict[str, set[str]]) -> None:
    """End what runs that no facts know: ``known`` maps a pod's uid to its live container ids.

    A launch that was under way when the agent died leaves such; taking the pod's lock waits for it.
    """
    for record in control.records(node.paths.runtime):
        if record.id in known.get(record.pod_uid, ()):
            continue
        paths = node.paths.pod(record.pod_uid, "", "")
        with sandbox.locked(paths):
            control.end(record)
            control.remove(node.paths.runtime, paths, record.name, record.attempt, record.id)


def release(node: Node, stored: StoredPod) -> None:
    """Remove all that is left of a pod. The record goes last: until then it can be tried again."""
    for record in control.records(node.paths.runtime):
        if record.pod_uid == stored.paths.uid:
            control.end(record)
            control.remove(node.paths.runtime, stored.paths, record.name, record.attempt, record.id)
    sandbox.remove(node.config, node.paths, stored.paths)
    idleases.release(node.paths, stored.paths.uid)
    volumes.remove_all(stored.paths)
    logrotate.remove(stored.paths.logs)
    remove_tree(stored.paths.root / "containers")
    _forget(stored)


def _forget(stored: StoredPod) -> None:
    """Without pod.json the pod does not exist; what a crash leaves then is swept as rubbish."""
    stored.paths.pod.unlink(missing_ok=True)
    fsync_directory(stored.paths.root)
    remove_tree(stored.paths.root)
    stored.paths.lock.unlink(missing_ok=True)


def restore_network(node: Node) -> None:
    """The bridge and the table, where a reboot or a firewall's reload took them away."""
    from podrun.network.attach import restore

    restore(node.config, node.paths)


def sweep_rubbish(node: Node) -> None:
    """Directories of pods that never came to be or were being forgotten when all went dark."""
    with contextlib.suppress(FileNotFoundError):
        for uid in os.listdir(node.paths.pods):
            root = node.paths.pods / uid
            if not _was_accepted(root / "pod.json"):
                remove_tree(root)
                (node.paths.run / "locks" / uid).unlink(missing_ok=True)
        idleases.release_all_but(node.paths, os.listdir(node.paths.pods))


def _was_accepted(record: Path) -> bool:
    """An empty one was being accepted when the machine stopped: nobody was told of the pod."""
    try:
        return record.stat().st_size > 0
    except FileNotFoundError:
        return False
