"""What ``podrun describe`` says of a pod's volumes."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from podrun.api.pod import Volume
from podrun.cli.describevolume import describe_volume


@pytest.mark.parametrize(
    ("source", "lines"),
    [
        ({}, {"Type": "EmptyDir", "Medium": "disk", "SizeLimit": "<unset>"}),
        (
            {"emptyDir": {"medium": "Memory", "sizeLimit": "1Mi"}},
            {"Type": "EmptyDir", "Medium": "Memory", "SizeLimit": "1Mi"},
        ),
        ({"hostPath": {"path": "/x"}}, {"Type": "HostPath", "Path": "/x", "HostPathType": ""}),
        (
            {"image": {"reference": "x", "pullPolicy": "Never"}},
            {"Type": "Image", "Reference": "x", "PullPolicy": "Never"},
        ),
        (
            {"persistentVolumeClaim": {"claimName": "data", "readOnly": True}},
            {"Type": "PersistentVolumeClaim", "ClaimName": "data", "ReadOnly": "true"},
        ),
        (
            {"configMap": {"name": "c", "optional": True}},
            {"Type": "ConfigMap", "Name": "c", "Optional": "true"},
        ),
        (
            {"secret": {"secretName": "s"}},
            {"Type": "Secret", "SecretName": "s", "Optional": "false"},
        ),
        ({"downwardAPI": {}}, {"Type": "DownwardAPI"}),
        (
            {"projected": {"sources": [{"configMap": {"name": "c"}}, {"secret": {"name": "s"}}]}},
            {"Type": "Projected", "Sources": ["ConfigMap c", "Secret s"]},
        ),
    ],
)
def test_each_kind_says_what_it_is(source: dict[str, Any], lines: dict[str, Any]) -> None:
    said = describe_volume(msgspec.convert({"name": "v", **source}, Volume))
    assert isinstance(said, dict)
    assert {**said, "Type": str(said["Type"]).partition(" (")[0]} == lines
