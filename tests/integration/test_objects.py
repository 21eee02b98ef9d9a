"""ConfigMaps, Secrets and claims on disk: applied all or none, kept, changed, deleted."""

from __future__ import annotations

import json
import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from podrun.agent.client import call
from podrun.agent.objectstore import ObjectStore
from podrun.api.kinds import CLAIM, CONFIG_MAP, SECRET
from podrun.errors import UsageError
from tests.node import Node, pod_text

PASSWORD, ENCODED = b"xyzzy-plugh-4711", b"eHl6enktcGx1Z2gtNDcxMQ=="
CONFIG = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: settings}\ndata: {colour: %s}\n"
LOGIN = (
    "apiVersion: v1\nkind: Secret\nmetadata: {name: login}\n"
    f"stringData: {{password: {PASSWORD.decode()}}}\n"
)
CLAIM_TEXT = (
    "apiVersion: v1\nkind: PersistentVolumeClaim\nmetadata: {name: data}\n"
    "spec: {accessModes: [ReadWriteOnce], resources: {requests: {storage: %s}}}\n"
)
SPEC = """
  volumes:
  - {name: config, configMap: {name: settings}}
  - {name: keys, secret: {secretName: login}}
  containers:
  - name: app
    image: localhost/host
    command: [sleep, "4000"]
    volumeMounts: [{name: config, mountPath: /mnt/config}, {name: keys, mountPath: /mnt/keys}]
"""
ALL = "---\n".join([pod_text("uses", SPEC), CONFIG % "blue", LOGIN, CLAIM_TEXT % "1Mi"])


@pytest.fixture(autouse=True)
def agents_find_it(node: Node, monkeypatch: pytest.MonkeyPatch) -> None:
    """An agent that is started from here has the configuration of the node."""
    monkeypatch.setenv("PODRUN_CONFIG", str(node.config_file))


def kept(node: Node) -> list[str]:
    root = node.paths.objects
    return sorted(str(path.relative_to(root)) for path in root.rglob("*") if path.is_file())


def delete(node: Node, *named: str, **how: Any) -> list[str]:
    """``named`` as KIND/NAME; what the agent says of each."""
    keys = [(each.split("/")) for each in named]
    objects = [{"kind": kind, "namespace": "default", "name": name} for kind, name in keys]
    request = {"verb": "delete", "objects": objects, **how}
    told = list(call(node.config, request))
    return [f"{each['object']} {each['result']}" for each in told if "result" in each]


def holding(root: Path, *words: bytes) -> Iterator[Path]:
    """Files on the file system of ``root`` that have one of ``words`` in them."""
    device = root.stat().st_dev
    for directory, names, files in os.walk(root):
        names[:] = [name for name in names if os.lstat(f"{directory}/{name}").st_dev == device]
        for path in (Path(directory, name) for name in files):
            if stat.S_ISREG(path.lstat().st_mode) and any(w in path.read_bytes() for w in words):
                yield path


def test_a_mixture_is_applied_and_outlives_the_agent(node: Node) -> None:
    done = node.apply_text(ALL)
    assert done.stdout.splitlines() == [
        "configmap/settings created",
        "secret/login created",
        "persistentvolumeclaim/data created",
        "pod/uses created",
    ]
    shown = node.podrun("exec", "uses", "--", "cat", "/mnt/config/colour", "/mnt/keys/password")
    assert shown.stdout == f"blue{PASSWORD.decode()}"
    files = kept(node)
    assert len(files) == 3

    node.kill_agent()
    assert node.podrun("get", "pods").returncode == 0
    again = node.apply_text(ALL).stdout.splitlines()
    assert [line.split()[1] for line in again] == ["unchanged"] * 4
    assert kept(node) == files

    [secret] = (node.paths.objects / "secrets").iterdir()
    status = secret.stat()
    assert (stat.S_IMODE(status.st_mode), status.st_uid) == (0o600, 0)
    roots = (node.paths.state, node.paths.run, node.paths.log)
    assert [path for root in roots for path in holding(root, PASSWORD, ENCODED)] == [secret]
    assert PASSWORD.decode() not in node.podrun("describe", "uses").stdout

    store = ObjectStore(node.paths)
    before = store.find(CONFIG_MAP, "default", "settings")
    assert node.apply_text(CONFIG % "red").stdout == "configmap/settings configured\n"
    after = store.find(CONFIG_MAP, "default", "settings")
    assert before.metadata == after.metadata and before != after
    seen = ("exec", "uses", "--", "cat", "/mnt/config/colour")
    node.wait_until(lambda: node.podrun(*seen).stdout == "red")


