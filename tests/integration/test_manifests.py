"""The examples of manifests/, applied as they are: each does what its first lines promise."""

from __future__ import annotations

import os
import socket
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.node import PROJECT, Node

MANIFESTS = PROJECT / "manifests"
IMAGES_TO_BE_BUILT = {"javaweb-2"}  # make demo applies it


def _end(node: Node, name: str) -> str:
    """The pod's phase once it is one of the final ones."""

    def final() -> str:
        phase: str = node.status(name).get("phase", "")
        return phase if phase in ("Succeeded", "Failed") else ""

    return node.wait_until(final, what=f"the end of {name}")


def _log(node: Node, name: str, container: str) -> str:
    return node.podrun("logs", name, "-c", container).stdout


def _state(node: Node, name: str, container: str) -> dict[str, Any]:
    statuses = node.status(name).get("containerStatuses", [])
    (status,) = [status for status in statuses if status["name"] == container]
    found: dict[str, Any] = status
    return found


def _fetch(url: str) -> str:
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(url, timeout=5) as answer:
            text: str = answer.read().decode()
            return text
    except OSError:
        return ""


def shared(node: Node) -> None:
    assert _end(node, "shared") == "Succeeded"
    lines = _log(node, "shared", "client").splitlines()
    assert lines == ["hello over localhost", "hello over a Unix socket"]


def config(node: Node) -> None:
    assert _end(node, "config") == "Succeeded"
    lines = _log(node, "config", "app").splitlines()
    assert lines == ["hello, blue world", "colour=blue", "the password has 6 characters", "config"]


def init(node: Node) -> None:
    assert _end(node, "init") == "Succeeded"
    assert _log(node, "init", "app").split() == ["first", "second", "third"]


def claim(node: Node) -> None:
    for number in (1, 2):
        assert _end(node, "claim") == "Succeeded"
        assert _log(node, "claim", "visitor") == f"visit number {number}\n"
        node.podrun("delete", "claim")
        node.podrun("apply", "-f", MANIFESTS / "claim.yaml")


def job(node: Node) -> None:
    status = node.wait_until(
        lambda: (
            (s := node.json("get", "job", "count", "-o", "json")["status"]).get("succeeded") == 3
            and s
        )
    )
    assert [each["type"] for each in status["conditions"]][-1] == "Complete"


def deployment(node: Node) -> None:
    node.wait_until(
        lambda: node.json("get", "deploy", "site", "-o", "json")["status"].get("readyReplicas") == 2
    )
    pods = node.json("get", "pods", "-l", "app=site", "-o", "json")["items"]
    assert len(pods) == 2
    for pod in pods:
        page = _fetch(f"http://{pod['status']['podIP']}:8000/index.html")
        assert "Hello from a Deployment" in page


def web(node: Node) -> None:
    page = node.wait_until(lambda: _fetch("http://127.0.0.1:8002/"), what="a page")
    assert page == "<h1>Hello from web</h1>\n"


def processes(node: Node) -> None:
    node.wait_until(lambda: "terminated" in _state(node, "processes", "watcher")["state"])
    log = _log(node, "processes", "watcher").splitlines()
    assert log == ["pid 1 is pause", "the worker is a sleep", "sent it a signal"]
    assert _end(node, "processes") == "Failed"
    assert _state(node, "processes", "worker")["state"]["terminated"]["exitCode"] == 143


def restart_always(node: Node) -> None:
    def backing_off() -> dict[str, Any] | None:
        crash = _state(node, "restart-always", "crash")
        reason = crash["state"].get("waiting", {}).get("reason")
        return crash if reason == "CrashLoopBackOff" else None

    assert node.wait_until(backing_off, what="CrashLoopBackOff")["restartCount"] == 1
    assert node.status("restart-always")["phase"] == "Running"
    previous = node.podrun("logs", "restart-always", "--previous", check=False)
    assert previous.stdout == "I crash\n"


def restart_onfailure(node: Node) -> None:
    assert _end(node, "restart-onfailure") == "Succeeded"
    assert _state(node, "restart-onfailure", "second-try")["restartCount"] == 1
    assert _log(node, "restart-onfailure", "second-try") == "worked\n"


def restart_never(node: Node) -> None:
    assert _end(node, "restart-never") == "Failed"
    bad = _state(node, "restart-never", "bad")
    assert (bad["state"]["terminated"]["exitCode"], bad["restartCount"]) == (7, 0)
    assert _state(node, "restart-never", "good")["state"]["terminated"]["reason"] == "Completed"


def sidecar(node: Node) -> None:
    assert _end(node, "sidecar") == "Succeeded"
    lines = _log(node, "sidecar", "printer").splitlines()
    assert [line for line in lines if line.startswith("line ")] == ["line 1", "line 2", "line 3"]


def host_network(node: Node) -> None:
    assert _end(node, "host-network") == "Succeeded"
    assert _log(node, "host-network", "look").splitlines() == [
        f"host name {socket.gethostname()}",
        f"network {os.readlink('/proc/self/ns/net')}",
        "read-only",
    ]


PROMISES: dict[str, Callable[[Node], None]] = {
    check.__name__.replace("_", "-"): check
    for check in (
        shared, init, config, claim, job, deployment, web, processes, restart_always,
        restart_onfailure, restart_never, sidecar, host_network,
    )
}  # fmt: skip


@pytest.mark.parametrize("name", PROMISES)
def test_an_example_does_what_it_promises(name: str, node: Node) -> None:
    node.podrun("apply", "-f", MANIFESTS / f"{name}.yaml")
    PROMISES[name](node)


def test_every_example_is_tested() -> None:
    files = (name for name in os.listdir(MANIFESTS) if name.endswith(".yaml"))
    examples = {Path(name).stem for name in files}  # those of schedule/: tests/unit/test_schedule
    assert examples - IMAGES_TO_BE_BUILT == set(PROMISES)
