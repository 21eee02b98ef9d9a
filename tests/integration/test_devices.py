"""Devices of a container: it may make nodes, and open only what every runtime grants."""

from __future__ import annotations

from tests.integration.test_pod import container, pod, run
from tests.node import Node

MAKE = "rm -f /tmp/node; mknod /tmp/node c {} && "


def test_nodes_may_be_made_but_not_used(node: Node) -> None:
    node.apply_text(pod("devices", container("a")))
    assert (
        run(node, "devices", MAKE.format("1 5") + "head -c 4 /tmp/node | od -An -tx1").split()
        == ["00"] * 4
    )
    refused = run(node, "devices", MAKE.format("1 11") + "cat /tmp/node 2>&1; true")  # kmsg
    assert "Operation not permitted" in refused


def test_the_usual_devices_work(node: Node) -> None:
    node.apply_text(pod("usual", container("a")))
    script = (
        "echo x >/dev/null && head -c 1 /dev/zero /dev/random /dev/urandom >/dev/null && "
        "test -c /dev/full && ls /dev/pts/ptmx && echo all"
    )
    assert run(node, "usual", script).split()[-1] == "all"


def test_a_privileged_container_uses_them_all(node: Node) -> None:
    node.apply_text(pod("mighty", container("a", extra="securityContext: {privileged: true}")))
    assert (
        run(node, "mighty", "test -r /dev/kmsg && dd if=/dev/kmsg of=/dev/null count=1 && echo ok")
        == "ok\n"
    )
