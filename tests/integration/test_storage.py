"""emptyDir in memory and with a limit, and what evicts a pod, on the real kernel."""

from __future__ import annotations

import os
from functools import partial
from typing import Any

from tests.integration.test_pod import run
from tests.node import Node, pod_text, wait_until

SLEEP = "exec sleep 1000"


def pod(name: str, volume: str, *, limits: str = "", script: str = SLEEP, second: str = "") -> str:
    other = f"""
  - name: b
    image: localhost/host
    command: [sh, -c, "{second}"]
    volumeMounts: [{{name: v, mountPath: /v}}]""" * bool(second)
    spec = f"""
  containers:
  - name: a
    image: localhost/host
    command: [sh, -c, "{script}"]
    resources: {{limits: {{{limits}}}}}
    volumeMounts: [{{name: v, mountPath: /v}}]{other}
  volumes:
  - name: v
    emptyDir: {{{volume}}}"""
    return pod_text(name, spec, grace=60, policy="Never")


def test_memory_is_a_tmpfs_of_the_size_asked_for_shared_by_the_pod(node: Node) -> None:
    node.apply_text(pod("memory", "medium: Memory, sizeLimit: 2Mi", second=SLEEP))
    assert run(node, "memory", "stat -f -c %T /v").strip() == "tmpfs"
    assert run(node, "memory", "df -k --output=size /v | tail -1").strip() == "2048"
    run(node, "memory", "echo shared >/v/file")
    assert run(node, "memory", "cat /v/file", target="b") == "shared\n"
    full = run(node, "memory", "head -c 3000000 /dev/zero 2>&1 >/v/big || true")
    assert "No space left" in full


def test_its_size_is_the_pods_limit_of_memory_when_that_is_smaller(node: Node) -> None:
    node.apply_text(pod("small", "medium: Memory, sizeLimit: 1Gi", limits="memory: 32Mi"))
    assert run(node, "small", "df -k --output=size /v | tail -1").strip() == str(32 << 10)


def test_what_is_in_memory_survives_a_container_and_goes_with_the_pod(node: Node) -> None:
    script = "trap 'exit 0' TERM; echo x >>/v/runs; while :; do sleep 0.05; done"
    manifest = pod("kept", "medium: Memory", script=script)
    node.apply_text(manifest.replace("restartPolicy: Never", "restartPolicy: Always"))
    wait_until(lambda: run(node, "kept", "cat /v/runs || true").split() == ["x"])
    node.podrun("restart", "kept", "-c", "a", timeout=90)
    wait_until(lambda: run(node, "kept", "cat /v/runs").split() == ["x", "x"])
    uid = node.pod("kept")["metadata"]["uid"]
    volume = node.paths.pods / uid / "volumes" / "v"
    assert os.path.ismount(volume)
    node.podrun("delete", "kept", "--grace-period", "0")
    assert not volume.exists()
    with open("/proc/self/mountinfo") as mounts:
        assert uid not in mounts.read()


def test_who_uses_too_much_of_the_disk_is_evicted(node: Node) -> None:
    in_total = "Pod ephemeral local storage usage exceeds the total limit of containers 1Mi. "
    greedy = {
        "volume": ("sizeLimit: 1Mi", "", "/v/big"),
        "container": ("", "ephemeral-storage: 1Mi", "/tmp/big"),
    }
    pods = []
    for name, (volume, limits, where) in greedy.items():
        script = f"head -c 4000000 /dev/zero >{where}; trap : TERM; while :; do sleep 0.1; done"
        pods.append(pod(name, volume, limits=limits, script=script))
    node.apply_text("---".join(pods))
    messages = ('Usage of EmptyDir volume "v" exceeds the limit "1Mi". ', in_total)
    for name, message in zip(greedy, messages, strict=True):
        status = wait_until(partial(failed, node, name), timeout=40)
        assert (status["reason"], status["message"]) == ("Evicted", message)
        assert "Evicted" in node.podrun("events", name).stdout


def failed(node: Node, name: str) -> dict[str, Any] | None:
    status = node.status(name)
    return status if status["phase"] == "Failed" else None
