"""The API server's rules: each broken alone, told with its exact path and message."""

# ruff: noqa: E501  (tables of messages read best one case a line)
from __future__ import annotations

from typing import Any

import msgspec
import pytest

from podrun.api import names
from podrun.api.admit import admit
from podrun.api.defaults import with_defaults
from podrun.api.pod import Pod
from podrun.api.validate import validate
from podrun.errors import InvalidManifest

_LABEL = (
    "must consist of lower case letters, digits and '-', and start and end with a letter or digit"
)
_SUBDOMAIN = "must consist of lower case letters, digits, '-' and '.', and each part must start and end with a letter or digit"
_NAME = "must consist of letters, digits, '-', '_' and '.', and start and end with the former"
_IP = "must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)"


def _problems(metadata: dict[str, Any], spec: dict[str, Any]) -> list[str]:
    base = {"containers": [{"name": "a", "image": "x"}]}
    data = {"metadata": {"name": "web", **metadata}, "spec": {**base, **spec}}
    return [str(problem) for problem in validate(with_defaults(msgspec.convert(data, Pod)))]


def _of_container(fields: dict[str, Any], spec: dict[str, Any] | None = None) -> list[str]:
    problems = _problems(
        {}, {**(spec or {}), "containers": [{"name": "a", "image": "x", **fields}]}
    )
    assert all(problem.startswith("spec.containers[0]") for problem in problems)
    return [problem.removeprefix("spec.containers[0]").removeprefix(".") for problem in problems]


def test_a_good_pod_has_no_problem() -> None:
    spec = {
        "initContainers": [{"name": "s", "image": "x", "restartPolicy": "Always"}],
        "containers": [
            {
                "name": "a",
                "image": "registry.example:5000/a/b:1@sha256:0",
                "env": [{"name": "any thing!", "value": ""}],
                "ports": [
                    {"name": "http-2", "containerPort": 80, "hostPort": 80, "hostIP": "127.0.0.1"},
                    {"name": "udp", "containerPort": 80, "hostPort": 80, "protocol": "UDP"},
                    {"containerPort": 80, "hostPort": 80, "hostIP": "::1"},
                ],
                "volumeMounts": [
                    {"name": "v", "mountPath": "relative/is/fine"},
                    {"name": "h", "mountPath": "/h", "readOnly": True},
                ],
                "resources": {
                    "limits": {"cpu": "2", "memory": "1Gi"},
                    "requests": {"cpu": "2000m"},
                },
                "securityContext": {
                    "runAsUser": 0,
                    "allowPrivilegeEscalation": False,
                    "capabilities": {"add": ["NET_ADMIN"], "drop": ["ALL"]},
                },
            }
        ],
        "volumes": [
            {"name": "v"},
            {"name": "h", "hostPath": {"path": "/var/x..y", "type": "DirectoryOrCreate"}},
        ],
        "dnsPolicy": "None",
        "dnsConfig": {
            "nameservers": ["::1"],
            "searches": ["a_b.c.", "."],
            "options": [{"name": "x"}],
        },
        "hostAliases": [{"ip": "10.0.0.1", "hostnames": ["a.b", "c"]}],
        "hostname": "h",
        "os": {"name": "linux"},
        "nodeSelector": {"kubernetes.io/os": "linux"},
        "preemptionPolicy": "Never",
        "activeDeadlineSeconds": 1,
        "terminationGracePeriodSeconds": 0,
        "securityContext": {"supplementalGroups": [0, 2147483647]},
    }
    metadata = {"labels": {"a.b/C_d": "", "x": "Y.z"}, "annotations": {"A.B/c": "any\ntext"}}
    assert _problems(metadata, spec) == []


