"""What else a status shows."""

from __future__ import annotations

import msgspec

from podrun.pod.status import present
from podrun.pod.when import rfc3339
from tests.unit.podsim import NODE, T0, asks, pod, settled, shown


def test_addresses_start_time_and_qos_class() -> None:
    node = settled(pod())
    result = shown(node)
    assert (result.host_ip, [ip.ip for ip in result.host_ips]) == ("192.0.2.1", list(NODE.host_ips))
    assert (result.pod_ip, result.pod_ips[0].ip) == ("10.85.0.2", "10.85.0.2")
    assert (result.start_time, result.qos_class) == ("2023-11-14T22:13:20Z", "BestEffort")
    assert shown(settled(pod(asks("a", max_cpu="1")))).qos_class == "Burstable"


def test_an_address_that_was_given_back_is_not_shown() -> None:
    node = settled(pod(policy="Never"))
    node.exits("app")
    node.settle()
    assert shown(node).pod_ip == ""


def test_a_deleted_pod_shows_by_when_it_must_be_gone() -> None:
    node = settled(pod())
    node.is_deleted(grace=30)
    found = present(node.pod, node.facts, node.now, NODE)
    assert found.metadata.deletion_timestamp == rfc3339(T0 + 30)
    assert found.metadata.deletion_grace_period_seconds == 30
    assert found.spec.node_name == "node-1" and found.status is not None


def test_the_status_is_a_kubernetes_object() -> None:
    node = settled(pod("app", init=["one"]))
    wire = msgspec.to_builtins(present(node.pod, node.facts, node.now, NODE))
    first = wire["status"]["initContainerStatuses"][0]
    assert first["state"]["running"]["startedAt"] == "2023-11-14T22:13:20Z"
    assert wire["status"]["hostIP"] == "192.0.2.1" and wire["status"]["podIPs"]
