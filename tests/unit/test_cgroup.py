"""Which cgroups a machine has, and the figures its files take."""

from __future__ import annotations

from pathlib import Path

import pytest

from podrun.cgroup.group import Group
from podrun.cgroup.hierarchy import Hierarchy, parse_mounts
from podrun.cgroup.limits import Limits, of_machine, v1_files, v2_files, weight_of_shares

V2 = "cgroup2 /sys/fs/cgroup cgroup2 rw,nosuid 0 0\n"
V1 = (
    "cgroup /sys/fs/cgroup/cpu,cpuacct cgroup rw,cpu,cpuacct 0 0\n"
    "cgroup /sys/fs/cgroup/memory cgroup rw,memory 0 0\n"
    "cgroup /sys/fs/cgroup/systemd cgroup rw,name=systemd 0 0\n"
)
HYBRID = V1 + "cgroup2 /sys/fs/cgroup/unified cgroup2 rw 0 0\n"


@pytest.mark.parametrize(
    ("mounts", "mode", "roots"),
    [
        (V2, "v2", ["/sys/fs/cgroup"]),
        (V1, "v1", ["/sys/fs/cgroup/cpu,cpuacct", "/sys/fs/cgroup/memory"]),
        (
            HYBRID,
            "hybrid",
            ["/sys/fs/cgroup/unified", "/sys/fs/cgroup/cpu,cpuacct", "/sys/fs/cgroup/memory"],
        ),
    ],
)
def test_the_three_kinds_of_machine(mounts: str, mode: str, roots: list[str]) -> None:
    found = parse_mounts("proc /proc proc rw 0 0\n" + mounts)
    assert found.mode == mode
    assert found.roots() == [Path(root) for root in roots]


@pytest.mark.parametrize("path", ["", "/", "/podrun", "podrun/../.."])
def test_the_root_is_no_group_of_ours(path: str) -> None:
    """Killing it would end everything on the machine."""
    with pytest.raises(ValueError, match="below the root"):
        Group(path, Hierarchy(v1={}, v2=None))


def test_the_first_mount_of_a_hierarchy_counts() -> None:
    again = V2 + "cgroup2 /mnt/elsewhere cgroup2 rw 0 0\n"
    assert parse_mounts(again).v2 == Path("/sys/fs/cgroup")


def test_no_cgroups_at_all() -> None:
    assert parse_mounts("proc /proc proc rw 0 0\n") == Hierarchy(v1={}, v2=None)


@pytest.mark.parametrize(
    ("shares", "weight"),
    [(2, 1), (10, 4), (102, 17), (256, 35), (512, 59), (1024, 100), (2048, 174), (4096, 303),
     (262_144, 10_000)],
)  # fmt: skip
def test_weight_of_shares_is_what_runc_and_crun_write(shares: int, weight: int) -> None:
    assert weight_of_shares(shares) == weight


def test_limits_that_are_not_given_write_nothing() -> None:
    assert v1_files(Limits()) == {}
    assert v2_files(Limits(), ("cpu", "memory", "pids")) == {}


def test_huge_pages_of_every_size_of_the_machine_are_limited() -> None:
    limits = of_machine(Limits(hugepages={2 << 20: 4 << 20}), {2 << 20: 16 << 20, 1 << 30: 0})
    assert v1_files(limits) == {
        "hugetlb": {
            "hugetlb.2MB.limit_in_bytes": "4194304",
            "hugetlb.2MB.rsvd.limit_in_bytes": "4194304",
            "hugetlb.1GB.limit_in_bytes": "0",
            "hugetlb.1GB.rsvd.limit_in_bytes": "0",
        }
    }
    found = v2_files(limits, ("hugetlb",))
    assert found["hugetlb.2MB.max"] == found["hugetlb.2MB.rsvd.max"] == "4194304"
    assert v2_files(limits, ("cpu",)) == {}


@pytest.mark.parametrize("there", [{}, {64 << 10: 0, 1 << 30: 0}])
def test_without_huge_pages_nothing_limits_them(there: dict[int, int]) -> None:
    assert of_machine(Limits(hugepages={}), there) == Limits()


def test_limits_on_both_versions() -> None:
    limits = Limits(cpu_shares=512, cpu_quota_us=50_000, memory_bytes=1 << 26, pids=9)
    assert v1_files(limits) == {
        "cpu": {"cpu.shares": "512", "cpu.cfs_period_us": "100000", "cpu.cfs_quota_us": "50000"},
        "memory": {"memory.limit_in_bytes": "67108864"},
        "pids": {"pids.max": "9"},
    }
    assert v2_files(limits, ("cpu", "memory", "pids")) == {
        "cpu.weight": "59",
        "cpu.max": "50000 100000",
        "memory.max": "67108864",
        "memory.swap.max": "0",
        "pids.max": "9",
    }
    assert v2_files(limits, ()) == {}
