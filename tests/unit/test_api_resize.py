"""resizePolicy in manifests: its defaults, and what is refused."""

from __future__ import annotations

import pytest

from podrun.api.admit import admit
from podrun.api.pod import ContainerResizePolicy, Pod
from podrun.errors import InvalidManifest

_POD = """\
apiVersion: v1
kind: Pod
metadata: {{name: web}}
spec:
  restartPolicy: {policy}
  initContainers:
  - {{name: init, image: x, resources: {{limits: {{cpu: 1}}}}{init}}}
  containers:
  - {{name: app, image: x, resources: {{limits: {{cpu: 1}}, requests: {{memory: 1Gi}}}}{app}}}
"""


def admitted(app: str = "", init: str = "", policy: str = "Always") -> Pod:
    app, init = (f", {each}" if each else "" for each in (app, init))
    text = _POD.format(app=app, init=init, policy=policy)
    return admit([(text, "f.yaml")]).objects[0].pod


def policies(pod: Pod, name: str) -> dict[str, str]:
    found = next(each for each in pod.spec.all_containers if each.name == name)
    assert all(isinstance(each, ContainerResizePolicy) for each in found.resize_policy)
    return {each.resource_name: each.restart_policy for each in found.resize_policy}


def test_what_a_container_has_is_resized_in_place_by_default() -> None:
    both = {"cpu": "NotRequired", "memory": "NotRequired"}
    assert policies(admitted(), "app") == both
    assert policies(admitted(), "init") == {}
    assert policies(admitted(init="restartPolicy: Always"), "init") == {"cpu": "NotRequired"}
    own = "resizePolicy: [{resourceName: memory, restartPolicy: RestartContainer}]"
    assert policies(admitted(own), "app") == {**both, "memory": "RestartContainer"}


_ONE = "resizePolicy: [{{resourceName: {}, restartPolicy: {}}}]"


@pytest.mark.parametrize(
    ("app", "policy", "problem"),
    [
        (
            _ONE.format("disk", "NotRequired"),
            "Always",
            '[0].resourceName: Unsupported value: "disk"',
        ),
        (_ONE.format("cpu", "Maybe"), "Always", '[0].restartPolicy: Unsupported value: "Maybe"'),
        ("resizePolicy: [{resourceName: cpu}]", "Always", "[0].restartPolicy: Unsupported value"),
        (
            _ONE.format("cpu", "RestartContainer"),
            "Never",
            "[0].restartPolicy: Invalid value: \"RestartContainer\": must be 'NotRequired'",
        ),
        (
            "resizePolicy: [{resourceName: cpu, restartPolicy: NotRequired},"
            " {resourceName: cpu, restartPolicy: NotRequired}]",
            "Always",
            '[1].resourceName: Duplicate value: "cpu"',
        ),
    ],
)
def test_what_is_refused(app: str, policy: str, problem: str) -> None:
    with pytest.raises(InvalidManifest) as caught:
        admitted(app, policy=policy)
    assert f"spec.containers[0].resizePolicy{problem}" in caught.value.message


def test_plain_init_containers_are_never_resized() -> None:
    with pytest.raises(InvalidManifest, match="must not be set for init containers"):
        admitted(init=_ONE.format("cpu", "NotRequired"))
    assert admitted(init="restartPolicy: Always, " + _ONE.format("cpu", "RestartContainer"))