@pytest.mark.parametrize(
    ("metadata", "problem"),
    [
        ({"name": ""}, "metadata.name: Required value: podrun makes up no names"),
        ({"name": "Web"}, f'metadata.name: Invalid value: "Web": {_SUBDOMAIN}'),
        ({"name": "a..b"}, f'metadata.name: Invalid value: "a..b": {_SUBDOMAIN}'),
        ({"name": "../x"}, f'metadata.name: Invalid value: "../x": {_SUBDOMAIN}'),
        ({"name": "a" * 254}, f'metadata.name: Invalid value: "{"a" * 76}...: must be no more than 253 characters'),
        ({"namespace": "a.b"}, f'metadata.namespace: Invalid value: "a.b": {_LABEL}'),
        ({"labels": {"a b": "c"}}, f'metadata.labels[a b]: Invalid value: "a b": name part {_NAME}'),
        ({"labels": {"/a": "c"}}, f'metadata.labels[/a]: Invalid value: "/a": prefix part {_SUBDOMAIN}'),
        ({"labels": {"a": "-b"}}, f'metadata.labels[a]: Invalid value: "-b": {_NAME}'),
        ({"labels": {"a": "b" * 64}}, f'metadata.labels[a]: Invalid value: "{"b" * 64}": must be no more than 63 characters'),
        ({"annotations": {"a!": ""}}, f'metadata.annotations[a!]: Invalid value: "a!": name part {_NAME}'),
        ({"annotations": {"a": "x" * 262144}}, "metadata.annotations: Too long: may not be more than 262144 bytes"),
    ],
)  # fmt: skip
def test_metadata(metadata: dict[str, Any], problem: str) -> None:
    assert _problems(metadata, {}) == [problem]


