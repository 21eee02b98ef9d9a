"""What a change needs: nothing, a record, some containers, or a new pod."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from podrun.api import qos
from podrun.api.change import Change, Effect, compare, spec_hash
from podrun.api.defaults import with_defaults
from podrun.api.pod import Container, Pod, ResourceRequirements
from podrun.pod import resources as pod_resources

_BASE: dict[str, Any] = {
    "metadata": {"name": "web"},
    "spec": {
        "initContainers": [{"name": "init", "image": "i:1"}],
        "containers": [
            {"name": "a", "image": "a:1", "resources": {"limits": {"memory": "1Gi"}}},
            {"name": "b", "image": "b:1", "env": [{"name": "X", "value": "1"}]},
        ],
        "volumes": [{"name": "v", "emptyDir": {}}],
    },
}


def _pod(change: str = "", value: Any = None) -> Pod:
    """The base with the field at ``change`` ("spec/containers/0/image") set, or removed by None."""
    data = msgspec.json.decode(msgspec.json.encode(_BASE))
    *parents, last = change.split("/") if change else ("none",)
    inner: Any = data
    for part in parents:
        inner = inner[int(part)] if isinstance(inner, list) else inner.setdefault(part, {})
    if value is None and change:
        del inner[int(last) if isinstance(inner, list) else last]
    elif change:
        inner[last] = value
    return with_defaults(msgspec.convert(data, Pod))


@pytest.mark.parametrize(
    ("change", "value", "effect", "containers", "paths"),
    [
        ("metadata/labels", {"a": "b"}, Effect.IN_PLACE, (), ("metadata.labels",)),
        ("metadata/annotations", {"a": "b"}, Effect.IN_PLACE, (), ("metadata.annotations",)),
        ("metadata/uid", "1", Effect.UNCHANGED, (), ()),
        ("metadata/namespace", "default", Effect.UNCHANGED, (), ()),
        ("spec/restartPolicy", "Always", Effect.UNCHANGED, (), ()),
        (
            "spec/terminationGracePeriodSeconds", 5, Effect.IN_PLACE, (),
            ("spec.terminationGracePeriodSeconds",),
        ),
        ("spec/nodeName", "n", Effect.UNCHANGED, (), ()),
        ("spec/nodeSelector", {"a": "b"}, Effect.IN_PLACE, (), ("spec.nodeSelector",)),
        ("spec/restartPolicy", "Never", Effect.RECREATE, (), ("spec.restartPolicy",)),
        ("spec/hostNetwork", True, Effect.RECREATE, (), ("spec.hostNetwork",)),
        ("spec/volumes", None, Effect.RECREATE, (), ("spec.volumes",)),
        (
            "spec/containers/1/image", "b:2", Effect.CONTAINERS, ("b",),
            ("spec.containers[1].image",),
        ),
        ("spec/containers/1/env", None, Effect.CONTAINERS, ("b",), ("spec.containers[1].env",)),
        (
            "spec/initContainers/0/args", ["x"], Effect.CONTAINERS, ("init",),
            ("spec.initContainers[0].args",),
        ),
        (
            "spec/initContainers/0/restartPolicy", "Always", Effect.RECREATE, (),
            ("spec.initContainers[0].restartPolicy",),
        ),
        (
            "spec/containers/0/ports", [{"containerPort": 80}], Effect.RECREATE, (),
            ("spec.containers[0].ports",),
        ),
        ("spec/os", {"name": "linux"}, Effect.IN_PLACE, (), ("spec.os",)),
        (
            "spec/readinessGates", [{"conditionType": "a"}], Effect.IN_PLACE, (),
            ("spec.readinessGates",),
        ),
        ("spec/hostname", "h", Effect.RECREATE, (), ("spec.hostname",)),
        ("spec/subdomain", "s", Effect.RECREATE, (), ("spec.subdomain",)),
        ("spec/hostnameOverride", "h", Effect.RECREATE, (), ("spec.hostnameOverride",)),
        ("spec/setHostnameAsFQDN", True, Effect.RECREATE, (), ("spec.setHostnameAsFQDN",)),
        (
            "spec/containers/0/restartPolicy", "Never", Effect.CONTAINERS, ("a",),
            ("spec.containers[0].restartPolicy",),
        ),
        (
            "spec/initContainers/0/restartPolicy", "OnFailure", Effect.CONTAINERS, ("init",),
            ("spec.initContainers[0].restartPolicy",),
        ),
        (
            "spec/containers/0/resources", {"limits": {"memory": "2Gi"}}, Effect.RESIZE, (),
            ("spec.containers[0].resources",),
        ),
        (
            "spec/containers/0/resources", None, Effect.RECREATE, (),
            ("spec.containers[0].resources", "spec.containers[0].resizePolicy"),
        ),
        (
            "spec/containers/0/resources", {"limits": {"memory": "1024Mi"}}, Effect.UNCHANGED, (),
            (),
        ),
        ("spec/containers/1", None, Effect.RECREATE, (), ("spec.containers",)),
        ("spec/containers/1/name", "c", Effect.RECREATE, (), ("spec.containers",)),
        ("spec/initContainers", None, Effect.RECREATE, (), ("spec.initContainers",)),
    ],
)  # fmt: skip
def test_compare(
    change: str, value: Any, effect: Effect, containers: tuple[str, ...], paths: tuple[str, ...]
) -> None:
    result = compare(_pod(), _pod(change, value))
    assert (result.effect, result.containers, result.paths) == (effect, containers, paths)


_PROBE = {"exec": {"command": ["true"]}}


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("lifecycle", {"preStop": {"sleep": {"seconds": 1}}}),
        ("livenessProbe", _PROBE),
        ("readinessProbe", _PROBE),
        ("startupProbe", _PROBE),
        ("terminationMessagePath", "/x"),
        ("terminationMessagePolicy", "FallbackToLogsOnError"),
        ("stdin", True),
        ("stdinOnce", True),
        ("tty", True),
        ("restartPolicyRules", [{"action": "Restart", "exitCodes": {"operator": "In"}}]),
    ],
)
def test_a_container_starts_again_for_a_change_of_any_field_of_its_own(
    field: str, value: Any
) -> None:
    before, after = _pod(), _pod(f"spec/containers/0/{field}", value)
    path = f"spec.containers[0].{field}"
    assert compare(before, after) == Change(Effect.CONTAINERS, ("a",), (), (path,))
    assert spec_hash(before.spec.containers[0]) != spec_hash(after.spec.containers[0])


def test_a_resize_policy_changes_in_place() -> None:
    policy = [{"resourceName": "memory", "restartPolicy": "RestartContainer"}]
    before, after = _pod(), _pod("spec/containers/0/resizePolicy", policy)
    assert compare(before, after).effect is Effect.IN_PLACE
    assert spec_hash(before.spec.containers[0]) == spec_hash(after.spec.containers[0])


def test_resources_change_in_place_while_the_qos_class_stays() -> None:
    before, after = _pod(), _pod("spec/containers/1/resources", {"requests": {"cpu": "1"}})
    change = compare(before, after)
    assert (change.effect, change.containers, change.resized) == (Effect.RESIZE, (), ("b",))
    assert change.paths[0] == "spec.containers[1].resources"  # and the default of resizePolicy
    assert spec_hash(before.spec.containers[1]) == spec_hash(after.spec.containers[1])


def test_a_container_that_starts_again_is_not_resized_besides() -> None:
    image = _pod("spec/containers/0/image", "a:2").spec
    b = _pod("spec/containers/1/resources", {"limits": {"memory": "2Gi"}}).spec.containers[1]
    limits = ResourceRequirements(limits={"memory": "2Gi"}, requests={"memory": "2Gi"})
    a = msgspec.structs.replace(image.containers[0], resources=limits)
    new = msgspec.structs.replace(_pod(), spec=msgspec.structs.replace(image, containers=(a, b)))
    change = compare(_pod(), new)
    assert (change.effect, change.containers, change.resized) == (
        Effect.CONTAINERS, ("a",), ("b",),
    )  # fmt: skip


_AMOUNTS: dict[str, Any] = {"cpu": "1", "memory": "1Gi"}


@pytest.mark.parametrize(
    ("resources", "expected"),
    [
        (({}, {}), "BestEffort"),
        (({"limits": {"cpu": "0"}}, {}), "BestEffort"),
        (({"limits": _AMOUNTS}, {}), "Burstable"),
        (({"requests": _AMOUNTS}, {"requests": _AMOUNTS}), "Burstable"),
        (({"limits": _AMOUNTS}, {"limits": _AMOUNTS}), "Guaranteed"),
        (({"limits": _AMOUNTS}, {"limits": {"cpu": "1"}}), "Burstable"),
        (({"limits": _AMOUNTS}, {"limits": _AMOUNTS, "requests": {"cpu": "500m"}}), "Burstable"),
        (({"limits": _AMOUNTS}, {"limits": _AMOUNTS, "requests": {"cpu": "0"}}), "Guaranteed"),
    ],
)
def test_qos_class_is_that_of_the_pure_core(
    resources: tuple[dict[str, Any], ...], expected: str
) -> None:
    containers = [{"name": "x", "resources": each} for each in resources]
    pod = with_defaults(msgspec.convert({"spec": {"containers": containers}}, Pod))
    assert qos.qos_class(pod) == pod_resources.qos_class(pod) == expected


def test_the_greatest_effect_counts_and_all_paths_are_named() -> None:
    old, new = _pod(), _pod("spec/containers/1/image", "b:2")
    new = msgspec.structs.replace(
        new, metadata=msgspec.structs.replace(new.metadata, labels={"x": "y"})
    )
    result = compare(old, new)
    assert result.effect is Effect.CONTAINERS
    assert result.paths == ("metadata.labels", "spec.containers[1].image")


def test_spec_hash_changes_with_the_definition_only() -> None:
    one = _pod().spec.containers[0]
    assert spec_hash(one) == spec_hash(_pod().spec.containers[0])
    assert spec_hash(one) != spec_hash(_pod("spec/containers/0/image", "a:2").spec.containers[0])
    assert len(spec_hash(one)) == 16
    reordered = [
        msgspec.convert({"name": "a", "resources": {"limits": limits}}, Container)
        for limits in ({"cpu": "1", "memory": "1"}, {"memory": "1", "cpu": "1"})
    ]
    assert spec_hash(reordered[0]) == spec_hash(reordered[1])
