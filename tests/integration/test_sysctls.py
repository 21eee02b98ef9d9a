"""A pod's sysctls, on the real kernel: set in the pod and only there; the unsafe ones refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.integration.test_rights import context, inside, pod
from tests.node import Node


def test_sysctls_are_set_in_the_pod_and_only_there(node: Node) -> None:
    wanted = {
        "net.ipv4.ip_local_port_range": "20000 20100",
        "net/ipv4/tcp_keepalive_time": "77",
        "kernel.shm_rmid_forced": "1",
        "net.ipv4.ip_unprivileged_port_start": "500",
    }
    names = [{"name": name, "value": value} for name, value in wanted.items()]
    node.apply_text(pod("tuned", {}, context(runAsUser=1000), securityContext={"sysctls": names}))
    for name, value in wanted.items():
        path = name.replace(".", "/")
        assert inside(node, "tuned", f"cat /proc/sys/{path}", "c1").stdout.split() == value.split()
        assert Path("/proc/sys", path).read_text().split() != value.split(), name
    assert inside(node, "tuned", "cat /proc/sys/net/ipv4/ping_group_range").stdout.split() == [
        "0", "2147483647",
    ]  # fmt: skip
    assert inside(node, "tuned", "echo 1 > /proc/sys/kernel/shm_rmid_forced", check=False).stderr


@pytest.mark.parametrize("name", ["net.core.somaxconn", "kernel.msgmax", "vm.swappiness"])
def test_an_unsafe_sysctl_fails_the_pod(node: Node, name: str) -> None:
    before = Path("/proc/sys", name.replace(".", "/")).read_text()
    sysctls = {"sysctls": [{"name": name, "value": "33"}]}
    done = node.apply_text(pod("unsafe", securityContext=sysctls), check=False)
    assert done.returncode == 1 and "created" in done.stdout
    assert f'cannot go on: Failed: SysctlForbidden: forbidden sysctl: "{name}"' in done.stderr
    node.wait_until(lambda: node.status("unsafe").get("phase") == "Failed")
    status = node.status("unsafe")
    assert status["reason"] == "SysctlForbidden"
    assert status["message"].startswith(f'forbidden sysctl: "{name}"')
    assert Path("/proc/sys", name.replace(".", "/")).read_text() == before


def test_an_unsafe_sysctl_that_the_node_allows(leak_marks: set[str]) -> None:
    own = Node(allowed_unsafe_sysctls=("net.core.*", "kernel.msgmax"))
    leak_marks.add(own.mark)
    try:
        wanted = {"net.core.somaxconn": "33", "kernel.msgmax": "9000"}
        names = [{"name": name, "value": value} for name, value in wanted.items()]
        own.apply_text(pod("allowed", securityContext={"sysctls": names}))
        for name, value in wanted.items():
            path = name.replace(".", "/")
            assert inside(own, "allowed", f"cat /proc/sys/{path}").stdout.strip() == value
    finally:
        own.close()


def test_a_sysctl_with_a_bad_value_says_which(node: Node) -> None:
    bad = {"sysctls": [{"name": "net.ipv4.tcp_syncookies", "value": "many"}]}
    node.apply_text(pod("bad", securityContext=bad), "--no-wait")

    def told() -> str:
        said = node.podrun("describe", "pod", "bad").stdout
        return said if "tcp_syncookies=many" in said else ""

    assert "FailedCreatePodSandBox" in node.wait_until(told)
