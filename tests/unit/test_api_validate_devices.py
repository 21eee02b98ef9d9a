"""volumeDevices: hostPaths that are devices, each once."""

# ruff: noqa: E501  (tables of messages read best one case a line)

from __future__ import annotations

import pytest

from podrun.api.admit import admit
from podrun.errors import InvalidManifest

_POD = """
apiVersion: v1
kind: Pod
metadata: {{name: devices}}
spec:
  volumes:
  - {{name: dev, hostPath: {{path: /dev/x, type: CharDevice}}}}
  - {{name: empty}}
  containers:
  - name: user
    image: x
    volumeMounts: [{{name: empty, mountPath: /mnt}}]
    volumeDevices: [{{name: dev, devicePath: /dev/mine}}{more}]
"""


def test_a_device_of_the_host() -> None:
    (pod,) = (each.pod for each in admit([(_POD.format(more=""), "f.yaml")]).objects)
    (device,) = pod.spec.containers[0].volume_devices
    assert (device.name, device.device_path) == ("dev", "/dev/mine")


@pytest.mark.parametrize(
    ("more", "problem"),
    [
        (", {name: gone, devicePath: /dev/x}", '[1].name: Not found: "gone"'),
        (", {name: empty, devicePath: /dev/x}", '[1].name: Invalid value: "empty": must be a hostPath volume of type BlockDevice or CharDevice'),
        (", {name: dev, devicePath: /dev/x}", '[1].name: Invalid value: "dev": must be unique, and not in volumeMounts'),
        (", {devicePath: /dev/x}", "[1].name: Required value"),
        (", {name: empty}", "[1].devicePath: Required value"),
        (", {name: empty, devicePath: dev/x}", '[1].devicePath: Invalid value: "dev/x": must be an absolute path'),
        (", {name: empty, devicePath: /dev/../x}", "[1].devicePath: Invalid value: \"/dev/../x\": can not contain backsteps ('..')"),
        (", {name: empty, devicePath: /dev/mine}", '[1].devicePath: Invalid value: "/dev/mine": must be unique, and not a mountPath'),
    ],
)  # fmt: skip
def test_what_is_refused(more: str, problem: str) -> None:
    with pytest.raises(InvalidManifest) as caught:
        admit([(_POD.format(more=more), "f.yaml")])
    assert f"spec.containers[0].volumeDevices{problem}" in caught.value.message
