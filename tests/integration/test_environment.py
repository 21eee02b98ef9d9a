"""The environment a container really has, from objects, the pod, and files."""

from __future__ import annotations

import json
import stat

import pytest

from podrun.agent.objectstore import ObjectStore
from podrun.api.configuration import Secret
from podrun.api.meta import ObjectMeta
from tests.node import Node, pod_text

_CONFIG = """
apiVersion: v1
kind: ConfigMap
metadata: {name: settings}
data: {COLOUR: blue, size: "9"}
---
apiVersion: v1
kind: Secret
metadata: {name: login}
stringData: {password: sesame}
---
"""
_POD = """
  volumes: [{name: made}]
  initContainers:
  - name: make
    image: localhost/host
    command: [sh, -c, "echo TOKEN=\\\\'42\\\\' > /made/env"]
    volumeMounts: [{name: made, mountPath: /made}]
  containers:
  - name: app
    image: localhost/host
    command: [sh, -c, 'env; echo "args: $1"; echo "path: $PATH"; exec sleep 4000', sh]
    args: ["$(BOTH) $(PATH) $$(BOTH)"]
    resources: {limits: {memory: 64Mi}}
    envFrom: [{prefix: MY_, configMapRef: {name: settings}}]
    env:
    - {name: PASSWORD, valueFrom: {secretKeyRef: {name: login, key: password}}}
    - {name: BOTH, value: "$(MY_COLOUR)/$(PASSWORD)"}
    - {name: TOKEN, valueFrom: {fileKeyRef: {volumeName: made, path: env, key: TOKEN}}}
    - {name: POD_IP, valueFrom: {fieldRef: {fieldPath: status.podIP}}}
    - {name: POD_UID, valueFrom: {fieldRef: {fieldPath: metadata.uid}}}
    - {name: MEMORY, valueFrom: {resourceFieldRef: {resource: limits.memory, divisor: 1Mi}}}
    volumeMounts: [{name: made, mountPath: /sub, subPathExpr: $(MY_COLOUR)}]
"""


def test_variables_of_objects_of_the_pod_and_of_files(node: Node) -> None:
    node.apply_text(_CONFIG + pod_text("env", _POD))
    node.wait_until(lambda: "path: " in node.podrun("logs", "env").stdout)
    lines = node.podrun("logs", "env").stdout.splitlines()
    pod = node.pod("env")
    for line in (
        "MY_COLOUR=blue",
        "MY_size=9",
        "PASSWORD=sesame",
        "BOTH=blue/sesame",
        "TOKEN=42",
        f"POD_IP={pod['status']['podIP']}",
        f"POD_UID={pod['metadata']['uid']}",
        "MEMORY=64",
        "args: blue/sesame $(PATH) $(BOTH)",
    ):
        assert line in lines
    inside = node.podrun("exec", "env", "--", "env").stdout.splitlines()
    assert {"BOTH=blue/sesame", "TOKEN=42"} <= set(inside)
    assert "sesame" not in json.dumps(pod)
    assert "sesame" not in node.podrun("describe", "env").stdout


def test_nobody_but_root_can_read_a_secret(node: Node) -> None:
    node.apply_text(_CONFIG + pod_text("env", _POD))
    holding = []
    for path in node.root.rglob("*"):
        if "snapshots" in path.parts or not path.is_file() or path.is_symlink():
            continue
        content = path.read_bytes()
        if b"sesame" in content or b"c2VzYW1l" in content:
            holding.append(path)
            assert stat.S_IMODE(path.stat().st_mode) & 0o077 == 0 or "log" in path.parts, path
    assert any("objects" in path.parts for path in holding)
    assert not any(path.suffix == ".jsonl" or path.name == "agent.log" for path in holding)


@pytest.mark.parametrize("missing", ["object", "key"])
def test_a_container_waits_for_what_is_missing_and_goes_on(node: Node, missing: str) -> None:
    settings, login, _ = _CONFIG.split("---\n")
    if missing == "key":
        ObjectStore(node.paths).write(
            Secret(metadata=ObjectMeta(name="login", namespace="default"), type="Opaque")
        )
    text = "couldn't find key password in Secret default/login"
    if missing == "object":
        text = 'secret "login" not found'
    done = node.apply_text(f"{settings}---\n{pod_text('env', _POD)}", check=False)
    assert done.returncode == 1
    assert text in done.stderr
    waiting = node.status("env")["containerStatuses"][0]["state"]["waiting"]
    assert (waiting["reason"], waiting["message"]) == ("CreateContainerConfigError", text)
    node.apply_text(login)
    node.wait_until(lambda: node.status("env")["phase"] == "Running")
