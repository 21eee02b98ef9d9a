"""kill -9 of everything, at any moment: nothing is lost, nothing runs twice, nothing stays."""

from __future__ import annotations

import contextlib
import glob
import os
import re
import signal
import time
from pathlib import Path
from typing import Any

import msgspec
import pytest

from podrun.container import control
from podrun.container.spec import ContainerRecord
from podrun.linux import process
from podrun.sandbox.spec import SandboxRecord
from tests.node import Node, wait_until

POD = """
apiVersion: v1
kind: Pod
metadata: {name: NAME}
spec:
  terminationGracePeriodSeconds: 2
  restartPolicy: POLICY
  initContainers:
  - name: first
    image: localhost/host
    command: [sh, -c, "echo first >> /data/order"]
    volumeMounts: [{name: data, mountPath: /data}]
  - name: second
    image: localhost/host
    command: [sh, -c, "test $(cat /data/order | tail -n 1) = first && echo second >> /data/order"]
    volumeMounts: [{name: data, mountPath: /data}]
  containers:
  - name: app
    image: localhost/host
    command: [sh, -c, "SCRIPT"]
    volumeMounts: [{name: data, mountPath: /data}]
  - name: other
    image: localhost/host
    command: [sh, -c, "trap 'exit 0' TERM; while :; do sleep 0.05; done"]
  volumes: [{name: data, emptyDir: {}}]
"""
IDLE = "trap 'exit 0' TERM; while :; do sleep 0.05; done"


def manifest(name: str, script: str = IDLE, policy: str = "Always") -> str:
    return POD.replace("NAME", name).replace("SCRIPT", script).replace("POLICY", policy)


def records(node: Node, name: str) -> list[ContainerRecord]:
    """The containers of that name that run now."""
    found = control.records(node.paths.runtime)
    return [record for record in found if record.name == name and record.main_alive()]


def record(node: Node, name: str) -> ContainerRecord:
    found = wait_until(lambda: records(node, name), what=f"container {name} running")
    assert len(found) == 1, f"{name} runs {len(found)} times"
    return found[0]


def container_status(node: Node, pod: str, name: str) -> dict[str, Any]:
    status = node.status(pod)
    both = status.get("containerStatuses", []) + status.get("initContainerStatuses", [])
    found: dict[str, Any] = next((entry for entry in both if entry["name"] == name), {})
    return found


def log_lines(node: Node, pod: str, container: str) -> list[str]:
    return node.podrun("logs", pod, "-c", container).stdout.splitlines()


def test_containers_outlive_the_agent_and_are_adopted(fresh_node: Node) -> None:
    fresh_node.apply_text(manifest("web"))
    before = record(fresh_node, "app")
    fresh_node.kill_agent()
    assert before.main_alive() and before.monitor_alive()
    assert "Running" in fresh_node.podrun("ps").stdout  # readers need no agent
    fresh_node.apply_text(manifest("web"))  # starts one, which adopts
    assert fresh_node.agent_pid() is not None
    after = record(fresh_node, "app")
    assert (after.pid, after.id) == (before.pid, before.id)
    assert container_status(fresh_node, "web", "app")["restartCount"] == 0


def test_log_lines_written_without_an_agent_are_kept(fresh_node: Node) -> None:
    script = "i=0; while :; do i=$((i+1)); echo line $i; sleep 0.005; done"
    fresh_node.apply_text(manifest("web", script))
    fresh_node.kill_agent()
    seen = len(log_lines(fresh_node, "web", "app"))
    wait_until(lambda: len(log_lines(fresh_node, "web", "app")) > seen + 50)
    fresh_node.podrun("apply", "-f", "-", input=manifest("web", script))
    numbers = [int(line.split()[1]) for line in log_lines(fresh_node, "web", "app")]
    assert numbers == list(range(1, len(numbers) + 1))


