"""``podrun restart``: the same pod, other runs."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.integration.test_cli_session import container, pod
from tests.integration.test_hooks import events_on_disk
from tests.node import Node

COUNT = "trap 'echo bye; exit 0' TERM; echo up >> /data/{0}; while :; do sleep 0.05; done"


def with_volume(text: str) -> str:
    """Each container of ``text`` has the volume of the pod at /data."""
    mounted = text.replace("image:", "volumeMounts: [{name: d, mountPath: /data}], image:")
    return mounted + "  volumes: [{name: d, emptyDir: {}}]\n"


def statuses(node: Node, name: str) -> dict[str, dict[str, Any]]:
    status = node.status(name)
    every = [*status.get("initContainerStatuses", []), *status["containerStatuses"]]
    return {each["name"]: each for each in every}


def lines(node: Node, name: str, file: str) -> int:
    done = node.podrun("exec", name, "-c", "a", "--", "cat", f"/data/{file}", check=False)
    return len(done.stdout.split())


@pytest.fixture
def two(node: Node) -> Node:
    init = container("first", "echo up >> /data/first")
    apps = container("a", COUNT.format("a")) + container("b", COUNT.format("b"))
    node.apply_text(with_volume(pod("web", apps, init=init)))
    node.wait_until(lambda: [lines(node, "web", name) for name in "ab"] == [1, 1])  # TERM is heard
    return node


def test_all_of_a_pod(two: Node) -> None:
    before = two.pod("web")
    done = two.podrun("restart", "web")
    assert (done.stdout, done.stderr) == ("pod/web restarted\n", "")
    after = two.pod("web")
    for same in ("uid", "creationTimestamp"):
        assert after["metadata"][same] == before["metadata"][same]
    assert after["status"]["podIP"] == before["status"]["podIP"]
    found = statuses(two, "web")
    assert all("running" in found[name]["state"] for name in "ab")
    assert [found[name]["restartCount"] for name in ("first", "a", "b")] == [1, 1, 1]
    assert found["a"]["lastState"]["terminated"]["exitCode"] == 0  # gracefully
    files = ("first", "a", "b")
    two.wait_until(lambda: [lines(two, "web", name) for name in files] == [2, 2, 2])
    assert "bye" in two.podrun("logs", "web", "-c", "a", "--previous").stdout


def test_one_container(two: Node) -> None:
    for count in (1, 2):  # a second time at once: no back-off
        assert two.podrun("restart", "web", "-c", "b").stdout == "pod/web restarted\n"
        found = statuses(two, "web")
        assert found["b"]["restartCount"] == count and "running" in found["b"]["state"]
    assert (found["a"]["restartCount"], found["first"]["restartCount"]) == (0, 0)


def test_out_of_the_back_off(node: Node) -> None:
    node.apply_text(pod("bad", container("a", "exit 3")), "--no-wait")

    def waiting() -> int:
        state = statuses(node, "bad")["a"]["state"].get("waiting", {})
        count: int = statuses(node, "bad")["a"]["restartCount"]
        return count if state.get("reason") == "CrashLoopBackOff" else 0

    before = node.wait_until(waiting, what="the back-off")
    assert node.podrun("restart", "bad", timeout=8).stdout == "pod/bad restarted\n"
    assert statuses(node, "bad")["a"]["restartCount"] > before


def test_what_has_ended_stays_so(node: Node) -> None:
    node.apply_text(pod("job", container("a", "true"), spec="restartPolicy: Never"))
    node.podrun("wait", "job", "--for=phase=Succeeded")
    done = node.podrun("restart", "job", check=False)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("error: pod/job has ended: Succeeded (")


def test_wrong_input(two: Node) -> None:
    done = two.podrun("restart", "nobody", check=False)
    assert done.returncode == 1 and 'pods "nobody" not found' in done.stderr
    done = two.podrun("restart", "web", "-c", "x", check=False)
    assert done.returncode == 1 and "it has first, a, b" in done.stderr
    done = two.podrun("restart", "web", "-c", "first", check=False)
    assert done.returncode == 1 and "has done its work" in done.stderr
    assert two.podrun("restart", check=False).returncode == 2
    assert [each["restartCount"] for each in statuses(two, "web").values()] == [0, 0, 0]


def test_a_new_run_that_cannot_be(node: Node, tmp_path: Path) -> None:
    there = tmp_path / "there"
    there.mkdir()
    text = with_volume(pod("gone", container("a")))
    node.apply_text(text.replace("emptyDir: {}", f"hostPath: {{path: {there}, type: Directory}}"))
    there.rmdir()
    done = node.podrun("restart", "gone", check=False)
    assert (done.returncode, done.stdout) == (1, "")
    assert "pod/gone cannot go on: a: " in done.stderr and str(there) in done.stderr


def test_giving_up_waiting(node: Node) -> None:
    stubborn = "trap '' TERM; while :; do sleep 0.05; done"
    text = pod("slow", container("a", stubborn))
    node.apply_text(text.replace("terminationGracePeriodSeconds: 1", ""))
    done = node.podrun("restart", "slow", "--timeout", "300ms", check=False)
    assert done.returncode == 124 and "pod/slow" in done.stderr
    node.podrun("delete", "slow", "--force")


def restarting(node: Node, grace: int) -> subprocess.Popen[bytes]:
    """The restart of a pod "slow" that does not heed TERM, under way."""
    stubborn = "trap '' TERM; echo set; while :; do sleep 0.05; done"
    text = pod("slow", container("a", stubborn))
    node.apply_text(text.replace("PeriodSeconds: 1", f"PeriodSeconds: {grace}"))
    node.wait_until(lambda: "set" in node.podrun("logs", "slow").stdout)
    waiting = node.popen("restart", "slow", stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    node.wait_until(lambda: "Killing" in events_on_disk(node))
    return waiting


def test_deleted_meanwhile(node: Node) -> None:
    waiting = restarting(node, grace=30)
    node.podrun("delete", "slow", "--force")
    out, err = waiting.communicate(timeout=20)
    assert (waiting.returncode, out) == (1, b"") and b"it was deleted" in err


def test_the_agent_is_killed_meanwhile(node: Node) -> None:
    """What was asked for is on disk: the next agent goes on with it."""
    waiting = restarting(node, grace=4)
    node.kill_agent()
    _, err = waiting.communicate(timeout=20)
    assert waiting.returncode == 1 and b"the agent went away" in err
    node.apply_text(pod("other", container("a")))  # starts an agent
    node.wait_until(lambda: statuses(node, "slow")["a"]["restartCount"] == 1)
    node.wait_until(lambda: "running" in statuses(node, "slow")["a"]["state"])
