"""What is wrong with containers: their fields, mounts and ports."""

# ruff: noqa: E501  (tables of messages read best one case a line)

from __future__ import annotations

from typing import Any

import pytest

from tests.unit.test_api_validate import _IP, _LABEL, _of_container, _problems


@pytest.mark.parametrize(
    ("fields", "problem"),
    [
        ({"name": ""}, "name: Required value"),
        ({"name": "A"}, f'name: Invalid value: "A": {_LABEL}'),
        ({"name": "a" * 64}, f'name: Invalid value: "{"a" * 64}": must be no more than 63 characters'),
        ({"image": ""}, "image: Required value"),
        ({"image": " x"}, 'image: Invalid value: " x": must not have leading or trailing whitespace'),
        (
            {"imagePullPolicy": "always"},
            'imagePullPolicy: Unsupported value: "always": supported values: "Always", "IfNotPresent", "Never"',
        ),
        ({"args": ["\0"]}, ": Forbidden: command, args and workingDir may not contain a null character"),
        (
            {"restartPolicy": "always"},
            'restartPolicy: Unsupported value: "always": supported values: "Always", "Never", "OnFailure"',
        ),
        ({"ports": [{}]}, "ports[0].containerPort: Required value"),
        (
            {"ports": [{"containerPort": 65536}]},
            "ports[0].containerPort: Invalid value: 65536: must be between 1 and 65535, inclusive",
        ),
        (
            {"ports": [{"containerPort": 1, "hostPort": -1}]},
            "ports[0].hostPort: Invalid value: -1: must be between 1 and 65535, inclusive",
        ),
        (
            {"ports": [{"containerPort": 1, "hostIP": "localhost"}]},
            f'ports[0].hostIP: Invalid value: "localhost": {_IP}',
        ),
        (
            {"ports": [{"containerPort": 1, "protocol": "tcp"}]},
            'ports[0].protocol: Unsupported value: "tcp": supported values: "TCP", "UDP"',
        ),
        (
            {"ports": [{"containerPort": 1, "protocol": "SCTP"}]},
            'ports[0].protocol: podrun does not support the value "SCTP" yet',
        ),
        (
            {"ports": [{"containerPort": 1, "name": "this-name-is-too-long"}]},
            'ports[0].name: Invalid value: "this-name-is-too-long": must be no more than 15 characters',
        ),
        (
            {"ports": [{"containerPort": 1, "name": "80"}]},
            'ports[0].name: Invalid value: "80": must consist of lower case letters, digits and single '
            "'-' between them, and contain at least one letter",
        ),
        (
            {"ports": [{"containerPort": 1, "name": "p"}, {"containerPort": 2, "name": "p"}]},
            'ports[1].name: Duplicate value: "p"',
        ),
        (
            {"ports": [{"containerPort": 1, "hostPort": 8}, {"containerPort": 2, "hostPort": 8}]},
            'ports[1].hostPort: Duplicate value: "TCP//8"',
        ),
        (
            {
                "ports": [
                    {"containerPort": 1, "hostPort": 8, "hostIP": "0.0.0.0"},
                    {"containerPort": 2, "hostPort": 8, "hostIP": "127.0.0.1"},
                ]
            },
            'ports[1].hostPort: Duplicate value: "TCP/127.0.0.1/8"',
        ),
        ({"env": [{"value": "x"}]}, "env[0].name: Required value"),
        (
            {"env": [{"name": "A=B"}]},
            "env[0].name: Invalid value: \"A=B\": must consist only of printable ASCII characters other than '='",
        ),
        (
            {"env": [{"name": "A", "value": "a\0"}]},
            'env[0].value: Invalid value: "a\\u0000": must not contain a null character',
        ),
        ({"volumeMounts": [{"mountPath": "/x"}]}, "volumeMounts[0].name: Required value"),
        ({"volumeMounts": [{"name": "v", "mountPath": "/x"}]}, 'volumeMounts[0].name: Not found: "v"'),
        (
            {"resources": {"limits": {"cpu": "much"}}},
            'resources.limits[cpu]: Invalid value: "much": must be a quantity such as 250m, 1.5 or 64Mi',
        ),
        (
            {"resources": {"requests": {"memory": "-1"}}},
            'resources.requests[memory]: Invalid value: "-1": must be greater than or equal to 0',
        ),
        (
            {"resources": {"requests": {"memory": "2Gi"}, "limits": {"memory": "1Gi"}}},
            'resources.requests[memory]: Invalid value: "2Gi": must be less than or equal to memory limit of 1Gi',
        ),
        (
            {"resources": {"requests": {"hugepages-2Mi": "4Mi", "cpu": "1"}}},
            "resources.limits: Required value: Limit must be set for non overcommitable resources",
        ),
        (
            {"resources": {"limits": {"hugepages-2Mi": "4Mi"}}},
            "resources: Forbidden: HugePages require cpu or memory",
        ),
        (
            {"resources": {"limits": {"hugepages-2Mi": "4Mi"}, "requests": {"hugepages-2Mi": "2Mi", "cpu": "1"}}},
            'resources.requests[hugepages-2Mi]: Invalid value: "2Mi": must be equal to hugepages-2Mi limit of 4Mi',
        ),
        (
            {"resources": {"limits": {"hugepages-2Mi": "3Mi", "cpu": "1"}}},
            'resources.limits[hugepages-2Mi]: Invalid value: "3Mi": 3Mi is not positive integer multiple of hugepages-2Mi',
        ),
        (
            {"resources": {"limits": {"hugepages-big": "2Mi", "cpu": "1"}}},
            'resources.limits[hugepages-big]: Invalid value: "2Mi": 2Mi is not positive integer multiple of hugepages-big',
        ),
        (
            {"resources": {"limits": {"hugepages-2Mi": "much", "cpu": "1"}}},
            'resources.limits[hugepages-2Mi]: Invalid value: "much": must be a quantity such as 250m, 1.5 or 64Mi',
        ),
        (
            {"resources": {"requests": {"example.com/gpu": "1"}}},
            "resources.requests[example.com/gpu]: podrun does not support this resource yet",
        ),
        (
            {"resources": {"requests": {"disk": "1Gi"}}},
            'resources.requests[disk]: Invalid value: "disk": must be a standard resource for containers: cpu, memory, ephemeral-storage',
        ),
        (
            {"securityContext": {"runAsGroup": 1 << 31}},
            "securityContext.runAsGroup: Invalid value: 2147483648: must be between 0 and 2147483647, inclusive",
        ),
        (
            {"securityContext": {"privileged": True, "allowPrivilegeEscalation": False}},
            "securityContext.allowPrivilegeEscalation: Invalid value: false: "
            "cannot set `allowPrivilegeEscalation` to false and `privileged` to true",
        ),
        (
            {"securityContext": {"capabilities": {"add": ["SYS_ADMIN"]}, "allowPrivilegeEscalation": False}},
            "securityContext.allowPrivilegeEscalation: Invalid value: false: "
            "cannot set `allowPrivilegeEscalation` to false and `capabilities.Add` CAP_SYS_ADMIN",
        ),
        (
            {"securityContext": {"capabilities": {"drop": ["NET ADMIN"]}}},
            'securityContext.capabilities.drop[0]: Invalid value: "NET ADMIN": no such capability (did you mean "NET_ADMIN"?)',
        ),
        (
            {"terminationMessagePath": "/x\0"},
            "terminationMessagePath: Forbidden: may not contain a null character",
        ),
        (
            {"terminationMessagePolicy": "x"},
            'terminationMessagePolicy: Unsupported value: "x": supported values: "FallbackToLogsOnError", "File"',
        ),
    ],
)  # fmt: skip
def test_container(fields: dict[str, Any], problem: str) -> None:
    assert _of_container(fields) == [problem]


