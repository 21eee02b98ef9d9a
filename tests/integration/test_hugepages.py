"""Huge pages on the real kernel: a share of the node's, a volume of them, nobody else's."""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from podrun.cgroup.hierarchy import detect
from tests.integration.test_admission import running, scheduled
from tests.integration.test_pod import run
from tests.node import Node, memory_held, wait_until

COUNT = 8
POOL = Path("/sys/kernel/mm/hugepages/hugepages-2048kB")
WRITE = """
import mmap
with open("/v/pages", "w+b") as file:
    file.truncate(2 << 21)
    pages = mmap.mmap(file.fileno(), 0)
    pages[:5], pages[1 << 21 : (1 << 21) + 5] = b"hello", b"world"
"""
READ = """
import mmap
with open("/v/pages", "rb") as file:
    pages = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    print(pages[:5].decode(), pages[1 << 21 : (1 << 21) + 5].decode())
"""
TAKE = """
import mmap, sys
MAP_HUGETLB = 0x40000
try:
    mmap.mmap(-1, int(sys.argv[1]) << 21, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS | MAP_HUGETLB)
    print("taken")
except OSError as error:
    print(error.strerror)
"""


def pool(name: str) -> int:
    return int((POOL / name).read_text())


@pytest.fixture(scope="module")
def memory() -> Iterator[None]:
    with memory_held(changes=True):
        yield


@pytest.fixture(scope="module")
def total(shared_node: Node, memory: None) -> Iterator[int]:
    """MiB in all pages of 2 MiB, 8 of which are free for the tests; afterwards as before."""
    count, taken = POOL / "nr_hugepages", pool("nr_hugepages") - pool("free_hugepages")
    before, v2 = count.read_text(), detect().v2
    delegated = v2 is None or "hugetlb" in (v2 / "cgroup.subtree_control").read_text().split()
    count.write_text(str(taken + COUNT))
    try:
        assert pool("free_hugepages") == COUNT, f"the kernel finds no {COUNT} pages of 2 MiB"
        yield (taken + COUNT) * 2
    finally:
        count.write_text(before)
        if v2 is not None and not delegated:
            ours = (v2 / shared_node.mark).rglob("cgroup.subtree_control")
            deepest_first = sorted(ours, key=lambda path: -len(path.parts))
            with contextlib.suppress(OSError):  # another run's cgroups have it by now
                for control in (*deepest_first, v2 / "cgroup.subtree_control"):
                    control.write_text("-hugetlb")


def pod(name: str, size: str, volume: dict[str, str] | None = None, **spec: Any) -> str:
    """Container a may have ``size`` of huge pages, b none; both mount the volume."""
    both = {
        "image": "localhost/host",
        "command": ["sleep", "1000"],
        "volumeMounts": [{"name": "v", "mountPath": "/v"}],
    }
    limits = {"memory": "64Mi", "hugepages-2Mi": size}
    manifest = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name},
        "spec": {
            "terminationGracePeriodSeconds": 0,
            "containers": [
                {"name": "a", "resources": {"limits": limits}} | both,
                {"name": "b"} | both,
            ],
            "volumes": [{"name": "v", "emptyDir": volume or {}}],
            **spec,
        },
    }
    return json.dumps(manifest)


def python(node: Node, name: str, container: str, script: str, *args: str) -> str:
    done = node.podrun("exec", name, "-c", container, "--", "python3", "-c", script, *args)
    return done.stdout.strip()


def test_a_volume_of_huge_pages_is_the_pods_and_they_come_back(node: Node, total: int) -> None:
    free = pool("free_hugepages")
    user = {"runAsUser": 1234, "fsGroup": 4321}
    volume = {"medium": "HugePages", "sizeLimit": "6Mi"}
    node.apply_text(pod("huge", "8Mi", volume, securityContext=user))
    assert run(node, "huge", "stat -f -c '%T %S' /v; stat -c '%g %a' /v").split() == [
        "hugetlbfs", str(2 << 20), "4321", "2777",
    ]  # fmt: skip
    assert run(node, "huge", "df -m --output=size /v | tail -1").strip() == "6"
    python(node, "huge", "a", WRITE)
    assert pool("free_hugepages") == free - 2
    assert python(node, "huge", "b", READ) == "hello world"
    if detect().has("hugetlb"):
        assert python(node, "huge", "b", TAKE, "1") == "Cannot allocate memory"
        assert python(node, "huge", "a", TAKE, "3") == "Cannot allocate memory"  # with those in /v
    assert python(node, "huge", "a", TAKE, "2") == "taken"
    node.podrun("delete", "huge")
    wait_until(lambda: pool("free_hugepages") == free)


def test_huge_pages_are_given_out_once(node: Node, total: int) -> None:
    half = total // 2
    node.apply_text(pod("first", f"{half}Mi"))
    node.apply_text(pod("second", f"{half + 2}Mi", {"medium": "HugePages-2Mi"}), "--no-wait")
    node.wait_until(lambda: scheduled(node, "second")["status"] == "False")
    assert scheduled(node, "second")["message"] == (
        f"Insufficient hugepages-2Mi: needs {half + 2}Mi, {half}Mi free"
    )
    assert node.status("second")["phase"] == "Pending"
    node.podrun("delete", "first")
    node.wait_until(lambda: running(node, "second"))


@pytest.mark.parametrize("resource", ["hugepages-2Mi", "hugepages-64Mi"])
def test_more_than_there_can_be_is_refused(node: Node, total: int, resource: str) -> None:
    manifest = pod("never", "64Gi", {"medium": "HugePages"}).replace("hugepages-2Mi", resource)
    refused = node.apply_text(manifest, check=False)
    has = f"{total}Mi" if resource == "hugepages-2Mi" else "0"
    assert refused.returncode != 0
    assert f"Insufficient {resource}: needs 64Gi, the node has {has} for all pods" in refused.stderr


def test_reset_takes_the_volume_away_whatever_became_of_the_agent(
    fresh_node: Node, total: int
) -> None:
    free = pool("free_hugepages")
    fresh_node.apply_text(pod("left", "4Mi", {"medium": "HugePages"}))
    python(fresh_node, "left", "a", WRITE)
    assert pool("free_hugepages") == free - 2
    uid = fresh_node.pod("left")["metadata"]["uid"]
    assert os.path.ismount(fresh_node.paths.pods / uid / "volumes" / "v")
    fresh_node.kill_agent()
    fresh_node.podrun("system", "reset", "--force")
    wait_until(lambda: pool("free_hugepages") == free)
    assert uid not in Path("/proc/self/mountinfo").read_text()
