"""``podrun top`` on real pods: the figures are those of the cgroups."""

from __future__ import annotations

import os
import re
import signal
import sys
from collections.abc import Iterator

import pytest

import podrun.agent.translate
import podrun.cgroup.usage
import podrun.cli.top  # noqa: F401
from podrun.cli.main import entry
from tests.integration.test_cli_session import Terminal, container, pod
from tests.node import Node

NOBODY = 65534

BUSY = "i=0; while :; do i=$((i+1)); done"
# 24 MiB of anonymous memory, held by the shell itself
LARGE = "x=$(head -c 24000000 /dev/zero | tr '\\0' x); echo held; while :; do sleep 1; done"


def figures(text: str) -> dict[str, tuple[int, int]]:
    """Name → millicores, MiB."""
    rows = (re.split(r" {3,}", line) for line in text.splitlines()[1:])
    return {row[-3]: (int(row[-2][:-1]), int(row[-1].removesuffix("Mi"))) for row in rows}


@pytest.fixture
def pods(node: Node) -> Iterator[Node]:
    large = container("large", LARGE) + container("calm", "exec sleep 1000")
    node.apply_text(pod("big", large) + "---" + pod("busy", container("app", BUSY)))
    node.wait_until(lambda: "held" in node.podrun("logs", "big", "-c", "large").stdout)
    yield node


def test_pods_and_containers(pods: Node) -> None:
    text = pods.podrun("top").stdout
    assert text.splitlines()[0].split() == ["NAME", "CPU(cores)", "MEMORY(bytes)"]
    found = figures(text)
    assert set(found) == {"big", "busy"}
    assert found["busy"][0] > 50 > found["big"][0]
    assert 23 <= found["big"][1] < 80

    text = pods.podrun("top", "--containers", "--sort-by=memory").stdout
    assert text.splitlines()[0].split() == ["POD", "NAME", "CPU(cores)", "MEMORY(bytes)"]
    found = figures(text)
    assert next(iter(found)) == "large" and set(found) == {"large", "calm", "app"}
    assert found["large"][1] >= 23 > found["calm"][1]
    first = pods.podrun("top", "-A", "--sort-by=cpu", "--no-headers").stdout.splitlines()[0]
    assert first.split()[:2] == ["default", "busy"]


def test_live_on_a_terminal(pods: Node) -> None:
    terminal = Terminal(pods, "top", "big", "--watch", "--interval", "100ms", columns=30)
    terminal.expect(r"NAME   CPU\(cores\)   MEMORY\(by")  # cut to the terminal
    terminal.expect(r"big ")
    terminal.expect(r"\x1b\[HNAME")
    terminal.process.send_signal(signal.SIGINT)
    assert terminal.end() == 130


def test_what_has_ended_is_not_listed(pods: Node) -> None:
    pods.apply_text(pod("done", container("a", "true"), spec="restartPolicy: Never"))
    pods.podrun("wait", "done", "--for=phase=Succeeded")
    assert "done" not in pods.podrun("top").stdout
    done = pods.podrun("top", "done", check=False)
    assert done.returncode == 1 and "nothing runs in done" in done.stderr


def test_without_root(node: Node, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever may read a pod may see what it uses."""
    monkeypatch.setenv("SUDO_GID", str(NOBODY))
    node.apply_text(pod("mine", container("app", BUSY)))
    monkeypatch.setenv("PODRUN_CONFIG", str(node.config_file))
    found = figures(as_nobody("top", "mine"))
    assert found["mine"][0] > 50


def as_nobody(*args: str) -> str:
    """The output of a command in a process without rights that has its modules already."""
    read, write = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.dup2(write, 1)
        os.dup2(write, 2)
        sys.stdout, sys.stderr = open(1, "w"), open(2, "w", buffering=1)  # noqa: SIM115
        os.setgroups([])
        os.setresgid(NOBODY, NOBODY, NOBODY)
        os.setresuid(NOBODY, NOBODY, NOBODY)
        entry(args)
        os._exit(0)
    os.close(write)
    with open(read) as output:
        text = output.read()
    os.waitpid(pid, 0)
    return text