@pytest.mark.parametrize(
    ("mounts", "problem"),
    [
        ([{"name": "v"}], "volumeMounts[0].mountPath: Required value"),
        (
            [{"name": "v", "mountPath": "/a:b"}],
            "volumeMounts[0].mountPath: Invalid value: \"/a:b\": must not contain ':'",
        ),
        (
            [{"name": "v", "mountPath": "/a/../../b"}],
            "volumeMounts[0].mountPath: Invalid value: \"/a/../../b\": must not contain '..' or a null character",
        ),
        (
            [{"name": "v", "mountPath": "/a"}, {"name": "v", "mountPath": "/a"}],
            'volumeMounts[1].mountPath: Invalid value: "/a": must be unique',
        ),
        (
            [{"name": "v", "mountPath": "/a", "subPath": "/etc"}],
            'volumeMounts[0].subPath: Invalid value: "/etc": must be a relative path',
        ),
        (
            [{"name": "v", "mountPath": "/a", "subPath": "a/../.."}],
            "volumeMounts[0].subPath: Invalid value: \"a/../..\": must not contain '..'",
        ),
        (
            [{"name": "v", "mountPath": "/a", "subPathExpr": "../$(A)"}],
            "volumeMounts[0].subPathExpr: Invalid value: \"../$(A)\": must not contain '..'",
        ),
        (
            [{"name": "v", "mountPath": "/a", "subPath": "a", "subPathExpr": "b"}],
            'volumeMounts[0].subPathExpr: Invalid value: "b": subPathExpr and subPath are mutually exclusive',
        ),
    ],
)
def test_mounts(mounts: list[dict[str, Any]], problem: str) -> None:
    assert _of_container({"volumeMounts": mounts}, {"volumes": [{"name": "v"}]}) == [problem]


