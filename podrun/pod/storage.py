"""Limits of local storage, which nothing in the kernel enforces: who goes beyond is evicted.

a container   its writable layer and its logs        limits[ephemeral-storage]
an emptyDir   on the disk                            sizeLimit
the pod       all of these, where every container has a limit: their sum
"""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from podrun.api import quantity
from podrun.api.amounts import STORAGE
from podrun.api.pod import Container, Pod
from podrun.pod.fitting import amount_text


class StorageUse(msgspec.Struct, frozen=True):
    """Bytes of disk by container and by volume (emptyDirs on the disk alone)."""

    containers: dict[str, int]
    volumes: dict[str, int]


def is_limited(pod: Pod) -> bool:
    """There is something to watch."""
    return bool(_volume_limits(pod)) or any(_limit(c) for c in pod.spec.all_containers)


def overuse(pod: Pod, use: StorageUse) -> str:
    """Why the pod must go, in the kubelet's words; "" while it may stay."""
    for name, text in _volume_limits(pod).items():
        if use.volumes.get(name, 0) > quantity.bytes(text):
            return f'Usage of EmptyDir volume "{name}" exceeds the limit "{text}". '
    total = sum(use.containers.values()) + sum(use.volumes.values())
    most = _pod_limit(pod)
    if most and total > most:
        text = amount_text(STORAGE, most)
        return f"Pod ephemeral local storage usage exceeds the total limit of containers {text}. "
    for container in pod.spec.all_containers:
        limit = _limit(container)
        if limit and use.containers.get(container.name, 0) > quantity.bytes(limit):
            return (
                f'Container {container.name} exceeded its local ephemeral storage limit "{limit}". '
            )
    return ""


def _volume_limits(pod: Pod) -> Mapping[str, str]:
    return {
        volume.name: volume.empty_dir.size_limit
        for volume in pod.spec.volumes
        if volume.empty_dir is not None
        and volume.empty_dir.size_limit
        and not volume.empty_dir.medium
    }


def _limit(container: Container) -> str:
    return container.limits.get(STORAGE, "")


def _pod_limit(pod: Pod) -> int:
    limits = [_limit(container) for container in pod.spec.containers]
    return sum(map(quantity.bytes, limits)) if all(limits) else 0
