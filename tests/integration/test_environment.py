"""The environment a container really has, from objects, the pod, and files."""

from __future__ import annotations

import json
import os
import stat
from pathlib import Path

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
    - {name: POD_IPS, valueFrom: {fieldRef: {fieldPath: status.podIPs}}}
    - {name: HOST_IP, valueFrom: {fieldRef: {fieldPath: status.hostIP}}}
    - {name: HOST_IPS, valueFrom: {fieldRef: {fieldPath: status.hostIPs}}}
    - {name: NODE, valueFrom: {fieldRef: {fieldPath: spec.nodeName}}}
    - {name: ACCOUNT, valueFrom: {fieldRef: {fieldPath: spec.serviceAccountName}}}
    - {name: WHO, valueFrom: {fieldRef: {fieldPath: metadata.name}}}
    - {name: WHERE, valueFrom: {fieldRef: {fieldPath: metadata.namespace}}}
    - {name: LABEL, valueFrom: {fieldRef: {fieldPath: "metadata.labels['no']"}}}
    - {name: MEMORY, valueFrom: {resourceFieldRef: {resource: limits.memory, divisor: 1Mi}}}
    - {name: ASKED, valueFrom: {resourceFieldRef: {resource: requests.memory, divisor: 1Ki}}}
    - {name: CPUS, valueFrom: {resourceFieldRef: {resource: limits.cpu}}}
    - {name: MADE, valueFrom: {resourceFieldRef: {containerName: make, resource: requests.cpu}}}
    volumeMounts: [{name: made, mountPath: /sub, subPathExpr: $(MY_COLOUR)}]
"""


def test_variables_of_objects_of_the_pod_and_of_files(node: Node) -> None:
    node.apply_text(_CONFIG + pod_text("env", _POD))
    node.wait_until(lambda: "path: " in node.podrun("logs", "env").stdout)
    lines = node.podrun("logs", "env").stdout.splitlines()
    pod = node.pod("env")
    status = pod["status"]
    for line in (
        "MY_COLOUR=blue",
        "MY_size=9",
        "PASSWORD=sesame",
        "BOTH=blue/sesame",
        "TOKEN=42",
        f"POD_IP={status['podIP']}",
        f"POD_IPS={','.join(each['ip'] for each in status['podIPs'])}",
        f"HOST_IP={status['hostIP']}",
        f"HOST_IPS={','.join(each['ip'] for each in status['hostIPs'])}",
        f"NODE={pod['spec']['nodeName']}",
        "ACCOUNT=default",
        "WHO=env",
        "WHERE=default",
        "LABEL=",
        f"POD_UID={pod['metadata']['uid']}",
        "MEMORY=64",
        "ASKED=65536",
        f"CPUS={os.cpu_count()}",
        "MADE=0",
        "args: blue/sesame $(PATH) $(BOTH)",
    ):
        assert line in lines
    inside = node.podrun("exec", "env", "--", "env").stdout.splitlines()
    assert {"BOTH=blue/sesame", "TOKEN=42"} <= set(inside)
    assert "sesame" not in json.dumps(pod)
    assert "sesame" not in node.podrun("describe", "env").stdout


def _content(path: Path) -> bytes:
    """Nothing of what is not a file, or not there any more."""
    try:
        return path.read_bytes() if path.is_file() and not path.is_symlink() else b""
    except FileNotFoundError:
        return b""


def test_nobody_but_root_can_read_a_secret(node: Node) -> None:
    node.apply_text(_CONFIG + pod_text("env", _POD))
    node.wait_until(lambda: "path: " in node.podrun("logs", "env").stdout)
    holding = [
        path
        for path in node.root.rglob("*")
        if "snapshots" not in path.parts
        and any(text in _content(path) for text in (b"sesame", b"c2VzYW1l"))
    ]
    for path in holding:
        logged = "log" in path.parts  # the application itself has printed it
        assert logged or stat.S_IMODE(path.stat().st_mode) & 0o077 == 0, path
    assert any("objects" in path.parts for path in holding)
    assert not any(path.suffix == ".jsonl" or path.name == "agent.log" for path in holding)


_GROWING = """
  containers:
  - name: app
    image: localhost/host
    command: [sleep, "4000"]
    env:
    - {name: V0, value: ha}
"""


def test_variables_that_grow_without_end_are_refused(node: Node) -> None:
    """Each holds the one before it sixteen times: the last would have 10^36 bytes."""
    lines = [f'    - {{name: V{each + 1}, value: "{f"$(V{each})" * 16}"}}\n' for each in range(30)]
    done = node.apply_text(pod_text("env", _GROWING + "".join(lines)), check=False)
    assert done.returncode == 1
    waiting = node.status("env")["containerStatuses"][0]["state"]["waiting"]
    assert waiting["reason"] == "CreateContainerConfigError"
    assert "one variable or argument can have 128 KiB" in waiting["message"]


_PROBED = """
  containers:
  - name: app
    image: localhost/host
    command: [sleep, "4000"]
    env:
    - {name: LITERAL, value: "1"}
    - {name: OTHER, valueFrom: {fieldRef: {fieldPath: metadata.name}}}
    startupProbe:
      exec: {command: [sh, -c, 'test "$(LITERAL)-$(OTHER)-$(NONE)" = 1-- && test $OTHER = env']}
      periodSeconds: 1
"""


def test_a_probe_knows_literal_values_and_runs_with_all(node: Node) -> None:
    """The shell takes $(NONE) for a command, which is not there, and so for nothing."""
    node.apply_text(pod_text("env", _PROBED))
    node.wait_until(lambda: node.status("env")["containerStatuses"][0]["started"])


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
