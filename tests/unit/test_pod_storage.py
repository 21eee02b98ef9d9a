"""Limits of local storage: who goes beyond is evicted, in the kubelet's words."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from podrun.api.admit import admit
from podrun.api.pod import Pod
from podrun.errors import InvalidManifest
from podrun.pod.storage import StorageUse, is_limited, overuse

MI = 1 << 20


def pod(*limits: str, size: str = "", medium: str = "") -> Pod:
    empty_dir = {"sizeLimit": size} if size else {}
    manifest: dict[str, Any] = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "store"},
        "spec": {
            "containers": [
                {
                    "name": f"c{i}",
                    "image": "localhost/host",
                    "resources": {"limits": {"ephemeral-storage": limit}} if limit else {},
                }
                for i, limit in enumerate(limits or ("",))
            ],
            "volumes": [{"name": "v", "emptyDir": empty_dir | {"medium": medium}}],
        },
    }
    return admit([(msgspec.json.encode(manifest), "f")]).objects[0].pod


def use(*containers: int, volume: int = 0) -> StorageUse:
    return StorageUse({f"c{i}": size for i, size in enumerate(containers)}, {"v": volume})


def test_a_volume_beyond_its_limit() -> None:
    limited = pod(size="1Mi")
    assert overuse(limited, use(0, volume=MI)) == ""
    assert overuse(limited, use(0, volume=MI + 1)) == (
        'Usage of EmptyDir volume "v" exceeds the limit "1Mi". '
    )


def test_a_container_beyond_its_limit() -> None:
    limited = pod("2Mi", "")
    assert overuse(limited, use(2 * MI, 9 * MI)) == ""
    assert overuse(limited, use(3 * MI, 0)) == (
        'Container c0 exceeded its local ephemeral storage limit "2Mi". '
    )


def test_all_of_it_beyond_the_limits_of_all_containers() -> None:
    limited = pod("1Mi", "1Mi")
    assert overuse(limited, use(MI, MI)) == ""
    assert overuse(limited, use(MI, MI, volume=1)) == (
        "Pod ephemeral local storage usage exceeds the total limit of containers 2Mi. "
    )


def test_one_without_a_limit_leaves_the_pod_without_one() -> None:
    assert overuse(pod("1Mi", ""), use(MI, 50 * MI, volume=50 * MI)) == ""


def test_a_tmpfs_limits_itself() -> None:
    in_memory = pod(size="1Mi", medium="Memory")
    assert not is_limited(in_memory)
    assert overuse(in_memory, use(0, volume=5 * MI)) == ""


def test_what_has_no_limit_is_not_watched() -> None:
    assert not is_limited(pod())
    assert is_limited(pod(size="1Gi"))
    assert is_limited(pod("1Gi"))


def test_bad_amounts_are_named() -> None:
    with pytest.raises(InvalidManifest, match=r"spec.volumes\[0\].emptyDir.sizeLimit"):
        pod(size="1Gib")
    with pytest.raises(InvalidManifest, match=r"resources.limits\[ephemeral-storage\]"):
        pod("-1Mi")
