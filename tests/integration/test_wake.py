"""Readers bring a killed agent back, and leave one alone that was stopped on purpose."""

from __future__ import annotations

import os
import signal

import pytest

from tests.node import Node, wait_until

POD = """
apiVersion: v1
kind: Pod
metadata: {name: web}
spec:
  terminationGracePeriodSeconds: 1
  containers:
  - name: app
    image: localhost/host
    command: [sh, -c, "trap 'exit 0' TERM; trap 'exit 7' USR1; while :; do sleep 0.05; done"]
"""


@pytest.mark.parametrize("args", [("ps",), ("get", "pod", "web", "-o", "name"), ("logs", "web")])
def test_a_reader_brings_a_killed_agent_back(fresh_node: Node, args: tuple[str, ...]) -> None:
    fresh_node.apply_text(POD)
    killed = fresh_node.agent_pid()
    fresh_node.kill_agent()
    fresh_node.podrun(*args)
    found = fresh_node.wait_until(fresh_node.agent_pid, what="an agent")
    assert found != killed
    for _ in range(5):
        fresh_node.podrun(*args)
    assert fresh_node.agent_pid() == found


def test_many_readers_at_once_bring_one_back(fresh_node: Node) -> None:
    fresh_node.apply_text(POD)
    fresh_node.kill_agent()
    readers = [fresh_node.popen("ps", stdout=-3) for _ in range(5)]
    assert [reader.wait(timeout=60) for reader in readers] == [0] * 5
    fresh_node.wait_until(fresh_node.agent_pid, what="an agent")

    def agents() -> int:
        return sum("agent.main" in str(trace) for trace in fresh_node.traces())

    wait_until(lambda: agents() <= 1, what="the others, which found the lock taken, gone")


def test_a_reader_leaves_a_stopped_agent_alone(fresh_node: Node) -> None:
    fresh_node.apply_text(POD)
    pid = fresh_node.agent_pid()
    assert "pause until" in fresh_node.podrun("agent", "--stop").stderr
    wait_until(lambda: fresh_node.agent_pid() != pid, what="its end")
    assert "Running" in fresh_node.podrun("ps").stdout
    main = next(iter(fresh_node.json("get", "pod", "web", "-o", "json")["status"].items()))
    assert main and fresh_node.agent_pid() is None
    for path in fresh_node.paths.runtime.glob("*.json"):
        os.kill(container_pid(path.read_text()), signal.SIGUSR1)
    fresh_node.wait_until(lambda: "Running" not in fresh_node.podrun("ps").stdout)
    assert fresh_node.agent_pid() is None  # the container's end did not start one, either
    fresh_node.apply_text(POD)
    assert fresh_node.agent_pid() is not None
    fresh_node.wait_until(lambda: "Running" in fresh_node.podrun("ps").stdout)


def container_pid(record: str) -> int:
    import json

    return int(json.loads(record)["pid"])
