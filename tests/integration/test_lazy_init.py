"""A machine whose PID 1 reaps nobody, as in a CI container that runs "sleep": pods must end."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator

import prctl
import pytest

from tests.node import Node, pod_text

_BUSY = """
  containers:
  - name: app
    image: localhost/host
    command: [sh, -c, "sleep 4000 & wait"]
"""
_PROBED = (
    _BUSY
    + """\
    livenessProbe:
      exec: {command: [sh, -c, "touch /run/probed; sleep 4000"]}
      periodSeconds: 1
      timeoutSeconds: 4000
"""
)


@pytest.fixture
def lazy(fresh_node: Node) -> Iterator[Node]:
    """Orphans of its processes come to us, and we leave them as they are until the end."""
    prctl.set_child_subreaper(True)
    try:
        yield fresh_node
    finally:
        with contextlib.suppress(AssertionError):
            fresh_node.podrun("system", "reset", "--force", timeout=30)
        prctl.set_child_subreaper(False)
        with contextlib.suppress(ChildProcessError):
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass


def test_a_pod_ends_while_a_probe_runs(lazy: Node) -> None:
    lazy.apply_text(pod_text("busy", _PROBED))
    lazy.wait_until(
        lambda: lazy.podrun("exec", "busy", "--", "ls", "/run/probed", check=False).returncode == 0
    )
    lazy.podrun("delete", "busy", "--force", timeout=20)


def test_a_pod_ends_while_a_command_runs(lazy: Node) -> None:
    lazy.apply_text(pod_text("busy", _BUSY))
    script = "touch /run/begun; sleep 4000 & wait"
    running = lazy.popen("exec", "busy", "--", "sh", "-c", script)
    lazy.wait_until(
        lambda: lazy.podrun("exec", "busy", "--", "ls", "/run/begun", check=False).returncode == 0
    )
    lazy.podrun("delete", "busy", "--force", timeout=20)
    assert running.wait(20) == 137
