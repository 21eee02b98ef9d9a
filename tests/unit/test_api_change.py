"""What a change needs: nothing, a record, some containers, or a new pod."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from podrun.api.change import Effect, compare, spec_hash
from podrun.api.defaults import with_defaults
from podrun.api.pod import Container, Pod

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
        (
            "spec/containers/0/resources", {"limits": {"memory": "2Gi"}}, Effect.RECREATE, (),
            ("spec.containers[0].resources",),
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
