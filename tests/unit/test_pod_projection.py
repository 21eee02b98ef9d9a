"""Which files a volume holds that shows objects, or the pod itself."""

# ruff: noqa: E501  (tables of messages read best one case a line)

from __future__ import annotations

import pytest

from podrun.api.admit import admit
from podrun.api.configuration import ConfigMap, Secret
from podrun.api.kinds import CONFIG_MAP, Kind
from podrun.api.objects import AnyObject
from podrun.api.pod import Pod
from podrun.errors import InvalidManifest, PodrunError
from podrun.pod.projection import Files, files, in_memory

_CONFIG = ConfigMap(data={"a": "1", "b": "2"}, binary_data={"raw": "AP8="})
_SECRET = Secret(data={"password": "c2VzYW1l"})
_NODE = {"cpu": 4000, "memory": 8 << 30}


def _find(kind: Kind, name: str) -> AnyObject | None:
    known: dict[tuple[str, str], AnyObject] = {
        ("ConfigMap", "c"): _CONFIG,
        ("Secret", "s"): _SECRET,
    }
    return known.get((kind.name, name))


def _pod(volume: str) -> Pod:
    text = (
        "apiVersion: v1\nkind: Pod\n"
        "metadata: {name: web, labels: {b: two, a: one}, annotations: {note: 'say \"hi\"'}}\n"
        f"spec:\n  volumes: [{{name: v, {volume}}}]\n  containers:\n  - name: app\n    image: x\n"
        "    resources: {limits: {cpu: 1500m}, requests: {memory: 100Mi}}\n"
    )
    return admit([(text, "f.yaml")]).objects[0].pod


def _files(volume: str) -> Files:
    pod = _pod(volume)
    return files(pod, pod.spec.volumes[0], _find, _NODE)


@pytest.mark.parametrize(
    ("volume", "expected"),
    [
        ("configMap: {name: c}", {"a": (b"1", 0o644), "b": (b"2", 0o644), "raw": (b"\0\xff", 0o644)}),
        ("configMap: {name: c, defaultMode: 0400, items: [{key: a, path: x/y}]}", {"x/y": (b"1", 0o400)}),
        ("configMap: {name: c, items: [{key: a, path: a, mode: 384}]}", {"a": (b"1", 0o600)}),
        ("configMap: {name: gone, optional: true}", {}),
        ("configMap: {name: c, optional: true, items: [{key: z, path: z}, {key: a, path: a}]}", {"a": (b"1", 0o644)}),
        ("secret: {secretName: s}", {"password": (b"sesame", 0o644)}),
        (
            "projected: {defaultMode: 0440, sources: [{configMap: {name: c, items: [{key: a, path: one}]}}, "
            "{secret: {name: s, items: [{key: password, path: two, mode: 256}]}}, "
            "{downwardAPI: {items: [{path: three, fieldRef: {fieldPath: metadata.name}}]}}]}",
            {"one": (b"1", 0o440), "two": (b"sesame", 0o400), "three": (b"web", 0o440)},
        ),
        (
            "downwardAPI: {items: [{path: l, fieldRef: {fieldPath: metadata.labels}}]}",
            {"l": (b'a="one"\nb="two"', 0o644)},
        ),
        (
            "downwardAPI: {items: [{path: note, fieldRef: {fieldPath: metadata.annotations}}]}",
            {"note": (b'note="say \\"hi\\""', 0o644)},
        ),
        (
            "downwardAPI: {items: [{path: l, fieldRef: {fieldPath: \"metadata.labels['b']\"}}]}",
            {"l": (b"two", 0o644)},
        ),
    ],
)  # fmt: skip
def test_the_files(volume: str, expected: Files) -> None:
    assert _files(volume) == expected


@pytest.mark.parametrize(
    ("ref", "value"),
    [
        ("limits.cpu", b"2"),
        ("limits.cpu, divisor: 1m", b"1500"),
        ("limits.memory", str(8 << 30).encode()),
        ("limits.memory, divisor: 1Gi", b"8"),
        ("requests.memory, divisor: 1Mi", b"100"),
        ("requests.memory, divisor: 1Gi", b"1"),
        ("requests.cpu", b"2"),
        ("requests.ephemeral-storage", b"0"),
    ],
)
def test_what_a_container_may_use(ref: str, value: bytes) -> None:
    item = f"path: f, resourceFieldRef: {{containerName: app, resource: {ref}}}"
    assert _files(f"downwardAPI: {{items: [{{{item}}}]}}") == {"f": (value, 0o644)}


