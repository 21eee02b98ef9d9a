"""The environment a manifest asks for: order, expansion, and what is missing."""

# ruff: noqa: E501  (tables of messages read best one case a line)

from __future__ import annotations

import pytest

from podrun.api.admit import admit
from podrun.api.configuration import ConfigMap, Secret
from podrun.api.kinds import Kind
from podrun.api.objects import AnyObject
from podrun.api.pod import Pod
from podrun.errors import InvalidManifest, PodrunError
from podrun.pod.envfile import value_of
from podrun.pod.environment import Surroundings, variables

_OBJECTS: dict[tuple[str, str], AnyObject] = {
    ("ConfigMap", "c"): ConfigMap(data={"A": "1", "x.y": "$(A)"}, binary_data={"raw": "AP8="}),
    ("Secret", "s"): Secret(
        data={"A": "Mg==", "password": "c2VzYW1l", "raw": "AP8=", "nul": "YQBi"}
    ),
}
_FILE = "# made by init\nTOKEN='to ken'\n  SPACED='a\nb' # two lines\nEMPTY=''\n"


def _find(kind: Kind, name: str) -> AnyObject | None:
    return _OBJECTS.get((kind.name, name))


AROUND = Surroundings(
    find=_find,
    read_file=lambda volume, path: _FILE if (volume, path) == ("v", "env/file") else None,
    pod_ips=("10.0.0.2", "fd00::2"),
    host_ips=("192.0.2.1",),
    node_name="node1",
    allocatable={"cpu": 4000, "memory": 8 << 30},
)


def _pod(env: str) -> Pod:
    text = (
        "apiVersion: v1\nkind: Pod\n"
        "metadata: {name: web, namespace: team, labels: {app: shop}, annotations: {a.b/c: text}}\n"
        "spec:\n  volumes: [{name: v}, {name: h, hostPath: {path: /x}}]\n"
        "  containers:\n  - name: app\n    image: x\n"
        "    resources: {limits: {memory: 100Mi}, requests: {cpu: 250m}}\n"
        f"    {env}\n  - {{name: other, image: x, resources: {{limits: {{cpu: 3}}}}}}\n"
    )
    return admit([(text, "f.yaml")]).objects[0].pod


def _variables(env: str) -> dict[str, str]:
    pod = _pod(env)
    return variables(pod, pod.spec.containers[0], AROUND)


@pytest.mark.parametrize(
    ("env", "expected"),
    [
        ("env: [{name: A, value: x}, {name: B, value: $(A)-$(C)-$$(A)}]", {"A": "x", "B": "x-$(C)-$(A)"}),
        ("env: [{name: B, value: $(A)}, {name: A, value: x}]", {"B": "$(A)", "A": "x"}),
        ("env: [{name: A, value: x}, {name: A, value: $(A)y}]", {"A": "xy"}),
        ("env: [{name: A}]", {"A": ""}),
        ("envFrom: [{configMapRef: {name: c}}]", {"A": "1", "x.y": "$(A)"}),
        ("envFrom: [{prefix: P_, configMapRef: {name: c}}]", {"P_A": "1", "P_x.y": "$(A)"}),
        ("envFrom: [{configMapRef: {name: gone, optional: true}}]", {}),
        ("envFrom: [{configMapRef: {name: c}}]\n    env: [{name: B, value: $(A)$(A)}, {name: A, value: own}]", {"A": "own", "x.y": "$(A)", "B": "11"}),
        ("env: [{name: A, valueFrom: {configMapKeyRef: {name: c, key: A}}}]", {"A": "1"}),
        ("env: [{name: A, valueFrom: {secretKeyRef: {name: s, key: password}}}, {name: B, value: $(A)!}]", {"A": "sesame", "B": "sesame!"}),
        ("env: [{name: A, valueFrom: {configMapKeyRef: {name: c, key: z, optional: true}}}]", {}),
        ("env: [{name: A, valueFrom: {secretKeyRef: {name: gone, key: z, optional: true}}}]", {}),
        ("env: [{name: A, valueFrom: {fileKeyRef: {volumeName: v, path: env/file, key: TOKEN}}}]", {"A": "to ken"}),
        ("env: [{name: A, valueFrom: {fileKeyRef: {volumeName: v, path: gone, key: TOKEN, optional: true}}}]", {}),
    ],
)  # fmt: skip
def test_the_variables(env: str, expected: dict[str, str]) -> None:
    assert _variables(env) == expected


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("metadata.name", "web"),
        ("metadata.namespace", "team"),
        ("metadata.uid", ""),
        ("metadata.labels['app']", "shop"),
        ("metadata.labels['gone']", ""),
        ("metadata.annotations['a.b/c']", "text"),
        ("spec.nodeName", "node1"),
        ("spec.serviceAccountName", "default"),
        ("status.hostIP", "192.0.2.1"),
        ("status.hostIPs", "192.0.2.1"),
        ("status.podIP", "10.0.0.2"),
        ("status.podIPs", "10.0.0.2,fd00::2"),
    ],
)
def test_fields_of_the_pod(path: str, value: str) -> None:
    assert _variables(f'env: [{{name: A, valueFrom: {{fieldRef: {{fieldPath: "{path}"}}}}}}]') == {
        "A": value
    }


