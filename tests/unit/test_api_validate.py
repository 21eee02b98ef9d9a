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