@pytest.mark.parametrize(
    ("volume", "message"),
    [
        ("configMap: {name: gone}", 'configmap "gone" not found'),
        ("secret: {secretName: gone}", 'secret "gone" not found'),
        ("configMap: {name: c, items: [{key: z, path: z}]}", "configmap references non-existent config key: z"),
        ("secret: {secretName: s, items: [{key: z, path: z}]}", "references non-existent secret key: z"),
        (
            "projected: {sources: [{configMap: {name: gone}}, {secret: {name: lost}}]}",
            '[configmap "gone" not found, secret "lost" not found]',
        ),
    ],
)  # fmt: skip
def test_what_is_missing(volume: str, message: str) -> None:
    with pytest.raises(PodrunError) as caught:
        _files(volume)
    assert caught.value.message == f'MountVolume.SetUp failed for volume "v" : {message}'
    assert caught.value.reason == "FailedMount"


def test_a_later_source_wins() -> None:
    assert _files("projected: {sources: [{secret: {name: s}}, {configMap: {name: c}}]}").keys() == {
        "a", "b", "raw", "password",
    }  # fmt: skip
    twice = "{configMap: {name: c}}, {configMap: {name: c, items: [{key: b, path: a}]}}"
    assert _files(f"projected: {{sources: [{twice}]}}")["a"] == (b"2", 0o644)


@pytest.mark.parametrize("kind", ["secret: {secretName: s}", "projected: {}", "downwardAPI: {}"])
def test_all_but_configmaps_are_kept_in_memory(kind: str) -> None:
    assert in_memory(_pod(kind).spec.volumes[0])
    assert not in_memory(_pod("configMap: {name: c}").spec.volumes[0])
    assert not in_memory(_pod("emptyDir: {}").spec.volumes[0])
    assert CONFIG_MAP.singular == "configmap"


_MODE = "must be a number between 0 and 0777 (octal), both inclusive"


@pytest.mark.parametrize(
    ("volume", "problem"),
    [
        ("configMap: {}", "configMap.name: Required value"),
        ("secret: {}", "secret.secretName: Required value"),
        ("configMap: {name: c, defaultMode: 01000}", f"configMap.defaultMode: Invalid value: 512: {_MODE}"),
        ("secret: {secretName: s, items: [{key: k, path: k, mode: -1}]}", f"secret.items[0].mode: Invalid value: -1: {_MODE}"),
        ("configMap: {name: c, items: [{path: x}]}", "configMap.items[0].key: Required value"),
        ("configMap: {name: c, items: [{key: k}]}", "configMap.items[0].path: Required value"),
        ("configMap: {name: c, items: [{key: k, path: /x}]}", 'configMap.items[0].path: Invalid value: "/x": must be a relative path'),
        ("configMap: {name: c, items: [{key: k, path: a/../b}]}", "configMap.items[0].path: Invalid value: \"a/../b\": must not contain '..'"),
        ("configMap: {name: c, items: [{key: k, path: ..data}]}", "configMap.items[0].path: Invalid value: \"..data\": must not start with '..'"),
        ("downwardAPI: {items: [{path: p}]}", "downwardAPI.items[0]: Required value: one of fieldRef and resourceFieldRef is required"),
        ("downwardAPI: {items: [{path: p, fieldRef: {fieldPath: status.podIP}}]}", 'downwardAPI.items[0].fieldRef.fieldPath: Unsupported value: "status.podIP"'),
        ("downwardAPI: {items: [{path: p, resourceFieldRef: {resource: limits.cpu}}]}", "downwardAPI.items[0].resourceFieldRef.containerName: Required value"),
        ("downwardAPI: {items: [{path: p, resourceFieldRef: {containerName: app, resource: limits.gpu}}]}", 'downwardAPI.items[0].resourceFieldRef.resource: Unsupported value: "limits.gpu"'),
        ("projected: {sources: [{}]}", "projected.sources[0]: Required value: must specify one of configMap, secret, downwardAPI"),
        ("projected: {sources: [{secret: {name: s}, configMap: {name: c}}]}", "projected.sources[0].secret: Forbidden: may not specify more than 1 volume type"),
        (
            "projected: {sources: [{secret: {name: s, items: [{key: k, path: x}]}}, {configMap: {name: c, items: [{key: k, path: x}]}}]}",
            'projected.sources[1]: Invalid value: "x": conflicting duplicate paths',
        ),
        ("configMap: {name: c}, secret: {secretName: s}", "secret: Forbidden: may not specify more than 1 volume type"),
    ],
)  # fmt: skip
def test_what_the_api_server_refuses(volume: str, problem: str) -> None:
    with pytest.raises(InvalidManifest) as caught:
        _pod(volume)
    assert f"spec.volumes[0].{problem}" in caught.value.message
