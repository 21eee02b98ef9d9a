"""What a container may use, as it sees it itself and as the host does: v1, hybrid or v2."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from podrun.cgroup.hierarchy import detect
from podrun.container import control
from podrun.linux import capability
from tests.integration.test_checker import LOOK, PYTHON
from tests.integration.test_rights import pod
from tests.node import Node, memory_held

MIB = 1 << 20
#: v1's file and value, v2's; cpu.weight is that of the shares by the runtimes' formula
FREE = {
    "cpu": ({"cpu.shares": "2", "cpu.cfs_quota_us": "-1"},
            {"cpu.weight": "1", "cpu.max": "max 100000"}),
    "memory": ({}, {"memory.max": "max", "memory.oom.group": "1"}),
    "pids": ({"pids.max": "max"}, {"pids.max": "max"}),
}  # fmt: skip
LIMITED = {
    "cpu": ({"cpu.shares": "256", "cpu.cfs_period_us": "100000", "cpu.cfs_quota_us": "50000"},
            {"cpu.weight": "35", "cpu.max": "50000 100000"}),
    "memory": ({"memory.limit_in_bytes": str(256 * MIB)},
               {"memory.max": str(256 * MIB), "memory.oom.group": "1"}),
    "pids": ({"pids.max": "max"}, {"pids.max": "max"}),
}  # fmt: skip
#: the sum of its containers'; out of memory, one of them is killed as a whole, not all of them
POD = {
    **LIMITED,
    "memory": ({"memory.limit_in_bytes": str(256 * MIB)},
               {"memory.max": str(256 * MIB), "memory.oom.group": "0"}),
    "pids": ({"pids.max": "4096"}, {"pids.max": "4096"}),
}  # fmt: skip
BURSTABLE = {"requests": {"cpu": "250m", "memory": "64Mi"},
             "limits": {"cpu": "500m", "memory": "256Mi"}}  # fmt: skip
Expected = dict[str, tuple[dict[str, str], dict[str, str]]]


def here(expected: Expected) -> dict[str, tuple[Path, str]]:
    """File → its hierarchy's mount point and the value, for the controllers this machine has."""
    hierarchy = detect()
    found: dict[str, tuple[Path, str]] = {}
    for controller, (v1, v2) in expected.items():
        if controller in hierarchy.v1:
            found |= {name: (hierarchy.v1[controller], value) for name, value in v1.items()}
        elif hierarchy.v2 is not None and controller in hierarchy.v2_controllers:
            found |= {name: (hierarchy.v2, value) for name, value in v2.items()}
    return found


def check_files(seen: dict[str, Any], cgroup: str, expected: Expected) -> None:
    """Inside, the container's own cgroup is the root; outside it is ``cgroup``."""
    wanted = here(expected)
    files = {name: seen["cgroup files"].get(name) for name in wanted}
    assert files == {name: value for name, (_, value) in wanted.items()}
    check_outside(cgroup, expected)


def check_outside(cgroup: str, expected: Expected) -> None:
    for name, (root, value) in here(expected).items():
        assert (root / cgroup / name).read_text().strip() == value, f"{cgroup}/{name}"


def lowered(wanted: int) -> int:
    """Nobody without CAP_SYS_RESOURCE lowers it: there it stays what podrun was started with."""
    if "SYS_RESOURCE" in capability.names(capability.held()):
        return wanted
    return max(wanted, int(Path("/proc/self/oom_score_adj").read_text()))


def burstable_score() -> int:
    """The kubelet's, for 64Mi of this machine's memory."""
    row = Path("/proc/meminfo").read_text().splitlines()[0]
    total = int(row.split()[1]) << 10
    return max(3, min(999, 1000 - 1000 * 64 * MIB // total))


@pytest.mark.parametrize(
    ("name", "resources", "expected"),
    [("free", {}, FREE), ("limited", BURSTABLE, LIMITED)],
)
def test_limits_from_inside_and_outside(
    node: Node, name: str, resources: dict[str, Any], expected: Expected
) -> None:
    with memory_held():
        node.apply_text(pod(name, {"resources": resources}))
    seen = json.loads(node.podrun("exec", name, "--", PYTHON, "-c", LOOK).stdout)
    record = next(iter(control.records(node.paths.runtime)))
    check_files(seen, record.cgroup, expected)
    score = burstable_score() if resources else 1000
    assert seen["oom score"] == [score, score]
    assert int(Path(f"/proc/{record.pid}/oom_score_adj").read_text()) == score
    whole = str(Path(record.cgroup).parent)
    if resources:
        check_outside(whole, POD)
    else:
        check_outside(whole, {"pids": POD["pids"]})


def test_a_guaranteed_pod_is_the_last_to_be_killed(node: Node) -> None:
    same = {"cpu": "100m", "memory": "128Mi"}
    with memory_held():
        node.apply_text(pod("sure", {"resources": {"requests": same, "limits": same}}))
    record = next(iter(control.records(node.paths.runtime)))
    assert int(Path(f"/proc/{record.pid}/oom_score_adj").read_text()) == lowered(-997)
    check_outside(record.cgroup, {"cpu": ({"cpu.shares": "102"}, {"cpu.max": "10000 100000"})})