@pytest.mark.parametrize(
    ("ref", "value"),
    [
        ("resource: requests.cpu, divisor: 1m", "250"),
        ("resource: requests.cpu", "1"),
        ("resource: limits.cpu", "4"),
        ("resource: limits.cpu, containerName: other", "3"),
        ("resource: limits.memory, divisor: 1Mi", "100"),
        ("resource: requests.memory, divisor: 1M", "105"),
    ],
)
def test_what_a_container_may_use(ref: str, value: str) -> None:
    assert _variables(f"env: [{{name: A, valueFrom: {{resourceFieldRef: {{{ref}}}}}}}]") == {
        "A": value
    }


@pytest.mark.parametrize(
    ("env", "message"),
    [
        ("envFrom: [{configMapRef: {name: gone}}]", 'configmap "gone" not found'),
        ("envFrom: [{secretRef: {name: gone}}]", 'secret "gone" not found'),
        ("envFrom: [{secretRef: {name: s}}]", "key raw is no UTF-8 text: it cannot be in an environment"),
        ("env: [{name: A, valueFrom: {secretKeyRef: {name: s, key: nul}}}]", "the value of variable A has a null character"),
        ("env: [{name: A, valueFrom: {configMapKeyRef: {name: c, key: z}}}]", "couldn't find key z in ConfigMap team/c"),
        ("env: [{name: A, valueFrom: {configMapKeyRef: {name: c, key: raw}}}]", "couldn't find key raw in ConfigMap team/c"),
        ("env: [{name: A, valueFrom: {secretKeyRef: {name: s, key: z}}}]", "couldn't find key z in Secret team/s"),
        ("env: [{name: A, valueFrom: {secretKeyRef: {name: s, key: raw}}}]", "key raw is no UTF-8 text: it cannot be in an environment"),
        ("env: [{name: A, valueFrom: {secretKeyRef: {name: gone, key: z}}}]", 'secret "gone" not found'),
        ("env: [{name: A, valueFrom: {fileKeyRef: {volumeName: v, path: env/file, key: Z}}}]", "couldn't find key Z in file env/file of volume \"v\""),
        ("env: [{name: A, valueFrom: {fileKeyRef: {volumeName: v, path: gone, key: Z}}}]", 'couldn\'t find file gone of volume "v"'),
    ],
)  # fmt: skip
def test_what_is_missing(env: str, message: str) -> None:
    with pytest.raises(PodrunError) as caught:
        _variables(env)
    assert caught.value.message == message
    assert caught.value.reason == "CreateContainerConfigError"


_ONE = "must specify one of: `fieldRef`, `resourceFieldRef`, `configMapKeyRef`, `secretKeyRef` or `fileKeyRef`"
_MANY = "may not have more than one field specified at a time"


