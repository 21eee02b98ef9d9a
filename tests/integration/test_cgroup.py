"""Real cgroups: made, filled, killed, counted, removed; on whichever version this machine has."""

from __future__ import annotations

import os
import secrets
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from podrun.cgroup.group import Group
from podrun.cgroup.hierarchy import detect
from podrun.cgroup.limits import Limits
from podrun.errors import MechanismFailed
from tests.node import wait_until


@pytest.fixture
def group(leak_marks: set[str]) -> Iterator[Group]:
    name = f"prcg{secrets.token_hex(4)}"
    leak_marks.add(name)
    yield Group(f"{name}/besteffort/pod")
    Group(name).remove()


def sleeper() -> subprocess.Popen[bytes]:
    return subprocess.Popen(["sleep", "1000"])


def test_a_group_holds_its_processes_in_every_hierarchy(group: Group) -> None:
    child = group.child("app")
    child.create(Limits(cpu_shares=2, pids=50))
    process = sleeper()
    try:
        child.add(process.pid)
        assert child.pids() == group.pids() == [process.pid]
        text = Path(f"/proc/{process.pid}/cgroup").read_text()
        assert text.count(child.path) == len(child.directories())
    finally:
        child.kill()
        assert process.wait() == -signal.SIGKILL
    child.remove()
    assert not child.exists()


def test_kill_takes_what_forks_meanwhile(group: Group) -> None:
    group.create()
    script = "while :; do sleep 1000 & done"
    bomb = subprocess.Popen(
        ["sh", "-c", f"ulimit -u 400; {script}"], preexec_fn=lambda: group.add(0)
    )
    wait_until(lambda: len(group.pids()) > 20, what="the bomb")
    group.remove()
    bomb.wait()
    assert not group.exists()


def test_limits_reach_the_kernel(group: Group) -> None:
    group.create(Limits(memory_bytes=32 << 20, pids=7))
    hierarchy = detect()
    if "memory" in hierarchy.v1:
        path = hierarchy.v1["memory"] / group.path / "memory.limit_in_bytes"
    else:
        assert hierarchy.v2 is not None
        path = hierarchy.v2 / group.path / "memory.max"
    assert path.read_text().strip() == str(32 << 20)


def test_a_limit_the_kernel_refuses_is_named(group: Group) -> None:
    with pytest.raises(MechanismFailed, match=r"pids\.max"):
        group.create(Limits(pids=-5))


def test_a_knob_this_kernel_does_not_have_is_passed_over(group: Group) -> None:
    """Creating a file in a cgroup is EACCES, not ENOENT."""
    group.create()
    name = "memory.no_such_knob"
    for root in group.hierarchy.roots():
        group._write_all(root, {name: "1"})
        assert not (root / group.path / name).exists()


def test_oom_kills_are_counted_by_the_kernel(group: Group) -> None:
    group.create(Limits(memory_bytes=16 << 20))
    assert group.oom_kills() == 0
    hog = subprocess.Popen(["tail", "/dev/zero"], preexec_fn=lambda: group.add(0))
    assert hog.wait(timeout=30) == -signal.SIGKILL
    wait_until(lambda: group.oom_kills() == 1)


def test_remove_if_empty_kills_nobody(group: Group) -> None:
    group.create()
    process = sleeper()
    group.add(process.pid)
    group.remove_if_empty()
    assert process.poll() is None
    process.kill()
    process.wait()


def test_adding_a_process_that_is_gone_fails_by_name(group: Group) -> None:
    group.create()
    process = sleeper()
    process.kill()
    process.wait()
    with pytest.raises(MechanismFailed, match=f"process {process.pid}"):
        group.add(process.pid)
    assert os.getpid() not in group.pids()
