"""The Pod as an atom on a real node: it fits as a whole, or nothing of it starts."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import psutil
import pytest

from podrun.cgroup.group import Group
from tests.node import Node, memory_held, pod_text, wait_until

MI = 1 << 20


@pytest.fixture
def small(leak_marks: set[str], leaves_nothing: None) -> Iterator[Node]:
    """A node with 1 GiB for pods."""
    reserved = str(psutil.virtual_memory().total - 1024 * MI)
    node = Node(system_reserved={"memory": reserved})
    leak_marks.add(node.mark)
    with memory_held():
        yield node
        node.close()


def pod(name: str, *memory: str, cpu: str = "", script: str = "exec sleep 1000") -> str:
    """A container for each entry of ``memory``; "" asks for none."""
    containers = "".join(
        f"""
  - name: c{number}
    image: localhost/host
    command: [sh, -c, "{script}"]
    resources: {{requests: {_requests(size, cpu)}}}"""
        for number, size in enumerate(memory)
    )
    return pod_text(name, f"  containers:{containers}", policy="Never")


def _requests(memory: str, cpu: str) -> str:
    parts = [f"memory: {memory}"] * bool(memory) + [f"cpu: {cpu}"] * bool(cpu)
    return "{" + ", ".join(parts) + "}"


def scheduled(node: Node, name: str) -> dict[str, Any]:
    conditions = node.status(name)["conditions"]
    found: dict[str, Any] = next(c for c in conditions if c["type"] == "PodScheduled")
    return found


def running(node: Node, name: str) -> bool:
    return bool(node.status(name)["phase"] == "Running")


def nothing_of(node: Node, name: str) -> bool:
    """No sandbox, no cgroup, no log directory, no container."""
    uid = node.pod(name)["metadata"]["uid"]
    state = node.paths.pods / uid
    return not (state / "sandbox.json").exists() and not (state / "containers").exists()


def test_what_does_not_fit_starts_nothing_and_says_why(small: Node) -> None:
    small.apply_text(pod("first", "512Mi"))
    done = small.podrun("apply", "-", input=pod("second", "256Mi", "512Mi"), check=False)
    assert done.returncode == 1
    assert "Insufficient memory: needs 768Mi, 512Mi free" in done.stderr
    status = small.status("second")
    assert status["phase"] == "Pending"
    assert "containerStatuses" not in status
    condition = scheduled(small, "second")
    assert (condition["status"], condition["reason"]) == ("False", "Unschedulable")
    assert condition["message"] == "Insufficient memory: needs 768Mi, 512Mi free"
    assert nothing_of(small, "second")
    assert "FailedScheduling" in small.podrun("events", "second").stdout
    assert "Pending" in small.podrun("ps").stdout


def test_it_starts_by_itself_when_room_appears(small: Node) -> None:
    small.apply_text(pod("first", "768Mi"))
    small.podrun("apply", "--no-wait", "-", input=pod("second", "768Mi"))
    assert scheduled(small, "second")["status"] == "False"
    small.podrun("delete", "first")
    wait_until(lambda: running(small, "second"))
    assert scheduled(small, "second")["status"] == "True"
    assert "Scheduled" in small.podrun("events", "second").stdout


def test_a_pod_that_has_ended_makes_room(small: Node) -> None:
    small.apply_text(pod("short", "768Mi", script="exit 0"))
    small.podrun("apply", "--no-wait", "-", input=pod("next", "768Mi"))  # it may not be over yet
    wait_until(lambda: running(small, "next"))


def test_the_oldest_goes_first_and_is_not_overtaken(small: Node) -> None:
    small.apply_text(pod("first", "512Mi"))
    for name, size in (("big", "1Gi"), ("small", "256Mi")):
        small.podrun("apply", "--no-wait", "-", input=pod(name, size))
    assert "kept for default/big, which came first" in scheduled(small, "small")["message"]
    small.podrun("delete", "first")
    wait_until(lambda: running(small, "big"))
    message = "Insufficient memory: needs 256Mi, 0 free"
    wait_until(lambda: scheduled(small, "small")["message"] == message, what=message)
    small.podrun("delete", "big")
    wait_until(lambda: running(small, "small"))


def test_who_asks_for_nothing_is_not_held_up(small: Node) -> None:
    small.apply_text(pod("first", "1Gi"))
    small.podrun("apply", "--no-wait", "-", input=pod("waits", "256Mi"))
    small.apply_text(pod("free", ""))
    assert running(small, "free")


def test_a_pod_that_can_never_fit_is_refused(small: Node) -> None:
    done = small.podrun("apply", "-", input=pod("huge", "1Gi", "1Gi"), check=False)
    assert done.returncode == 3
    assert "Insufficient memory: needs 2Gi, the node has 1Gi for all pods" in done.stderr
    assert small.podrun("get", "pod", "huge", check=False).returncode == 1


def test_waiting_outlives_the_agent(small: Node) -> None:
    small.apply_text(pod("first", "768Mi"))
    small.podrun("apply", "--no-wait", "-", input=pod("second", "768Mi"))
    small.kill_agent()
    small.podrun("delete", "first")
    wait_until(lambda: running(small, "second"))


def test_one_that_waits_can_be_deleted_and_changed(small: Node) -> None:
    small.apply_text(pod("first", "768Mi"))
    small.podrun("apply", "--no-wait", "-", input=pod("gone", "768Mi"))
    small.podrun("apply", "--no-wait", "-", input=pod("smaller", "768Mi"))
    small.podrun("delete", "gone")
    assert small.podrun("get", "pod", "gone", check=False).returncode == 1
    small.apply_text(pod("smaller", "128Mi"))
    wait_until(lambda: running(small, "smaller"))


def test_a_replaced_pod_gives_its_room_to_its_successor(small: Node) -> None:
    small.apply_text(pod("web", "1Gi"))
    recreated = pod("web", "1Gi").replace("spec:", "spec:\n  hostNetwork: true")
    small.podrun("apply", "--wait", "-", input=recreated)
    assert running(small, "web")
    assert small.pod("web")["spec"]["hostNetwork"] is True


def test_cpu_counts_too(small: Node) -> None:
    all_of_it = str(psutil.cpu_count())
    small.apply_text(pod("busy", "", cpu=all_of_it))
    small.podrun("apply", "--no-wait", "-", input=pod("late", "", cpu="100m"))
    assert scheduled(small, "late")["message"] == "Insufficient cpu: needs 100m, 0 free"


def test_a_pod_as_a_whole_has_its_limit_in_the_kernel(small: Node) -> None:
    whole = pod("whole", "", "").replace(
        "spec:", "spec:\n  resources: {limits: {memory: 512Mi, cpu: 500m}}"
    )
    small.apply_text(whole)
    assert small.status("whole")["qosClass"] == "Guaranteed"
    uid = small.pod("whole")["metadata"]["uid"]
    group = Group(f"{small.config.cgroup_root}/pod{uid}")
    files = {"memory.limit_in_bytes", "memory.max"}
    found = {
        (directory / name).read_text().strip()
        for directory in group.directories()
        for name in files
        if (directory / name).exists()
    }
    assert found == {str(512 * MI)}
    done = small.podrun("apply", "-", input=pod("second", "768Mi"), check=False)
    assert "needs 768Mi, 512Mi free" in done.stderr