@pytest.mark.parametrize(
    ("env", "problem"),
    [
        ("env: [{name: A, value: x, valueFrom: {fieldRef: {fieldPath: metadata.name}}}]", 'env[0].valueFrom: Invalid value: "": may not be specified when `value` is not empty'),
        ("env: [{name: A, valueFrom: {}}]", f'env[0].valueFrom: Invalid value: "": {_ONE}'),
        ("env: [{name: A, valueFrom: {fieldRef: {fieldPath: metadata.name}, secretKeyRef: {name: s, key: k}}}]", f'env[0].valueFrom: Invalid value: "": {_MANY}'),
        ("env: [{name: A, valueFrom: {fieldRef: {fieldPath: metadata.labels}}}]", 'env[0].valueFrom.fieldRef.fieldPath: Unsupported value: "metadata.labels"'),
        ("env: [{name: A, valueFrom: {fieldRef: {}}}]", "env[0].valueFrom.fieldRef.fieldPath: Required value"),
        ("env: [{name: A, valueFrom: {fieldRef: {fieldPath: metadata.name, apiVersion: v2}}}]", 'env[0].valueFrom.fieldRef.apiVersion: Invalid value: "v2"'),
        ("env: [{name: A, valueFrom: {resourceFieldRef: {resource: limits.cpu, divisor: 2m}}}]", 'env[0].valueFrom.resourceFieldRef.divisor: Invalid value: "2m"'),
        ("env: [{name: A, valueFrom: {resourceFieldRef: {resource: limits.cpu, containerName: z}}}]", 'env[0].valueFrom.resourceFieldRef.containerName: Invalid value: "z"'),
        ("env: [{name: A, valueFrom: {configMapKeyRef: {name: c}}}]", "env[0].valueFrom.configMapKeyRef.key: Required value"),
        ("env: [{name: A, valueFrom: {secretKeyRef: {key: a/b}}}]", "env[0].valueFrom.secretKeyRef.name: Required value"),
        ("env: [{name: A, valueFrom: {secretKeyRef: {name: s, key: a/b}}}]", 'env[0].valueFrom.secretKeyRef.key: Invalid value: "a/b"'),
        ("env: [{name: A, valueFrom: {configMapKeyRef: {name: c, key: ..data}}}]", 'env[0].valueFrom.configMapKeyRef.key: Invalid value: "..data": must not start with'),
        ("envFrom: [{secretRef: {name: A/b}}]", 'envFrom[0].secretRef.name: Invalid value: "A/b"'),
        ("env: [{name: A, valueFrom: {fileKeyRef: {volumeName: z, path: f, key: k}}}]", 'env[0].valueFrom.fileKeyRef.volumeName: Not found: "z"'),
        ("env: [{name: A, valueFrom: {fileKeyRef: {volumeName: h, path: f, key: k}}}]", "env[0].valueFrom.fileKeyRef.volumeName: Invalid value: \"h\": must be an emptyDir volume"),
        ("env: [{name: A, valueFrom: {fileKeyRef: {volumeName: v, path: ../f, key: k}}}]", 'env[0].valueFrom.fileKeyRef.path: Invalid value: "../f"'),
        ("envFrom: [{}]", "envFrom[0]: Invalid value: \"\": must specify one of: `configMapRef` or `secretRef`"),
        ("envFrom: [{configMapRef: {name: c}, secretRef: {name: s}}]", f'envFrom[0]: Invalid value: "": {_MANY}'),
        ("envFrom: [{configMapRef: {}}]", "envFrom[0].configMapRef.name: Required value"),
        ("envFrom: [{prefix: a=b, configMapRef: {name: c}}]", 'envFrom[0].prefix: Invalid value: "a=b"'),
    ],
)  # fmt: skip
def test_what_the_api_server_refuses(env: str, problem: str) -> None:
    with pytest.raises(InvalidManifest) as caught:
        _pod(env)
    assert f"spec.containers[0].{problem}" in caught.value.message


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("K='v'", "v"),
        ("\n # c\n  K='v' # c\n", "v"),
        ("A='1'\nK='v'\nK='w'", "v"),
        ("K='two\nlines'", "two\nlines"),
        ("K='$X\\n\"'", '$X\\n"'),
        ("K= ", ""),
        ("K=''", ""),
        ("K='v'# c", "v"),
        ("export A='1'\nA#B='2'\nK='v'", "v"),
        ("A='1\r\n2'\r\n\r\nK='1\r\n2'\r", "1\n2"),
        ("K= 'v'", ""),
        ("K='v'\r\n", "v"),
        ("A='K=x'", None),
        ("", None),
    ],
)
def test_files_of_variables(text: str, value: str | None) -> None:
    assert value_of(text, "K") == value


@pytest.mark.parametrize(
    ("text", "line"),
    [("K=v", 1), ("\nK=", 2), (" " * 30000 + "x" * 30000, 1), ("A='1'\nK = 'v'", 2), ('K="v"', 1), ("A='1\n2'\nno", 3), ("K='open", 1), ("='v'", 1), ("K='v'x", 1)],
)  # fmt: skip
def test_files_that_are_wrong(text: str, line: int) -> None:
    with pytest.raises(ValueError, match=f"^line {line}: "):
        value_of(text, "K")