@pytest.mark.parametrize(
    ("spec", "problem"),
    [
        ({"containers": []}, "spec.containers: Required value"),
        (
            {"containers": [{"name": "a", "image": "x"}, {"name": "a", "image": "x"}]},
            'spec.containers[1].name: Duplicate value: "a"',
        ),
        (
            {"initContainers": [{"name": "a", "image": "x"}]},
            'spec.containers[0].name: Duplicate value: "a"',
        ),
        (
            {"initContainers": [{"name": "i", "image": "x", "restartPolicy": "x"}]},
            'spec.initContainers[0].restartPolicy: Unsupported value: "x": supported values: '
            '"Always", "Never", "OnFailure"',
        ),
        ({"volumes": [{"name": "v"}, {"name": "v"}]}, 'spec.volumes[1].name: Duplicate value: "v"'),
        ({"volumes": [{}]}, "spec.volumes[0].name: Required value"),
        ({"volumes": [{"name": "a.b"}]}, f'spec.volumes[0].name: Invalid value: "a.b": {_LABEL}'),
        (
            {"volumes": [{"name": "v", "emptyDir": {}, "hostPath": {"path": "/"}}]},
            "spec.volumes[0].hostPath: Forbidden: may not specify more than 1 volume type",
        ),
        (
            {"volumes": [{"name": "v", "hostPath": {"path": "/"}, "image": {"reference": "x"}}]},
            "spec.volumes[0].image: Forbidden: may not specify more than 1 volume type",
        ),
        (
            {"volumes": [{"name": "v", "persistentVolumeClaim": {}}]},
            "spec.volumes[0].persistentVolumeClaim.claimName: Required value",
        ),
        ({"volumes": [{"name": "v", "image": {}}]}, "spec.volumes[0].image.reference: Required value"),
        (
            {"volumes": [{"name": "v", "image": {"reference": "x", "pullPolicy": "Newer"}}]},
            'spec.volumes[0].image.pullPolicy: Unsupported value: "Newer": supported values: "Always", "IfNotPresent", "Never"',
        ),
        (
            {"volumes": [{"name": "v", "emptyDir": {"medium": "HugePages"}}]},
            'spec.volumes[0].emptyDir.medium: Invalid value: "HugePages": hugePages storage requested, but there is no resource request for huge pages',
        ),
        (
            {"volumes": [{"name": "v", "emptyDir": {"medium": "Tape"}}]},
            'spec.volumes[0].emptyDir.medium: Unsupported value: "Tape": supported values: "HugePages", "Memory"',
        ),
        ({"volumes": [{"name": "v", "hostPath": {}}]}, "spec.volumes[0].hostPath.path: Required value"),
        (
            {"volumes": [{"name": "v", "hostPath": {"path": "/a/../b"}}]},
            'spec.volumes[0].hostPath.path: Invalid value: "/a/../b": must not contain \'..\'',
        ),
        (
            {"volumes": [{"name": "v", "hostPath": {"path": "a"}}]},
            'spec.volumes[0].hostPath.path: Invalid value: "a": must be an absolute path',
        ),
        (
            {"volumes": [{"name": "v", "hostPath": {"path": "/a", "type": "Dir"}}]},
            'spec.volumes[0].hostPath.type: Unsupported value: "Dir": supported values: "BlockDevice", '
            '"CharDevice", "Directory", "DirectoryOrCreate", "File", "FileOrCreate", "Socket"',
        ),
        (
            {"restartPolicy": "Sometimes"},
            'spec.restartPolicy: Unsupported value: "Sometimes": supported values: "Always", "Never", "OnFailure"',
        ),
        (
            {"terminationGracePeriodSeconds": -1},
            "spec.terminationGracePeriodSeconds: Invalid value: -1: must be between 0 and 2147483647, inclusive",
        ),
        (
            {"activeDeadlineSeconds": 0},
            "spec.activeDeadlineSeconds: Invalid value: 0: must be between 1 and 2147483647, inclusive",
        ),
        (
            {"dnsPolicy": "none"},
            'spec.dnsPolicy: Unsupported value: "none": supported values: "ClusterFirst", '
            '"ClusterFirstWithHostNet", "Default", "None"',
        ),
        (
            {"dnsPolicy": "None"},
            "spec.dnsConfig.nameservers: Required value: must provide at least one DNS nameserver when `dnsPolicy` is None",
        ),
        (
            {"dnsConfig": {"nameservers": ["1.1.1.1"] * 4}},
            'spec.dnsConfig.nameservers: Invalid value: ["1.1.1.1","1.1.1.1","1.1.1.1","1.1.1.1"]: '
            "must not have more than 3 nameservers",
        ),
        (
            {"dnsConfig": {"nameservers": ["dns"]}},
            f'spec.dnsConfig.nameservers[0]: Invalid value: "dns": {_IP}',
        ),
        (
            {"dnsConfig": {"searches": ["a b"]}},
            f'spec.dnsConfig.searches[0]: Invalid value: "a b": {_SUBDOMAIN}',
        ),
        (
            {"dnsConfig": {"options": [{"value": "1"}]}},
            "spec.dnsConfig.options[0]: Required value: must not be empty",
        ),
        ({"subdomain": "a.b"}, f'spec.subdomain: Invalid value: "a.b": {_LABEL}'),
        (
            {"hostnameOverride": "a" * 65},
            "spec.hostnameOverride: Too long: may not be more than 64 bytes",
        ),
        (
            {"hostnameOverride": ""},
            f'spec.hostnameOverride: Invalid value: "": {_SUBDOMAIN}',
        ),
        (
            {"hostnameOverride": "a.b", "setHostnameAsFQDN": True},
            "spec.hostnameOverride: Forbidden: may not be specified when setHostnameAsFQDN is true",
        ),
        (
            {"hostnameOverride": "a.b", "hostNetwork": True},
            "spec.hostnameOverride: Forbidden: may not be specified when hostNetwork is true",
        ),
        (
            {"readinessGates": [{"conditionType": "a.b/c"}, {"conditionType": "a b"}]},
            f'spec.readinessGates[1].conditionType: Invalid value: "a b": name part {_NAME}',
        ),
        ({"hostname": "a.b"}, f'spec.hostname: Invalid value: "a.b": {_LABEL}'),
        (
            {"hostPID": True, "shareProcessNamespace": True},
            "spec.shareProcessNamespace: Invalid value: true: ShareProcessNamespace and HostPID cannot both be enabled",
        ),
        (
            {"hostAliases": [{"ip": "10.0.0.256"}]},
            f'spec.hostAliases[0].ip: Invalid value: "10.0.0.256": {_IP}',
        ),
        (
            {"hostAliases": [{"ip": "10.0.0.1", "hostnames": ["a\nb"]}]},
            f'spec.hostAliases[0].hostnames[0]: Invalid value: "a\\nb": {_SUBDOMAIN}',
        ),
        (
            {"securityContext": {"runAsUser": -1}},
            "spec.securityContext.runAsUser: Invalid value: -1: must be between 0 and 2147483647, inclusive",
        ),
        (
            {"securityContext": {"supplementalGroups": [1, 2147483648]}},
            "spec.securityContext.supplementalGroups[1]: Invalid value: 2147483648: must be between 0 and 2147483647, inclusive",
        ),
        ({"os": {"name": "windows"}}, 'spec.os.name: Unsupported value: "windows": supported values: "linux"'),
        ({"nodeName": "A"}, f'spec.nodeName: Invalid value: "A": {_SUBDOMAIN}'),
        (
            {"preemptionPolicy": "x"},
            'spec.preemptionPolicy: Unsupported value: "x": supported values: "Never", "PreemptLowerPriority"',
        ),
    ],
)  # fmt: skip
def test_spec(spec: dict[str, Any], problem: str) -> None:
    assert _problems({}, spec) == [problem]


