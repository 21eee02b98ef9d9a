"""PersistentVolumeClaims in pods: what outlives them, who waits, and what cannot be deleted."""

from __future__ import annotations

import stat
from typing import Any

import pytest

from podrun.agent.client import call
from podrun.agent.objectstore import ObjectStore
from podrun.api.configuration import PersistentVolumeClaim
from podrun.api.kinds import CLAIM
from podrun.errors import Conflict
from podrun.linux import mount, mountinfo
from tests.node import Node, pod_text


@pytest.fixture(autouse=True)
def agents_find_it(node: Node, monkeypatch: pytest.MonkeyPatch) -> None:
    """An agent that is started from here has the configuration of the node."""
    monkeypatch.setenv("PODRUN_CONFIG", str(node.config_file))


def _claim(name: str, mode: str = "ReadWriteOnce") -> str:
    return (
        f"apiVersion: v1\nkind: PersistentVolumeClaim\nmetadata: {{name: {name}}}\n"
        f"spec: {{accessModes: [{mode}], resources: {{requests: {{storage: 1Mi}}}}}}\n---\n"
    )


def _pod(name: str, claim: str, *, more: str = "", mount: str = "", top: str = "") -> str:
    spec = f"""
  volumes: [{{name: v, persistentVolumeClaim: {{claimName: {claim}{more}}}}}]
  {top}
  containers:
  - name: a
    image: localhost/host
    command: [sleep, "4000"]
    volumeMounts: [{{name: v, mountPath: /v{mount}}}]"""
    return pod_text(name, spec)


def _sh(node: Node, name: str, script: str) -> str:
    return node.podrun("exec", name, "--", "sh", "-c", script).stdout


def _delete_claim(node: Node, name: str, **how: Any) -> list[str]:
    key = {"kind": "PersistentVolumeClaim", "namespace": "default", "name": name}
    told = list(call(node.config, {"verb": "delete", "objects": [key], **how}))
    return [each["result"] for each in told if "result" in each]


def test_what_a_claim_holds_outlives_its_pods_and_the_claim(node: Node) -> None:
    node.apply_text(_claim("data") + _pod("first", "data"))
    stored = ObjectStore(node.paths).find(CLAIM, "default", "data")
    assert isinstance(stored, PersistentVolumeClaim) and stored.status is not None
    assert stored.status.phase == "Bound"
    root = node.paths.claims / "default/data"
    assert stat.S_IMODE(root.stat().st_mode) == 0o777
    assert stat.S_IMODE(node.paths.claims.stat().st_mode) == 0o700
    _sh(node, "first", "echo kept >/v/file; mkdir /v/mine; chmod 700 /v")

    with pytest.raises(Conflict, match="persistentvolumeclaim/data is used by pod/first"):
        _delete_claim(node, "data")
    node.podrun("delete", "first", "--force")
    node.apply_text(_pod("second", "data", more=", readOnly: true"))
    assert _sh(node, "second", "cat /v/file; stat -c %a /v") == "kept\n700\n"
    assert "Read-only file system" in _sh(node, "second", "touch /v/x 2>&1; true")
    node.podrun("delete", "second", "--force")

    assert _delete_claim(node, "data") == ["deleted"]
    assert (root / "file").read_text() == "kept\n"
    node.apply_text(_claim("data"))
    _delete_claim(node, "data", reclaim=True)
    assert not root.exists()


def test_pods_share_a_claim_and_its_group_is_the_pods(node: Node) -> None:
    group = "securityContext: {fsGroup: 4321, runAsUser: 1234}"
    writer = _pod("writer", "both", top=group, mount=", subPath: part")
    node.apply_text(_claim("both", "ReadWriteMany") + writer + "---\n" + _pod("reader", "both"))
    _sh(node, "writer", "echo hello >/v/file")
    assert _sh(node, "reader", "cat /v/part/file; stat -c %g /v /v/part/file").split() == [
        "hello", "4321", "4321",
    ]  # fmt: skip
    node.apply_text(_pod("others", "both", top="hostUsers: false"))
    assert _sh(node, "others", "cat /v/part/file") == "hello\n"


def test_a_pod_waits_for_its_claim_and_starts_when_it_comes(node: Node) -> None:
    done = node.apply_text(_pod("early", "late"), check=False)
    assert done.returncode == 1
    assert 'persistentvolumeclaim "late" not found' in done.stderr
    assert "FailedMount" in node.podrun("events", "early").stdout
    assert not (node.paths.claims / "default/late").exists()
    node.apply_text(_claim("late"))
    node.wait_until(lambda: node.status("early")["phase"] == "Running")


def test_a_claim_for_one_pod_is_one_pods_until_that_has_ended(node: Node) -> None:
    node.apply_text(_claim("alone", "ReadWriteOncePod") + _pod("holder", "alone"))
    node.kill_agent()
    done = node.apply_text(_pod("second", "alone"), check=False)
    assert done.returncode == 1
    why = "volume uses the ReadWriteOncePod access mode and is already in use by another pod"
    assert why in done.stderr
    node.podrun("delete", "holder", "--force")
    node.wait_until(lambda: node.status("second")["phase"] == "Running", timeout=40)


def test_what_containers_mounted_in_a_claim_is_not_removed_with_it(
    node: Node, tmp_path: Any
) -> None:
    node.apply_text(_claim("data") + _pod("maker", "data"))
    _sh(node, "maker", "mkdir /v/deep")
    root = node.paths.claims / "default/data"
    precious = tmp_path / "precious"
    precious.mkdir()
    (precious / "file").touch()
    mount.mount(str(precious), str(root / "deep"), "", mount.MS_BIND)
    node.podrun("delete", "maker", "--force")
    _delete_claim(node, "data", reclaim=True)
    assert not root.exists() and (precious / "file").exists()
    assert not [each for each in mountinfo.mounts() if "precious" in each.point]