def test_one_that_is_bad_and_nothing_has_changed(node: Node) -> None:
    bad = LOGIN.replace("stringData", "data")
    done = node.apply_text("---\n".join([CONFIG % "blue", bad, pod_text("web", SPEC)]), check=False)
    assert done.returncode == 3
    assert "data[password]: Invalid value: illegal base64 data" in done.stderr
    assert PASSWORD.decode() not in done.stderr
    assert kept(node) == [] and node.pod("web") == {}

    fixed = CONFIG % "blue" + "immutable: true\n"
    assert node.apply_text(fixed).returncode == 0
    mixture = "---\n".join([LOGIN, fixed.replace("blue", "red"), CLAIM_TEXT % "1Mi"])
    done = node.apply_text(mixture, check=False)
    assert done.returncode == 3
    why = "configmap/settings: data: Forbidden: field is immutable when `immutable` is set"
    assert why in done.stderr
    done = node.apply_text("---\n".join([LOGIN, CLAIM_TEXT % "1Ei"]), check=False)
    assert done.returncode == 3 and "spec.resources[storage]" in done.stderr
    assert [path.split("/")[0] for path in kept(node)] == ["configmaps"]


def test_deletion_by_name(node: Node) -> None:
    node.apply_text("---\n".join([CONFIG % "blue", LOGIN, CLAIM_TEXT % "1Mi"]))
    data = node.paths.claims / "default" / "data"
    data.mkdir(parents=True)
    (data / "file").write_text("kept")
    with pytest.raises(UsageError):
        delete(node, "Secret/login", "Gizmo/x")
    assert len(kept(node)) == 3
    names = ("ConfigMap/settings", "Secret/login", "Secret/none", "PersistentVolumeClaim/data")
    assert delete(node, *names) == [
        "configmap/settings deleted",
        "secret/login deleted",
        "persistentvolumeclaim/data deleted",
    ]
    assert kept(node) == [] and (data / "file").exists()
    store = ObjectStore(node.paths)
    assert [store.list(kind) for kind in (CONFIG_MAP, SECRET, CLAIM)] == [[], [], []]
    assert delete(node, "PersistentVolumeClaim/data", reclaim=True) == []
    assert not data.exists()


def test_a_pod_waits_for_what_it_refers_to(node: Node) -> None:
    node.apply_text("---\n".join([LOGIN, pod_text("uses", SPEC)]), "--no-wait")

    def mounted() -> bool:
        text = json.dumps(node.pod("uses").get("status", {})) + node.podrun("events").stdout
        return 'configmap "settings" not found' in text

    node.wait_until(mounted)
    node.apply_text(CONFIG % "late")
    node.podrun("wait", "pod/uses", "--for=condition=Ready", "--timeout=30s")


def test_reset_takes_objects_and_claims_away(fresh_node: Node) -> None:
    fresh_node.apply_text(ALL)
    (fresh_node.paths.claims / "default" / "data").mkdir(parents=True)
    uses = {each["kind"]: each for each in fresh_node.json("system", "df", "-o", "json")["uses"]}
    assert (uses["objects"]["count"], uses["claims"]["count"]) == (3, 1)
    fresh_node.podrun("system", "prune", "--all", "--force")
    assert len(kept(fresh_node)) == 3
    fresh_node.podrun("system", "reset", "--force")
    assert not fresh_node.paths.objects.exists() and not fresh_node.paths.claims.exists()
