"""Pods pull their images as a kubelet does: against a real registry, on the real kernel."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.node import Node
from tests.registry import PROJECT, Misbehaving, Registry, layout_manifest, oci_image

PAUSE = (PROJECT / "podrun" / "bin" / "pause").read_bytes()
POD = """
apiVersion: v1
kind: Pod
metadata: {{name: {name}}}
spec:
  terminationGracePeriodSeconds: 0
  imagePullSecrets: {secrets}
  containers:
  - name: app
    image: {image}
    imagePullPolicy: {policy}
    command: [/pause]
"""


class Lab:
    """A node, a registry, and the proxy in front of it through which the node pulls."""

    def __init__(self, node: Node, registry: Registry, proxy: Misbehaving, scratch: Path) -> None:
        self.node, self.registry, self.proxy = node, registry, proxy
        self.layers: list[str] = []  # of what was pushed last
        self._scratch = scratch
        self._asked = 0

    def push(self, name: str, *markers: str) -> str:
        """An image that runs, with one more layer for each marker; its digest."""
        layers = [{"pause": PAUSE}, *({f"marker{n}": m.encode()} for n, m in enumerate(markers))]
        layout = oci_image(self._scratch / "-".join([name.replace(":", "-"), *markers]), layers)
        self.registry.push(layout, name)
        digest, manifest = layout_manifest(layout)
        self.layers = [layer["digest"] for layer in manifest["layers"]]
        return digest

    def image(self, name: str) -> str:
        return f"{self.proxy.host}/{name}"

    def apply(
        self,
        pod: str,
        name: str,
        policy: str = "IfNotPresent",
        *flags: str,
        check: bool = True,
        secrets: str = "[]",
    ) -> Any:
        """``name`` has the proxy before it, unless it has a registry already."""
        image = name if "/" in name.partition(":")[0] or name.isupper() else self.image(name)
        text = POD.format(name=pod, image=image, policy=policy, secrets=secrets)
        return self.node.apply_text(text, *flags, check=check)

    def asked(self, *, new: bool = True) -> list[str]:
        """What the registry was asked since the last time, but for the greeting."""
        requests = [f"{each['method']} {each['path']}" for each in self.proxy.requests()]
        since, self._asked = self._asked, len(requests)
        return [each for each in requests[since:] if not each.endswith(" /v2/")]

    def app(self, pod: str) -> dict[str, Any]:
        statuses = self.node.status(pod).get("containerStatuses") or [{}]
        found: dict[str, Any] = statuses[0]
        return found

    def waiting(self, pod: str) -> dict[str, str]:
        found: dict[str, str] = self.app(pod).get("state", {}).get("waiting", {})
        return found

    def runs(self, pod: str) -> bool:
        return "running" in self.app(pod).get("state", {})

    def events(self, pod: str) -> list[tuple[str, str, str]]:
        """(type, reason, message), oldest first."""
        [stored] = [p for p in self.node.paths.pods.iterdir() if self._is_of(p, pod)]
        lines = (stored / "events.jsonl").read_text().splitlines()
        import json

        return [(e["type"], e["reason"], e["message"]) for e in map(json.loads, lines)]

    def _is_of(self, directory: Path, pod: str) -> bool:
        return f'"name":"{pod}"' in (directory / "pod.json").read_text()


@pytest.fixture
def lab(tmp_path: Path, leak_marks: set[str], leaves_nothing: None) -> Iterator[Lab]:
    auth = tmp_path / "auth.json"
    auth.write_text("{}")
    with (
        Registry(tmp_path / "registry") as registry,
        Misbehaving(tmp_path / "proxy", registry.host) as proxy,
    ):
        node = Node(
            registries_conf=str(tmp_path / "registries.conf"),
            certs_dirs=(),
            auth_file=str(auth),
            image_pull_backoff=1.0,
        )
        leak_marks.add(node.mark)
        try:
            yield Lab(node, registry, proxy, tmp_path)
        finally:
            node.close()


# ── policies ─────────────────────────────────────────────────────────────────────────────────────


def test_an_absent_image_is_pulled_and_then_present(lab: Lab) -> None:
    digest = lab.push("app:v1")
    image = lab.image("app:v1")
    shown = lab.apply("first", "app:v1").stderr.splitlines()
    assert shown[0] == f'pod/first: Pulling image "{image}"'
    assert [line for line in shown if line.startswith("layer ") and ": done, " in line]
    assert shown[-1].startswith(f'pod/first: Successfully pulled image "{image}" in ')
    app = lab.app("first")
    assert app["image"] == image and app["imageID"] == f"{lab.image('app')}@{digest}"
    told = [(reason, message) for _, reason, message in lab.events("first")]
    assert told[1] == ("Pulling", f'Pulling image "{image}"')
    reason, message = told[2]
    assert reason == "Pulled" and message.startswith(f'Successfully pulled image "{image}" in ')
    assert "s including waiting). Image size: " in message and message.endswith(" bytes.")
    assert [each[0] for each in told[3:]] == ["Created", "Started"]
    assert any("/blobs/" in each for each in lab.asked())
    assert lab.apply("second", "app:v1").stderr == ""
    assert lab.asked() == []
    message = f'Container image "{image}" already present on machine'
    assert ("Normal", "Pulled", message) in lab.events("second")


def test_always_asks_for_the_digest_and_fetches_what_differs(lab: Lab) -> None:
    old = lab.push("app:v1")
    lab.apply("first", "app:v1", "Always")
    lab.asked()
    lab.apply("same", "app:v1", "Always")
    assert lab.asked() == ["HEAD /v2/app/manifests/v1"]
    assert "Pulling" in [reason for _, reason, _ in lab.events("same")]
    new = lab.push("app:v1", "changed")
    lab.apply("changed", "app:v1", "Always")
    assert sum("/blobs/" in each and each.startswith("GET") for each in lab.asked()) == 2
    ids = [lab.app(pod)["imageID"] for pod in ("first", "same", "changed")]
    assert ids == [f"{lab.image('app')}@{digest}" for digest in (old, old, new)]


def test_always_does_not_use_what_is_there_when_the_registry_is_down(lab: Lab) -> None:
    lab.push("app:v1")
    lab.apply("first", "app:v1")
    lab.proxy.close()
    done = lab.apply("second", "app:v1", "Always", check=False)
    assert done.returncode == 1
    assert "pod/second cannot go on: app: " in done.stderr and "ErrImagePull" in done.stderr
    assert not lab.runs("second") and lab.waiting("second")["reason"] in (
        "RegistryUnavailable", "ErrImagePull", "ImagePullBackOff",
    )  # fmt: skip
    lab.apply("third", "app:v1")  # IfNotPresent needs nobody


def test_never_uses_only_what_is_there(lab: Lab) -> None:
    lab.push("app:v1")
    image = lab.image("app:v1")
    done = lab.apply("missing", "app:v1", "Never", check=False)
    message = f'Container image "{image}" is not present with pull policy of Never'
    assert done.returncode == 1 and f"ErrImageNeverPull: {message}" in done.stderr
    assert lab.waiting("missing") == {"reason": "ErrImageNeverPull", "message": message}
    assert lab.events("missing")[1:] == [
        ("Warning", "ErrImageNeverPull", message),
        ("Warning", "Failed", "Error: ErrImageNeverPull"),
    ]
    assert lab.asked() == []
    lab.apply("pulls", "app:v1")
    lab.node.podrun("wait", "pod/missing", "--for=condition=Ready", "--timeout=30s")


def test_a_name_that_is_none(lab: Lab) -> None:
    done = lab.apply("odd", "UPPER", check=False)
    assert done.returncode == 1
    found = lab.waiting("odd")
    assert found["reason"] == "InvalidImageName"
    assert found["message"].startswith(
        'Failed to apply default image tag "UPPER": couldn\'t parse image name "UPPER": '
    )
    assert [reason for _, reason, _ in lab.events("odd")[1:]] == ["InspectFailed", "Failed"]


def test_local_names_are_used_as_they_are(lab: Lab, tmp_path: Path) -> None:
    root = tmp_path / "root"
    root.mkdir()
    (root / "pause").write_bytes(PAUSE)
    os.chmod(root / "pause", 0o755)
    done = lab.apply("local", "localhost/mine:latest", "Always", check=False)
    assert "ErrImagePull" in done.stderr and "local name" in done.stderr
    lab.node.podrun("image", "import", root, "localhost/mine")
    lab.node.podrun("wait", "pod/local", "--for=condition=Ready", "--timeout=30s")
    app = lab.app("local")
    assert app["image"] == "localhost/mine:latest" and app["imageID"].startswith("sha256:")
    lab.node.podrun("image", "tag", "localhost/mine", "geektime/mine:7.0")
    lab.apply("hub", "geektime/mine:7.0", "IfNotPresent")  # of Docker Hub, which is not asked
    assert lab.app("hub")["image"] == "docker.io/geektime/mine:7.0"


def test_a_secret_that_does_not_exist_is_a_warning(lab: Lab) -> None:
    lab.push("app:v1")
    lab.apply("web", "app:v1", secrets="[{name: one}, {name: two}]")
    assert lab.runs("web")
    assert (
        "Warning",
        "FailedToRetrieveImagePullSecret",
        "Unable to retrieve some image pull secrets (one, two); attempting to pull the image may "
        "not succeed.",
    ) in lab.events("web")


# ── failures ─────────────────────────────────────────────────────────────────────────────────────


def test_a_pull_that_fails_backs_off_and_succeeds_at_last(lab: Lab) -> None:
    lab.push("app:v1")
    image = lab.image("app:v1")
    lab.proxy.faults({"match": "/manifests/", "do": "answer", "status": 404})
    done = lab.apply("web", "app:v1", check=False)
    assert done.returncode == 1 and "app: ErrImagePull: " in done.stderr

    def backing_off() -> str:  # not for long: then it is tried again
        waiting = lab.waiting("web")
        return waiting["message"] if waiting.get("reason") == "ImagePullBackOff" else ""

    message = lab.node.wait_until(backing_off)
    assert message.startswith(f'Back-off pulling image "{image}": ErrImagePull: ')
    assert "not found" in message
    told = [(type, reason) for type, reason, _ in lab.events("web")]
    for each in [("Normal", "Pulling"), ("Warning", "Failed"), ("Normal", "BackOff")]:
        assert each in told
    lab.proxy.faults()
    lab.node.wait_until(lambda: lab.runs("web"), 30)
    failed = [m for _, reason, m in lab.events("web") if reason == "Failed"]
    assert any(m.startswith(f'Failed to pull image "{image}": ') for m in failed)
    assert {"Error: ErrImagePull", "Error: ImagePullBackOff"} <= set(failed)


def test_a_changed_image_is_pulled_at_once(lab: Lab) -> None:
    lab.push("app:v1")
    lab.apply("web", "missing:v1", check=False)
    lab.apply("web", "app:v1")
    assert lab.runs("web")


# ── several at once, and the end ─────────────────────────────────────────────────────────────────


def test_pods_that_wait_for_one_image_share_its_download(lab: Lab) -> None:
    lab.push("app:v1", "slow")
    slow = f"GET .*/blobs/{lab.layers[-1]}"  # some 150 bytes
    lab.proxy.faults({"match": slow, "do": "drip", "seconds": 0.02})
    for pod in ("one", "two", "three"):
        lab.apply(pod, "app:v1", "Always", "--no-wait")
    for pod in ("one", "two", "three"):
        lab.node.wait_until(lambda pod=pod: lab.runs(pod), 60)  # type: ignore[misc]
    asked = lab.asked()
    fetched = [each for each in asked if each.startswith("GET")]
    assert len(fetched) == len(set(fetched)) == 4, asked  # manifest, configuration, two layers
    for pod in ("one", "two", "three"):
        assert [r for _, r, _ in lab.events(pod)][1:3] == ["Pulling", "Pulled"]


def stalled(lab: Lab, pod: str) -> None:
    """``pod`` is in the middle of its pull, which will not end."""
    lab.proxy.faults({"match": "GET .*/blobs/", "do": "stall", "after": 100})
    lab.apply(pod, "app:v1", "IfNotPresent", "--no-wait")
    lab.node.wait_until(lambda: sum("GET" in r and "/blobs/" in r for r in lab.asked()) or None)


def pull_workers(lab: Lab) -> int:
    """Children of the agent that lead a session of their own, and theirs."""
    agent = str(lab.node.agent_pid())
    found = 0
    for directory in Path("/proc").glob("[0-9]*"):
        try:
            rest = (directory / "stat").read_text().rpartition(")")[2]
        except OSError:
            continue
        fields = rest.split()
        found += fields[1] == agent and fields[0] != "Z"
    return found


def test_a_deleted_pod_ends_its_pull(lab: Lab) -> None:
    lab.push("app:v1", "more")
    stalled(lab, "web")
    assert lab.waiting("web")["reason"] == "ContainerCreating"
    assert lab.node.status("web")["phase"] == "Pending"
    lab.node.podrun("delete", "pod", "web", timeout=20)
    lab.node.wait_until(lambda: pull_workers(lab) == 0)
    assert "app:v1" not in lab.node.podrun("image", "ls").stdout
    lab.proxy.faults()
    lab.apply("again", "app:v1")


def test_a_killed_agent_takes_its_pull_along_and_the_next_begins_anew(lab: Lab) -> None:
    lab.push("app:v1", "more")
    stalled(lab, "web")
    assert "app:v1" not in lab.node.podrun("image", "ls").stdout
    lab.node.kill_agent()
    lab.proxy.faults()
    lab.apply("other", "app:v1", "IfNotPresent", "--no-wait")  # brings up an agent
    lab.node.wait_until(lambda: lab.runs("web") and lab.runs("other"), 30)
    assert lab.app("web")["restartCount"] == 0


def test_an_agent_that_leaves_ends_its_pulls_quietly(lab: Lab) -> None:
    lab.push("app:v1", "more")
    stalled(lab, "web")
    lab.node.podrun("agent", "--stop")
    lab.proxy.faults()
    assert "Traceback" not in lab.node.paths.agent_log.read_text()
    lab.apply("other", "app:v1", "IfNotPresent", "--no-wait")
    lab.node.wait_until(lambda: lab.runs("web") and lab.runs("other"), 30)


def test_other_containers_go_on_while_one_waits_for_its_image(lab: Lab) -> None:
    lab.push("app:v1")
    text = POD.format(name="web", image=lab.image("app:v1"), policy="Always", secrets="[]")
    text += "  - {name: other, image: localhost/host, command: [sleep, '1000']}\n"
    lab.node.apply_text(text)
    lab.proxy.faults({"match": "HEAD", "do": "stall", "after": 0})
    before = lab.node.status("web")["containerStatuses"][1]["containerID"]
    lab.node.podrun("exec", "web", "-c", "other", "--", "true")
    lab.node.podrun("restart", "pod/web", "-c", "other", timeout=20)
    after = lab.node.status("web")["containerStatuses"][1]
    assert after["containerID"] != before and "running" in after["state"]
