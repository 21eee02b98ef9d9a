"""The rules for volumeDevices: which of the pod's volumes a container has as devices.

Kubernetes takes claims of block storage, which podrun has none of; podrun takes what it has: a
hostPath that must be a device.
"""

from __future__ import annotations

from collections.abc import Iterator

from podrun.api.container import Container
from podrun.api.pod import PodSpec
from podrun.api.problem import Problem
from podrun.api.validate_rules import invalid, not_found, required

_TYPES = ("BlockDevice", "CharDevice")


def devices(path: str, container: Container, spec: PodSpec) -> Iterator[Problem]:
    volumes = {volume.name: volume for volume in spec.volumes}
    mounted = {mount.name for mount in container.volume_mounts}
    places = {mount.mount_path for mount in container.volume_mounts}
    seen: set[str] = set()
    for index, device in enumerate(container.volume_devices):
        at = f"{path}[{index}]"
        if not device.name:
            yield required(f"{at}.name")
        elif device.name not in volumes:
            yield not_found(f"{at}.name", device.name)
        else:
            source = volumes[device.name].host_path
            if source is None or source.type not in _TYPES:
                why = "must be a hostPath volume of type BlockDevice or CharDevice"
                yield invalid(f"{at}.name", device.name, why)
        if device.name and (device.name in seen or device.name in mounted):
            yield invalid(f"{at}.name", device.name, "must be unique, and not in volumeMounts")
        yield from _path(f"{at}.devicePath", device.device_path, places)
        seen.add(device.name)
        places.add(device.device_path)


def _path(path: str, value: str, taken: set[str]) -> Iterator[Problem]:
    if not value:
        yield required(path)
    elif not value.startswith("/"):
        yield invalid(path, value, "must be an absolute path")
    elif ".." in value.split("/"):
        yield invalid(path, value, "can not contain backsteps ('..')")
    elif value in taken:
        yield invalid(path, value, "must be unique, and not a mountPath")
