"""volumeDevices: a container may use a device of the host, which a mount alone does not allow."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from tests.node import Node, pod_text

_TUN = os.makedev(10, 200)  # opened by anybody, and of no use without a request


@pytest.fixture
def device(tmp_path: Path) -> Path:
    path = tmp_path / "mine"
    os.mknod(path, stat.S_IFCHR | 0o666, _TUN)
    path.chmod(0o666)
    return path


def _pod(device: Path) -> str:
    return pod_text(
        "devices",
        f"""
  volumes:
  - {{name: dev, hostPath: {{path: {device}, type: CharDevice}}}}
  containers:
  - name: user
    image: localhost/host
    command: [sleep, "4000"]
    volumeDevices: [{{name: dev, devicePath: /dev/mine}}]
  - name: other
    image: localhost/host
    command: [sleep, "4000"]
    volumeMounts: [{{name: dev, mountPath: /dev/mine}}]
""",
    )


def test_only_who_has_it_as_a_device_may_use_it(node: Node, device: Path) -> None:
    node.apply_text(_pod(device))

    def opens(container: str) -> tuple[int, str]:
        script = "import os; print(os.fstat(os.open('/dev/mine', os.O_RDWR)).st_rdev)"
        done = node.podrun(
            "exec", "devices", "-c", container, "--", "python3", "-c", script, check=False
        )
        return done.returncode, done.stdout.strip() or done.stderr

    assert opens("user") == (0, str(_TUN))
    code, said = opens("other")
    assert code == 1
    assert "Operation not permitted" in said
    node.podrun("delete", "devices", "--force")
    assert stat.S_ISCHR(device.stat().st_mode)


def test_what_is_no_device_is_told(node: Node, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    done = node.apply_text(_pod(tmp_path / "file"), check=False)
    assert done.returncode == 1
    assert "is not a CharDevice" in done.stderr