def test_an_exit_without_an_agent_is_recorded_and_starts_one(fresh_node: Node) -> None:
    """The monitor writes the code; finding no agent, it starts one, which restarts by policy."""
    fresh_node.apply_text(manifest("web", f"trap 'exit 7' USR1; {IDLE}"))
    fresh_node.kill_agent()
    first = record(fresh_node, "app")
    os.kill(first.pid, signal.SIGUSR1)
    status = fresh_node.wait_until(
        lambda: (s := container_status(fresh_node, "web", "app"))["restartCount"] == 1 and s,
        what="the restart",
    )
    assert status["lastState"]["terminated"]["exitCode"] == 7
    assert status["lastState"]["terminated"]["reason"] == "Error"
    assert record(fresh_node, "app").id != first.id


def test_the_end_of_a_pod_without_an_agent_is_seen_by_readers(fresh_node: Node) -> None:
    fresh_node.apply_text(manifest("web", f"trap 'exit 3' USR1; {IDLE}", policy="Never"))
    fresh_node.kill_agent()
    os.kill(record(fresh_node, "app").pid, signal.SIGUSR1)
    status = fresh_node.wait_until(
        lambda: container_status(fresh_node, "web", "app")["state"].get("terminated")
    )
    assert status["exitCode"] == 3


def test_a_killed_monitor_ends_its_container_in_a_reported_way(fresh_node: Node) -> None:
    fresh_node.apply_text(manifest("web"))
    first = record(fresh_node, "app")
    os.kill(first.monitor_pid, signal.SIGKILL)
    status = fresh_node.wait_until(
        lambda: (s := container_status(fresh_node, "web", "app"))["restartCount"] == 1 and s
    )
    ended = status["lastState"]["terminated"]
    assert (ended["exitCode"], ended["reason"]) == (137, "ContainerStatusUnknown")
    assert not first.main_alive()
    assert record(fresh_node, "app").id != first.id


def test_monitor_and_agent_killed_together(fresh_node: Node) -> None:
    fresh_node.apply_text(manifest("web"))
    first = record(fresh_node, "app")
    fresh_node.kill_agent()
    os.kill(first.monitor_pid, signal.SIGKILL)
    fresh_node.apply_text(manifest("web"))
    status = fresh_node.wait_until(
        lambda: (s := container_status(fresh_node, "web", "app"))["restartCount"] == 1 and s
    )
    assert status["lastState"]["terminated"]["reason"] == "ContainerStatusUnknown"
    wait_until(lambda: not first.main_alive(), what="the orphan's end")


def test_a_killed_pause_gives_the_pod_a_new_sandbox(fresh_node: Node) -> None:
    fresh_node.apply_text(manifest("web"))
    before = sandbox_record(fresh_node)
    os.kill(before.pid, signal.SIGKILL)
    fresh_node.wait_until(lambda: sandbox_record(fresh_node).attempt == 1, what="a new sandbox")
    fresh_node.podrun("wait", "web", "--for=condition=Ready", "--timeout", "30s")
    order = fresh_node.podrun("exec", "web", "-c", "app", "--", "cat", "/data/order").stdout
    assert order.split() == ["first", "second", "first", "second"]  # init ran again, data stayed
    assert container_status(fresh_node, "web", "app")["restartCount"] == 1


def test_all_that_ran_is_gone_as_after_a_reboot(fresh_node: Node) -> None:
    """The next command brings every pod back whose policy says so, with its counts and volumes."""
    fresh_node.apply_text(manifest("web"))
    fresh_node.apply_text(manifest("once", policy="Never"))
    pauses = [read_sandbox(path) for path in fresh_node.paths.pods.glob("*/sandbox.json")]
    fresh_node.kill_agent()
    for found in control.records(fresh_node.paths.runtime):
        for pid in (found.monitor_pid, found.pid):
            with contextlib.suppress(ProcessLookupError):  # it may go with the first
                os.kill(pid, signal.SIGKILL)
    for pause in pauses:
        os.kill(pause.pid, signal.SIGKILL)
    fresh_node.podrun("apply", "-f", "-", "--no-wait", input=manifest("web"))
    fresh_node.podrun("wait", "web", "--for=condition=Ready", "--timeout", "30s")
    assert container_status(fresh_node, "web", "app")["restartCount"] == 1
    order = fresh_node.podrun("exec", "web", "-c", "app", "--", "cat", "/data/order").stdout
    assert order.split() == ["first", "second", "first", "second"]
    fresh_node.podrun("wait", "once", "--for=phase=Failed", "--timeout", "30s")
    ended = container_status(fresh_node, "once", "app")["state"]["terminated"]
    assert (ended["reason"], ended["exitCode"]) == ("ContainerStatusUnknown", 137)


