"""What a pod tells of itself: upstream's fieldpath and resource helpers, by their rules."""

from __future__ import annotations

import pytest

from podrun.api.pod import Container, ObjectMeta, Pod, PodSpec, ResourceRequirements
from podrun.pod.downward import field, resource, volume_field
from podrun.pod.resources import Amounts

NODE: Amounts = {"cpu": 3500, "memory": 8 << 30, "hugepages-2Mi": 4 << 20}


def _container(name: str, limits: dict[str, str], requests: dict[str, str]) -> Container:
    return Container(name=name, resources=ResourceRequirements(limits=limits, requests=requests))


def _pod(
    limits: dict[str, str] | None = None,
    requests: dict[str, str] | None = None,
    whole: dict[str, str] | None = None,
) -> Pod:
    container = _container("app", limits or {}, requests or {})
    together = None if whole is None else ResourceRequirements(limits=whole)
    return Pod(spec=PodSpec(containers=(container,), resources=together))


@pytest.mark.parametrize(("name", "divisor", "expected"), [
    ("limits.cpu", "", "2"),
    ("limits.cpu", "0", "2"),
    ("limits.cpu", "1", "2"),
    ("limits.cpu", "1m", "1200"),
    ("limits.memory", "", "100000000"),
    ("limits.memory", "1k", "100000"),
    ("limits.memory", "1Mi", "96"),
    ("limits.memory", "1Gi", "1"),
    ("requests.cpu", "1m", "1"),
    ("requests.cpu", "", "1"),
    ("requests.memory", "", "2"),
    ("limits.hugepages-2Mi", "1Mi", "6"),
    ("limits.ephemeral-storage", "1G", "3"),
])  # fmt: skip
def test_amounts_are_rounded_up_in_units_of_the_divisor(
    name: str, divisor: str, expected: str
) -> None:
    given = {"cpu": "1200m", "memory": "100M", "hugepages-2Mi": "6Mi", "ephemeral-storage": "2.5G"}
    pod = _pod(given, {"cpu": "100u", "memory": "1500m"})
    assert resource(pod, "app", name, divisor, NODE) == expected


@pytest.mark.parametrize(("whole", "name", "divisor", "expected"), [
    (None, "limits.cpu", "", "4"),
    (None, "limits.cpu", "1m", "3500"),
    (None, "limits.memory", "1Gi", "8"),
    (None, "limits.hugepages-2Mi", "", "0"),
    (None, "limits.ephemeral-storage", "", "0"),
    (None, "requests.cpu", "1m", "0"),
    (None, "requests.memory", "", "0"),
    ({"cpu": "1500m"}, "limits.cpu", "1m", "1500"),
    ({"cpu": "1500m"}, "limits.memory", "1Gi", "8"),
    ({"memory": "1Gi"}, "limits.memory", "1Mi", "1024"),
    ({"memory": "1Gi"}, "requests.memory", "", "0"),
    ({"memory": "0"}, "limits.memory", "1Gi", "8"),
    ({"hugepages-2Mi": "2Mi"}, "limits.hugepages-2Mi", "", "0"),
])  # fmt: skip
def test_a_limit_that_is_not_set_is_the_pods_else_the_nodes(
    whole: dict[str, str] | None, name: str, divisor: str, expected: str
) -> None:
    assert resource(_pod(whole=whole), "app", name, divisor, NODE) == expected
    assert resource(_pod({"cpu": "0"}, whole=whole), "app", name, divisor, NODE) == expected


def test_another_container_of_the_pod_may_be_asked_for() -> None:
    first, last = _container("first", {"cpu": "1"}, {}), _container("last", {"cpu": "2"}, {})
    pod = Pod(spec=PodSpec(init_containers=(first,), containers=(last,)))
    assert [resource(pod, name, "limits.cpu", "", NODE) for name in ("first", "last")] == ["1", "2"]


def test_maps_are_sorted_lines_of_quoted_values() -> None:
    values = {
        "b": 'say "hi"\\',
        "a": "two\nlines\t\a\x1b\x7f",
        "c/d": "äöü\u00a0\u200b\U000e0001",
        "e": "",
    }
    pod = Pod(metadata=ObjectMeta(annotations=values))
    assert volume_field(pod, "metadata.annotations").split("\n") == [
        r'a="two\nlines\t\a\x1b\x7f"',
        r'b="say \"hi\"\\"',
        r'c/d="äöü\u00a0\u200b\U000e0001"',
        'e=""',
    ]
    assert volume_field(pod, "metadata.annotations['c/d']") == values["c/d"]
    assert volume_field(pod, "metadata.labels") == ""


def test_a_pod_without_addresses_and_one_with_a_node_and_an_account_of_its_own() -> None:
    pod = Pod(spec=PodSpec(node_name="here", service_account_name="robot"))

    def told(path: str) -> str:
        return field(pod, path, pod_ips=(), host_ips=(), node_name="other")

    assert [told(f"status.{each}") for each in ("podIP", "podIPs", "hostIP", "hostIPs")] == [""] * 4
    assert (told("spec.nodeName"), told("spec.serviceAccountName")) == ("here", "robot")
