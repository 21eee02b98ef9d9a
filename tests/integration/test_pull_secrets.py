"""imagePullSecrets: a pod's own logins, against a real registry that asks for one."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.node import Node
from tests.registry import PROJECT, Registry, oci_image

PAUSE = (PROJECT / "podrun" / "bin" / "pause").read_bytes()
POD = """
apiVersion: v1
kind: Pod
metadata: {{name: web}}
spec:
  terminationGracePeriodSeconds: 0
  imagePullSecrets: [{{name: regcred}}]
  containers: [{{name: app, image: {image}, command: [/pause]}}]
"""


@pytest.fixture
def registry(tmp_path: Path) -> Iterator[Registry]:
    with Registry(tmp_path / "registry", login=("anna", "sesame-4711")) as running:
        running.push(oci_image(tmp_path / "image", [{"pause": PAUSE}]), "app:v1")
        yield running


@pytest.fixture
def node(tmp_path: Path, leak_marks: set[str], leaves_nothing: None) -> Iterator[Node]:
    auth = tmp_path / "auth.json"
    auth.write_text("{}")
    node = Node(
        registries_conf=str(tmp_path / "registries.conf"),
        certs_dirs=(),
        auth_file=str(auth),
        image_pull_backoff=250.0,
    )
    leak_marks.add(node.mark)
    yield node
    node.close()


def login(registry: Registry, password: str) -> str:
    auth = base64.b64encode(f"anna:{password}".encode()).decode()
    config = json.dumps({"auths": {registry.host: {"auth": auth}}})
    return json.dumps(
        {
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": {"name": "regcred"},
            "type": "kubernetes.io/dockerconfigjson",
            "stringData": {".dockerconfigjson": config},
        }
    )


def test_a_pod_goes_on_once_its_login_is_right(node: Node, registry: Registry) -> None:
    def waits() -> bool:
        [app] = node.status("web").get("containerStatuses") or [{}]
        return "waiting" in app.get("state", {})

    done = node.apply_text(POD.format(image=f"{registry.host}/app:v1"), check=False)
    assert done.returncode == 1 and "ErrImagePull" in done.stderr
    missing = "Unable to retrieve some image pull secrets (regcred)"
    node.wait_until(lambda: missing in node.podrun("events").stdout)
    done = node.apply_text(login(registry, "wrong-word"))
    assert done.stdout == "secret/regcred created\n"
    assert waits()
    node.apply_text(login(registry, "sesame-4711"))
    node.podrun("wait", "pod/web", "--for=condition=Ready", "--timeout=30s")
    told = "".join(
        path.read_text(errors="replace")
        for root in (node.paths.pods, node.paths.log)
        for path in root.rglob("*")
        if path.is_file() and path.suffix in (".json", ".jsonl", ".log")
    )
    assert "sesame-4711" not in told and "wrong-word" not in told
    assert base64.b64encode(b"anna:sesame-4711").decode() not in told
