"""configMap, secret, downwardAPI and projected volumes, seen from inside and outside."""

from __future__ import annotations

import os

import pytest

from podrun.agent.objectstore import ObjectStore
from podrun.api.configuration import ConfigMap, Secret
from podrun.api.meta import ObjectMeta
from tests.node import Node, pod_text

_VOLUMES = """
  securityContext: {fsGroup: 4321}
  volumes:
  - name: config
    configMap: {name: settings}
  - name: keys
    secret: {secretName: login, defaultMode: 0400}
  - name: me
    downwardAPI:
      items: [{path: labels, fieldRef: {fieldPath: metadata.labels}}]
  - name: all
    projected:
      sources:
      - configMap: {name: settings, items: [{key: colour, path: deep/er/colour}]}
      - secret: {name: login}
      - downwardAPI: {items: [{path: cpu, resourceFieldRef: {containerName: app, resource: limits.cpu}}]}
  containers:
  - name: app
    image: localhost/host
    command: [sleep, "4000"]
    resources: {limits: {cpu: 1500m}}
    volumeMounts:
    - {name: config, mountPath: /mnt/config}
    - {name: keys, mountPath: /mnt/keys}
    - {name: me, mountPath: /mnt/me}
    - {name: all, mountPath: /mnt/all}
    - {name: config, mountPath: /mnt/colour, subPath: colour}
"""  # noqa: E501


def _meta(name: str) -> ObjectMeta:
    return ObjectMeta(name=name, namespace="default")


def _keep(node: Node, **data: str) -> None:
    store = ObjectStore(node.paths)
    store.write(ConfigMap(metadata=_meta("settings"), data=data))
    store.write(Secret(metadata=_meta("login"), type="Opaque", data={"password": "c2VzYW1l"}))


def _sh(node: Node, script: str) -> str:
    return node.podrun("exec", "shows", "--", "sh", "-c", script).stdout


def test_files_of_objects_and_of_the_pod(node: Node) -> None:
    _keep(node, colour="blue", size="9")
    node.apply_text(pod_text("shows", _VOLUMES))
    seen = _sh(node, "cd /mnt && head config/* keys/* all/deep/er/colour all/cpu colour")
    for text in ("blue", "9", "sesame", "\n2"):
        assert text in seen
    assert _sh(node, "stat -L -c %a:%g /mnt/keys/password /mnt/config/size").split() == [
        "440:4321",
        "644:4321",
    ]
    kinds = _sh(node, "cd /mnt && stat -f -c %T keys me all config").split()
    assert kinds[:3] == ["tmpfs"] * 3
    assert kinds[3] != "tmpfs"
    for directory in ("config", "keys", "all"):
        wrote = node.podrun(
            "exec", "shows", "--", "touch", f"/mnt/{directory}/x", check=False
        ).stderr
        assert "Read-only file system" in wrote


def test_labels_that_change_are_seen_inside(node: Node) -> None:
    _keep(node, colour="blue")
    text = pod_text("shows", _VOLUMES)
    node.apply_text(text)
    assert _sh(node, "cat /mnt/me/labels") == ""
    before = node.status("shows")["containerStatuses"][0]["containerID"]
    node.apply_text(text.replace("{name: shows}", "{name: shows, labels: {app: web}}"))
    node.wait_until(lambda: _sh(node, "cat /mnt/me/labels") == 'app="web"')
    assert node.status("shows")["containerStatuses"][0]["containerID"] == before


def test_a_pod_waits_for_what_is_missing_and_says_what(node: Node) -> None:
    done = node.apply_text(pod_text("shows", _VOLUMES), check=False)
    assert done.returncode == 1
    assert 'MountVolume.SetUp failed for volume "config" : configmap "settings" not found' in (
        done.stderr
    )
    assert node.status("shows")["phase"] == "Pending"
    _keep(node, colour="blue")
    node.wait_until(lambda: node.status("shows")["phase"] == "Running")


def test_a_new_agent_brings_files_up_to_date(node: Node) -> None:
    _keep(node, colour="blue")
    node.apply_text(pod_text("shows", _VOLUMES))
    node.kill_agent()
    _keep(node, colour="red", more="x")
    node.podrun("ps")  # wakes an agent
    node.wait_until(lambda: _sh(node, "cat /mnt/config/colour") == "red")
    assert _sh(node, "cat /mnt/all/deep/er/colour /mnt/config/more") == "redx"
    assert _sh(node, "cat /mnt/colour") == "blue"  # a subPath mount is not updated


@pytest.mark.parametrize("users", ["true", "false"])
def test_nothing_is_left_on_disk_of_a_secret(node: Node, users: str) -> None:
    _keep(node, colour="blue")
    node.apply_text(pod_text("shows", f"  hostUsers: {users}\n{_VOLUMES.lstrip(chr(10))}"))
    assert _sh(node, "cat /mnt/keys/password") == "sesame"
    volumes = node.paths.pod(node.pod("shows")["metadata"]["uid"], "default", "shows").root
    assert os.path.ismount(volumes / "volumes" / "keys")
    # The group of who applied it may read the pod's records, not what it mounts.
    assert (volumes / "volumes").stat().st_mode & 0o777 == 0o700
    node.podrun("delete", "shows", "--force")
    assert not volumes.exists()
