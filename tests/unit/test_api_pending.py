"""Fields that are typed but not carried out yet: refused like any unsupported one."""

from __future__ import annotations

import pytest

from podrun.api.admit import admit
from podrun.api.fields import SCHEMA
from podrun.api.fields.pending import PENDING
from podrun.api.pod import Pod
from podrun.errors import InvalidManifest

_VALUES = {
    "Container.envFrom": "[{configMapRef: {name: c}}]",
    "Container.volumeDevices": "[{name: v, devicePath: /dev/x}]",
    "EnvVar.valueFrom": "{configMapKeyRef: {name: c, key: k}}",
    "Volume.configMap": "{name: c}",
    "Volume.downwardAPI": "{items: [{path: p, fieldRef: {fieldPath: metadata.name}}]}",
    "Volume.persistentVolumeClaim": "{claimName: c}",
    "Volume.projected": "{sources: [{secret: {name: s}}]}",
    "Volume.secret": "{secretName: s}",
    "VolumeMount.mountPropagation": "HostToContainer",
    "VolumeMount.recursiveReadOnly": "IfPossible, readOnly: true",
    "Container.lifecycle": "{preStop: {sleep: {seconds: 1}}}",
    "Container.livenessProbe": "{tcpSocket: {port: web}}",
    "Container.readinessProbe": "{httpGet: {port: 80}}",
    "Container.restartPolicyRules": "[{action: Restart, exitCodes: {operator: In, values: [1]}}]",
    "Container.startupProbe": "{grpc: {port: 80}}",
    "Container.stdin": "true",
    "Container.stdinOnce": "true",
    "Container.terminationMessagePath": "/x",
    "Container.terminationMessagePolicy": "FallbackToLogsOnError",
    "Container.tty": "true",
    "PodSpec.hostUsers": "false",
    "PodSpec.hostnameOverride": "a.b",
    "PodSpec.readinessGates": "[{conditionType: x}]",
    "PodSpec.setHostnameAsFQDN": "true",
    "PodSpec.subdomain": "s",
}


_PLACES = {
    "PodSpec": ("spec.", "  {}\n"),
    "Volume": ("spec.volumes[0].", "  volumes: [{{name: v, {}}}]\n"),
    "Container": ("spec.containers[0].", "    {}\n"),
    "EnvVar": ("spec.containers[0].env[0].", "    env: [{{name: E, {}}}]\n"),
    "VolumeMount": (
        "spec.containers[0].volumeMounts[0].",
        "    volumeMounts: [{{name: v, mountPath: /v, {}}}]\n",
    ),
}
_EXTRA = {
    "Container.restartPolicyRules": "    restartPolicy: Always\n",
    "Container.volumeDevices": "  volumes: [{name: v, hostPath: {path: /x, type: BlockDevice}}]\n",
    "VolumeMount.mountPropagation": "  volumes: [{name: v}]\n",
    "VolumeMount.recursiveReadOnly": "  volumes: [{name: v}]\n",
}


def _manifest(field: str) -> tuple[str, str]:
    """A pod with ``field`` set, and the path of it."""
    kind, _, name = field.partition(".")
    path, place = _PLACES[kind]
    lines = [place.format(f"{name}: {_VALUES[field]}"), _EXTRA.get(field, "")]
    pod = "".join(line for line in lines if not line.startswith("    "))
    container = "".join(line for line in lines if line.startswith("    "))
    text = (
        "apiVersion: v1\nkind: Pod\nmetadata: {name: web}\nspec:\n"
        f"{pod}  containers:\n  - name: a\n    image: x\n{container}"
    )
    return text, path + name


def _admitted(text: str, *, pending: bool = False) -> Pod:
    return admit([(text, "f.yaml")], pending=pending).objects[0].pod


@pytest.mark.parametrize("field", sorted(_VALUES))
def test_a_field_is_refused_exactly_while_it_is_pending(field: str) -> None:
    text, path = _manifest(field)
    assert _admitted(text, pending=True)
    if field not in PENDING:
        assert _admitted(text)
        return
    with pytest.raises(InvalidManifest) as caught:
        _admitted(text)
    assert f"{path}: podrun does not support this field yet" in caught.value.message


def test_every_pending_field_is_tried_and_every_text_stands_by_itself() -> None:
    assert set(_VALUES) >= PENDING
    for kind, _, name in (field.partition(".") for field in PENDING):
        assert "yet" not in SCHEMA[kind][name].text


@pytest.mark.parametrize("policy", ["Always", "OnFailure", "Never"])
def test_a_container_may_have_a_policy_of_its_own(policy: str) -> None:
    text, _ = _manifest("Container.tty")
    text = text.replace("tty: true", f"restartPolicy: {policy}")
    assert _admitted(text).spec.containers[0].restart_policy == policy


def test_a_sidecars_policy_does_not_wait() -> None:
    text, _ = _manifest("PodSpec.subdomain")
    init = "initContainers: [{name: i, image: x, restartPolicy: Always}]"
    assert _admitted(text.replace("subdomain: s", init)).spec.init_containers


def test_the_default_of_a_pending_field_is_accepted() -> None:
    text, _ = _manifest("Container.terminationMessagePolicy")
    text = text.replace("FallbackToLogsOnError", "File\n    tty: false")
    assert _admitted(text).spec.containers[0].termination_message_policy == "File"
