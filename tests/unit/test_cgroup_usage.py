"""CPU time and working set, from the files of v1, v2 and the hybrid of both."""

from __future__ import annotations

from pathlib import Path

import pytest

from podrun.cgroup.group import Group
from podrun.cgroup.hierarchy import Hierarchy
from podrun.cgroup.usage import Usage, usage


def write(root: Path, **files: str) -> Path:
    directory = root / "g"
    directory.mkdir(parents=True, exist_ok=True)
    for name, text in files.items():
        (directory / name.replace("__", ".")).write_text(text)
    return root


@pytest.fixture
def v1(tmp_path: Path) -> dict[str, Path]:
    stat = "cache 5000\ninactive_file 1\ntotal_inactive_file 3000\n"
    return {
        "cpuacct": write(tmp_path / "cpuacct", cpuacct__usage="1500000\n"),
        "memory": write(tmp_path / "memory", memory__usage_in_bytes="8000\n", memory__stat=stat),
    }


@pytest.fixture
def v2(tmp_path: Path) -> Path:
    return write(
        tmp_path / "unified",
        cpu__stat="usage_usec 1500\nuser_usec 1000\n",
        memory__current="8000\n",
        memory__stat="anon 5000\ninactive_file 3000\n",
    )


def test_v1(v1: dict[str, Path]) -> None:
    assert usage(Group("g", Hierarchy(v1=v1, v2=None))) == Usage(1_500_000, 5000)


def test_v2(v2: Path) -> None:
    hierarchy = Hierarchy(v1={}, v2=v2, v2_controllers=("cpu", "memory"))
    assert usage(Group("g", hierarchy)) == Usage(1_500_000, 5000)


def test_hybrid_counts_cpu_without_cpuacct(v1: dict[str, Path], v2: Path) -> None:
    del v1["cpuacct"]
    assert usage(Group("g", Hierarchy(v1=v1, v2=v2))) == Usage(1_500_000, 5000)


def test_what_nobody_counts_is_none(v2: Path) -> None:
    (v2 / "g" / "memory.current").unlink()
    assert usage(Group("g", Hierarchy(v1={}, v2=v2))) == Usage(1_500_000, None)


def test_more_cache_than_use_is_nothing(v2: Path) -> None:
    (v2 / "g" / "memory.current").write_text("10\n")
    assert usage(Group("g", Hierarchy(v1={}, v2=v2))) == Usage(1_500_000, 0)


def test_no_such_cgroup(tmp_path: Path) -> None:
    assert usage(Group("g", Hierarchy(v1={}, v2=tmp_path))) is None