@pytest.mark.parametrize("text", ["", "a_b", "-a", "a-", "ä", "a b", "a\n"])
def test_labels_refuse(text: str) -> None:
    assert names.dns_label(text)
    assert names.dns_subdomain(text)


@pytest.mark.parametrize("text", ["fe80::1%eth0", "10.0.0.01", "::ffff:1.2.3.4.5", "", "1.2.3"])
def test_addresses_refuse(text: str) -> None:
    assert names.ip_address(text)


_GOOD = "apiVersion: v1\nkind: Pod\nmetadata: {name: web}\nspec:\n  containers:\n  - name: a\n    image: x\n"


def test_admit_fills_in_defaults_and_the_namespace_asked_for() -> None:
    named = _GOOD.replace("name: web", "name: web, namespace: own")
    objects = admit([(_GOOD, "a.yaml"), (named, "b.yaml")], namespace="m").objects
    assert [each.pod.metadata.namespace for each in objects] == ["m", "own"]
    assert objects[0].pod.spec.restart_policy == "Always"


def test_admit_tells_all_problems_of_all_files_with_lines() -> None:
    bad = _GOOD.replace("image: x", "imag: x")
    worse = (
        "apiVersion: v1\nkind: List\nitems:\n- apiVersion: v1\n  kind: Pod\n  metadata: {name: B}\n"
    )
    with pytest.raises(InvalidManifest) as caught:
        admit([(_GOOD, "a.yaml"), (bad, "b.yaml"), (worse, "c.yaml"), (_GOOD, "d.yaml")])
    assert caught.value.message.splitlines() == [
        'b.yaml:7: spec.containers[0].imag: unknown field (did you mean "image"?)',
        f'c.yaml:6: items[0].metadata.name: Invalid value: "B": {_SUBDOMAIN}',
        "c.yaml:4: items[0].spec.containers: Required value",
        "d.yaml:3: metadata.name: pod default/web is already defined at a.yaml:1",
    ]


def test_a_problem_of_a_field_that_is_not_written_has_the_line_of_its_parent() -> None:
    with pytest.raises(InvalidManifest) as caught:
        admit([(_GOOD.replace("    image: x\n", "    env:\n    - value: x\n"), "a.yaml")])
    assert caught.value.message.splitlines() == [
        "a.yaml:6: spec.containers[0].image: Required value",
        "a.yaml:8: spec.containers[0].env[0].name: Required value",
    ]