def read_sandbox(path: Path) -> SandboxRecord:
    return msgspec.json.decode(path.read_bytes(), type=SandboxRecord)


def sandbox_record(node: Node) -> SandboxRecord:
    def look() -> SandboxRecord | None:
        for path in node.paths.pods.glob("*/sandbox.json"):
            found = read_sandbox(path)
            if found.pid:
                return found
        return None

    found = wait_until(look, what="a sandbox record")
    assert found is not None
    return found


@pytest.mark.parametrize("round", range(4))
def test_the_agent_killed_at_any_moment_of_an_apply(fresh_node: Node, round: int) -> None:
    """A kill every few milliseconds later: the next agent goes on, each init ran exactly once
    or, when its end was not seen, again from the start; nothing runs twice."""
    for step in range(6):
        name = f"web{step}"
        delay = (step * 4 + round) * 0.009
        fresh_node.apply_text(manifest(name), "--no-wait")
        busy_wait(delay)
        fresh_node.kill_agent()
        fresh_node.apply_text(manifest(name), "--wait", "--timeout", "50s")
        status = fresh_node.status(name)
        assert status["phase"] == "Running", status
        inits = status["initContainerStatuses"]
        assert [s["state"]["terminated"]["exitCode"] for s in inits] == [0, 0]
        assert len(main_processes(fresh_node)) == 2
        fresh_node.podrun("delete", name)
        assert not list(fresh_node.paths.pods.iterdir())


def busy_wait(seconds: float) -> None:
    """The moment of the kill is the test's input, not something to wait for."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        pass


def main_processes(node: Node) -> list[int]:
    """Main processes of containers by what the kernel has: not by any record."""
    found = []
    for root in glob.glob(f"/sys/fs/cgroup/**/{node.config.cgroup_root}", recursive=True):
        for directory, _, _ in os.walk(root):  # unlike Path.glob, it bears that some go meanwhile
            if re.search(r"/(app|other)\.\d+$", directory):
                found += [pid for pid in _processes(directory) if is_init_of_namespace(pid)]
    return sorted(set(found))


def _processes(cgroup: str) -> list[int]:
    """Those that live."""
    with contextlib.suppress(OSError):
        pids = map(int, Path(cgroup, "cgroup.procs").read_text().split())
        stats = {pid: process.stat(pid) for pid in pids}
        return [pid for pid, stat in stats.items() if stat is not None and stat.state not in "ZX"]
    return []


def is_init_of_namespace(pid: int) -> bool:
    try:
        text = Path(f"/proc/{pid}/status").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return False
    row = next(line for line in text.splitlines() if line.startswith("NSpid:"))
    return row.split()[-1] == "1" and len(row.split()) == 3


@pytest.mark.parametrize("step", range(8))
def test_the_agent_killed_at_any_moment_of_a_delete(fresh_node: Node, step: int) -> None:
    fresh_node.apply_text(manifest("web"))
    fresh_node.podrun("delete", "web", "--wait=false")
    busy_wait(step * 0.012)
    fresh_node.kill_agent()
    if list(fresh_node.paths.pods.iterdir()):
        fresh_node.podrun("delete", "web", "--ignore-not-found")
    wait_until(lambda: not list(fresh_node.paths.pods.glob("*/pod.json")))
    wait_until(lambda: not main_processes(fresh_node))


def test_quick_applies_and_deletes_never_wedge(fresh_node: Node) -> None:
    for _ in range(3):
        fresh_node.apply_text(manifest("web"), "--no-wait")
        fresh_node.apply_text(manifest("web", "sleep 1000"), "--no-wait")
        fresh_node.podrun("delete", "web", "--wait=false")
        fresh_node.apply_text(manifest("web"), "--no-wait")
    # the last but one may still be there, and be ready
    wait_until(lambda: "deletionTimestamp" not in fresh_node.pod("web")["metadata"], timeout=40)
    fresh_node.podrun("wait", "web", "--for=condition=Ready", "--timeout", "40s")
    wait_until(lambda: len(main_processes(fresh_node)) == 2, what="two main processes")
