"""Resizing running containers: in place, by a restart, and refused (KEP-1287)."""

from __future__ import annotations

import os
from typing import Any

from tests.integration.test_life import cgroup_value, status_of
from tests.node import Node, pod_text

SPEC = """
  containers:
  - name: a
    image: localhost/host
    command: [sh, -c, "{script}"]
    resources: {{limits: {{cpu: {cpu}, memory: {memory}}}, requests: {{cpu: {request}}}}}
    resizePolicy: [{{resourceName: memory, restartPolicy: RestartContainer}}]
  - {{name: b, image: localhost/host, command: [sleep, infinity]}}
"""
IDLE = "trap 'exit 0' TERM; while :; do sleep 0.05; done"


def manifest(
    cpu: str = "100m", memory: str = "64Mi", request: str = "50m", script: str = IDLE
) -> str:
    spec = SPEC.format(cpu=cpu, memory=memory, request=request, script=script)
    return pod_text("size", spec, grace=1)


def condition(node: Node, type: str) -> dict[str, Any]:
    found = node.status("size")["conditions"]
    return next((each for each in found if each["type"] == type), {})


def quota(node: Node) -> str:
    return cgroup_value(node, "a", "cpu.cfs_quota_us", "cpu.max").split()[0]


def memory(node: Node) -> int:
    return int(cgroup_value(node, "a", "memory.limit_in_bytes", "memory.max"))


def test_in_place_for_one_resource_by_a_restart_for_the_other(node: Node) -> None:
    node.apply_text(manifest())
    node.apply_text(manifest(cpu="200m"))
    node.wait_until(lambda: quota(node) == "20000")
    limits = {"cpu": "200m", "memory": "64Mi"}
    node.wait_until(lambda: status_of(node, "size", "a")["resources"]["limits"] == limits)
    found = status_of(node, "size", "a")
    assert found["restartCount"] == 0
    assert found["allocatedResources"] == {"cpu": "50m", "memory": "64Mi"}

    node.apply_text(manifest(cpu="200m", memory="128Mi"))
    node.wait_until(lambda: status_of(node, "size", "a")["restartCount"] == 1)
    node.wait_until(lambda: "running" in status_of(node, "size", "a")["state"])
    assert memory(node) == 128 << 20
    assert status_of(node, "size", "a")["resources"]["limits"]["memory"] == "128Mi"
    assert status_of(node, "size", "b")["restartCount"] == 0
    node.wait_until(lambda: condition(node, "PodResizeInProgress") == {})
    told = node.podrun("events", "size").stdout
    assert "Container a resize requires restart" in told
    assert "Container a resize completed" in told


def test_what_another_pod_needs_defers_until_it_is_gone(node: Node) -> None:
    node.apply_text(manifest())
    most = 1000 * (os.cpu_count() or 1)
    fields = f"resources: {{requests: {{cpu: {most - 600}m}}}}"
    big = f"{{name: c, image: localhost/host, command: [sleep, infinity], {fields}}}"
    node.apply_text(pod_text("big", f"  containers: [{big}]"))
    node.apply_text(manifest(cpu="800m", request="700m"))
    pending = node.wait_until(lambda: condition(node, "PodResizePending"))
    assert (pending["status"], pending["reason"]) == ("True", "Deferred")
    assert "cpu, requested: 700, used: " in pending["message"]
    assert quota(node) == "10000"
    assert status_of(node, "size", "a")["allocatedResources"]["cpu"] == "50m"
    assert "ResizeDeferred" in node.podrun("events", "size").stdout
    node.podrun("delete", "big")
    node.wait_until(lambda: quota(node) == "80000", timeout=30)
    node.wait_until(lambda: condition(node, "PodResizePending") == {})


def test_less_memory_than_is_in_use_kills_nobody(node: Node) -> None:
    hold = (
        "python3 -c 'import time; x = bytes(1) * 40000000; print(1, flush=True); time.sleep(999)'"
    )
    in_place = manifest(script=f"exec {hold}").replace("RestartContainer", "NotRequired")
    node.apply_text(in_place)
    node.wait_until(lambda: node.podrun("logs", "size", "-c", "a", check=False).stdout == "1\n")
    node.apply_text(in_place.replace("64Mi", "16Mi"))
    node.wait_until(lambda: condition(node, "PodResizeInProgress").get("reason") == "Error")
    assert "below current usage" in condition(node, "PodResizeInProgress")["message"]
    found = status_of(node, "size", "a")
    assert (found["restartCount"], memory(node)) == (0, 64 << 20)
    assert found["resources"]["limits"]["memory"] == "64Mi"