_PRIVILEGED = {"securityContext": {"privileged": True}}


@pytest.mark.parametrize(
    ("mount", "problems"),
    [
        ({"mountPropagation": "None"}, []),
        ({"mountPropagation": "HostToContainer"}, []),
        (
            {"mountPropagation": "Both"},
            [
                'mountPropagation: Unsupported value: "Both": supported values: "Bidirectional", "HostToContainer", "None"'
            ],
        ),
        (
            {"mountPropagation": "Bidirectional"},
            [
                "mountPropagation: Forbidden: Bidirectional mount propagation is available only to privileged containers"
            ],
        ),
        ({"mountPropagation": "Bidirectional", "container": _PRIVILEGED}, []),
        ({"recursiveReadOnly": "Disabled"}, []),
        ({"recursiveReadOnly": "Enabled", "readOnly": True}, []),
        ({"recursiveReadOnly": "IfPossible", "readOnly": True, "mountPropagation": "None"}, []),
        (
            {"recursiveReadOnly": "enabled"},
            [
                'recursiveReadOnly: Unsupported value: "enabled": supported values: "Disabled", "Enabled", "IfPossible"'
            ],
        ),
        (
            {"recursiveReadOnly": "Enabled"},
            ["recursiveReadOnly: Forbidden: may only be specified when readOnly is true"],
        ),
        (
            {"recursiveReadOnly": "IfPossible", "mountPropagation": "HostToContainer"},
            [
                "recursiveReadOnly: Forbidden: may only be specified when readOnly is true",
                "recursiveReadOnly: Forbidden: may only be specified when mountPropagation is None or not specified",
            ],
        ),
    ],
)
def test_propagation_and_recursive_read_only(mount: dict[str, Any], problems: list[str]) -> None:
    more = mount.pop("container", {})
    fields = {"volumeMounts": [{"name": "v", "mountPath": "/v", **mount}], **more}
    found = _of_container(fields, {"volumes": [{"name": "v"}]})
    assert found == [f"volumeMounts[0].{each}" for each in problems]


def test_on_the_hosts_network_host_ports_are_container_ports() -> None:
    ports = [{"containerPort": 80, "hostPort": 81}]
    assert _of_container({"ports": ports}, {"hostNetwork": True}) == [
        "ports[0].hostPort: Invalid value: 81: must match `containerPort` when `hostNetwork` is true"
    ]


def test_a_sidecar_and_a_container_cannot_have_one_host_port_but_an_init_container_may() -> None:
    ports = [{"containerPort": 80, "hostPort": 80}]
    init = {"name": "i", "image": "x", "ports": ports}
    spec: dict[str, Any] = {"containers": [{"name": "a", "image": "x", "ports": ports}]}
    assert _problems({}, {**spec, "initContainers": [init]}) == []
    assert _problems({}, {**spec, "initContainers": [{**init, "restartPolicy": "Always"}]}) == [
        'spec.initContainers[0].ports[0].hostPort: Duplicate value: "TCP//80"'
    ]
