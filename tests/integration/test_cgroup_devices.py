"""Device rules on the real kernel: of v1 where that controller is, and of v2 (eBPF) in any case."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from podrun.cgroup import devices
from podrun.cgroup.devices import DeviceRule
from podrun.cgroup.group import Group
from podrun.cgroup.hierarchy import Hierarchy, detect

LOOP_CONTROL = (10, 237)


def only_v2() -> Hierarchy:
    return Hierarchy(v1={}, v2=detect().v2)


def only_v1() -> Hierarchy:
    root = detect().v1.get("devices")
    return Hierarchy(v1={"devices": root} if root else {}, v2=None)


@pytest.fixture(params=["v1", "v2"])
def group(request: pytest.FixtureRequest) -> Iterator[Group]:
    hierarchy = only_v1() if request.param == "v1" else only_v2()
    if not hierarchy.roots():
        pytest.skip(f"no {request.param} hierarchy with devices here")
    found = Group(f"prt{os.getpid()}-devices", hierarchy)
    found.create()
    yield found
    found.remove()


def try_in(group: Group, path: Path, flags: int) -> int:
    """The errno of opening ``path`` inside ``group``; 0 when it opens."""
    pid = os.fork()
    if pid == 0:
        code = 255
        try:
            group.add(os.getpid())
            os.close(os.open(path, flags))
            code = 0
        except OSError as error:
            code = error.errno or 254
        finally:
            os._exit(code)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def node(directory: Path, name: str, major: int, minor: int) -> Path:
    path = directory / name
    os.mknod(path, stat.S_IFCHR | 0o666, os.makedev(major, minor))
    return path


def test_only_what_is_listed_opens(group: Group, tmp_path: Path) -> None:
    null = node(tmp_path, "null", 1, 3)
    kmsg = node(tmp_path, "kmsg", 1, 11)
    assert try_in(group, kmsg, os.O_RDONLY | os.O_NONBLOCK) == 0  # as yet
    devices.restrict(group)
    assert try_in(group, null, os.O_RDWR) == 0
    assert try_in(group, kmsg, os.O_RDONLY | os.O_NONBLOCK) == 1


def test_reading_may_be_allowed_without_writing(group: Group, tmp_path: Path) -> None:
    zero = node(tmp_path, "zero", 1, 5)
    devices.restrict(group, (DeviceRule("c", 1, 5, "r"),))
    assert try_in(group, zero, os.O_RDONLY) == 0
    assert try_in(group, zero, os.O_WRONLY) == 1
    assert try_in(group, zero, os.O_RDWR) == 1


def test_a_whole_major_may_be_allowed(group: Group, tmp_path: Path) -> None:
    devices.restrict(group, (DeviceRule("c", 1, None, "rw"),))
    assert try_in(group, node(tmp_path, "zero", 1, 5), os.O_RDWR) == 0
    assert try_in(group, node(tmp_path, "tty", 5, 0), os.O_RDWR) == 1


def test_a_block_device_of_the_same_numbers_is_another(group: Group, tmp_path: Path) -> None:
    devices.restrict(group, (DeviceRule("c", 7, 0, "rwm"),))
    path = tmp_path / "loop"
    os.mknod(path, stat.S_IFBLK | 0o600, os.makedev(7, 0))
    assert try_in(group, path, os.O_RDONLY) == 1


def test_nothing_is_allowed_by_no_rule(group: Group, tmp_path: Path) -> None:
    null = node(tmp_path, "null", 1, 3)
    devices.restrict(group, ())
    assert try_in(group, null, os.O_RDONLY) == 1


def test_groups_below_are_bound_too(group: Group, tmp_path: Path) -> None:
    devices.restrict(group)
    below = group.child("below")
    below.create()
    kmsg = node(tmp_path, "kmsg", 1, 11)
    assert try_in(below, kmsg, os.O_RDONLY | os.O_NONBLOCK) == 1
