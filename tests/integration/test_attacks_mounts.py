"""Attacks on where podrun mounts: links in images and volumes, exchanged while it looks."""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.integration.test_hostile_image import Start, launch, root, start
from tests.integration.test_rights import IDLE, inside, pod
from tests.node import Node

__all__ = ["launch", "root", "start"]  # fixtures

#: exchanges a directory for a link, and back, as fast as it can (RENAME_EXCHANGE of renameat2(2))
SWAP = """
import ctypes, os, sys
libc = ctypes.CDLL(None)
os.makedirs("/v/here/in", exist_ok=True)
if not os.path.lexists("/v/link"):
    os.symlink(sys.argv[1], "/v/link")
while True:
    libc.renameat2(-100, b"/v/here", -100, b"/v/link", 2)
"""
ROUNDS = 4


def swapper(target: str) -> dict[str, Any]:
    python = os.path.realpath("/proc/self/exe")
    limits = {"resources": {"limits": {"cpu": "500m"}}}
    mounts = {"volumeMounts": [{"name": "v", "mountPath": "/v"}]}
    return {"command": [python, "-c", SWAP, target], **mounts, **limits}


@pytest.fixture
def outside() -> Iterator[Path]:
    """Of the host, and not in localhost/host either: on a mount of its own."""
    path = Path(tempfile.mkdtemp(prefix="prt-attacks-", dir="/dev/shm"))
    (path / "in").mkdir(parents=True)
    (path / "in" / "secret").write_text("secret")
    yield path
    assert os.listdir(path) == ["in"] and os.listdir(path / "in") == ["secret"]
    assert str(path) not in Path("/proc/self/mountinfo").read_text()
    shutil.rmtree(path)


@pytest.mark.parametrize("how", ["subPath", "under"])
def test_a_mount_raced_by_a_link(node: Node, outside: Path, how: str) -> None:
    """CVE-2017-1002101, CVE-2021-25741 (subPath) and CVE-2021-30465, CVE-2025-9566 (a mount below
    a volume): one container exchanges the directory for a link to the host's while others that
    mount there are started. A runtime that checks a path and then uses it mounts the host's
    directory into the container, or the volume over the host's."""
    mounts = [{"name": "v", "mountPath": "/m", "subPath": "here/in"}]
    if how == "under":
        mounts = [{"name": "v", "mountPath": "/v"}, {"name": "w", "mountPath": "/v/here/in"}]
    where = mounts[-1]["mountPath"]
    look = f"ls {where}; echo x > {where}/made; cut -d' ' -f4 /proc/self/mountinfo; exit 1"
    victim = {"command": ["sh", "-c", look], "volumeMounts": mounts}
    name = f"race-{how.lower()}"
    volumes = [{"name": "v", "emptyDir": {}}, {"name": "w", "emptyDir": {}}]
    node.apply_text(pod(name, swapper(str(outside)), victim, victim, volumes=volumes), check=False)
    for round_ in range(ROUNDS):
        node.podrun("restart", name, "-c", f"c{1 + round_ % 2}", check=False)
        for victim_name in ("c1", "c2"):
            said = node.podrun("logs", name, "-c", victim_name, check=False).stdout
            assert "secret" not in said and outside.name not in said


MASKED = "/proc/kcore /proc/keys /proc/timer_list /proc/interrupts"


def check_masked(node: Node, name: str, container: str) -> None:
    script = f"for f in {MASKED}; do test -e $f && head -c 64 $f | wc -c; done"
    assert set(inside(node, name, script, container).stdout.split()) == {"0"}
    done = inside(node, name, "echo x > /proc/sys/kernel/core_pattern", container, check=False)
    assert "Read-only file system" in done.stderr
    done = inside(node, name, "echo x > /proc/sysrq-trigger", container, check=False)
    assert done.returncode != 0


@pytest.mark.parametrize(
    "target", ["", "/proc/kcore", "/proc/keys", "/proc/self/fd/4", "/etc/passwd"]
)
def test_a_null_device_that_is_another_containers_link(node: Node, target: str) -> None:
    """CVE-2025-31133: what is bound over a masked path is /dev/null, which a container that shares
    the volume has made a link to what it wants to see, or removed."""
    replace = "rm -f /v/null; " + (f"ln -s {target} /v/null" if target else "true")
    shared = [{"name": "v", "emptyDir": {}}]
    first = {"name": "first", "image": "localhost/host", "command": ["sh", "-c", replace],
             "volumeMounts": [{"name": "v", "mountPath": "/v"}]}  # fmt: skip
    victim = {"volumeMounts": [{"name": "v", "mountPath": "/dev"}], "command": ["sh", "-c", IDLE]}
    name = f"null{len(target)}"
    node.apply_text(pod(name, victim, volumes=shared, initContainers=[first]))
    check_masked(node, name, "c0")


def test_links_in_the_image_where_masks_and_the_console_go(start: Start, root: Path) -> None:
    """CVE-2025-52565, CVE-2025-31133: /dev/console and /dev/null of the image are links to what
    the container wants to write; ours are on a /dev of our own."""
    for name in ("null", "console", "ptmx", "shm", "pts", "mqueue"):
        (root / "dev" / name).symlink_to("/proc/sys/kernel/core_pattern")
    before = Path("/proc/sys/kernel/core_pattern").read_text()
    script = "ls -ld /dev/null /dev/shm /dev/pts; cat /proc/kcore 2>/dev/null; echo x > /dev/null"
    state, log = start(f'[sh, -c, "{script}"]')
    assert state["exitCode"] == 0, state
    assert [line[0] for line in log.splitlines()] == ["c", "d", "d"]
    assert Path("/proc/sys/kernel/core_pattern").read_text() == before


def test_a_console_that_is_a_link(node: Node) -> None:
    """CVE-2025-52565: the terminal is bound by descriptor, on our own /dev."""
    shared = [{"name": "v", "emptyDir": {}}]
    make = "for n in console ptmx; do ln -s /proc/sys/kernel/core_pattern /v/$n; done"
    first = {"name": "first", "image": "localhost/host", "command": ["sh", "-c", make],
             "volumeMounts": [{"name": "v", "mountPath": "/v"}]}  # fmt: skip
    victim = {"volumeMounts": [{"name": "v", "mountPath": "/dev"}], "tty": True,
              "command": ["sh", "-c", IDLE]}  # fmt: skip
    before = Path("/proc/sys/kernel/core_pattern").read_text()
    node.apply_text(pod("console", victim, {}, volumes=shared, initContainers=[first]), check=False)
    assert inside(node, "console", "echo runs", "c1").stdout == "runs\n"
    with contextlib.suppress(AssertionError):  # it may be refused; what counts is the host
        check_masked(node, "console", "c0")
    assert Path("/proc/sys/kernel/core_pattern").read_text() == before


def fake_proc(root: Path) -> None:
    (root / "proc").rmdir()
    (root / "fake/self/attr").mkdir(parents=True)
    (root / "fake/sys/kernel").mkdir(parents=True)
    for name in ("self/attr/exec", "self/oom_score_adj", "self/comm", "self/status"):
        (root / "fake" / name).write_text("")
    (root / "proc").symlink_to("fake")


def full_proc(root: Path) -> None:
    for name in ("self/attr", "sys/kernel", "self/fd"):
        (root / "proc" / name).mkdir(parents=True)
    (root / "proc/self/status").write_text("CapPrm: ffffffffffffffff\nCapBnd: ffffffffffffffff\n")
    (root / "proc/kcore").symlink_to("/etc/passwd")


@pytest.mark.parametrize("make", [fake_proc, full_proc])
def test_a_proc_of_the_images_own(start: Start, root: Path, make: Callable[[Path], None]) -> None:
    """CVE-2025-52881: what the runtime writes to /proc (labels, sysctls, scores) goes to files of
    the image, or through its links to others, and confines nothing."""
    make(root)
    state, log = start('[sh, -c, "cat /proc/1/comm; cat /proc/kcore; cat /proc/self/status"]')
    assert state["exitCode"] == 0, state
    assert log.startswith("sh\n") and "CapEff" in log and "CapEff:\tffffff" not in log


def test_a_volume_over_proc_misleads_nobody(node: Node) -> None:
    """What a volume holds at /proc is the application's affair; what joins it later does not
    believe a word of it."""
    first = {"name": "first", "image": "localhost/host", "volumeMounts": [
        {"name": "v", "mountPath": "/v"}], "command": ["sh", "-c",
        "mkdir -p /v/self/fd /v/1; echo 'CapPrm: ffffffffffffffff' > /v/self/status"]}  # fmt: skip
    victim = {"volumeMounts": [{"name": "v", "mountPath": "/proc"}]}
    node.apply_text(
        pod("overproc", victim, volumes=[{"name": "v", "emptyDir": {}}], initContainers=[first])
    )
    done = inside(node, "overproc", "cat /proc/self/status; id -u", check=False)
    assert done.stdout.startswith("CapPrm")
    denied = inside(
        node, "overproc", "mknod /x b 8 0 && head -c 1 /x; mount -t tmpfs x /tmp", check=False
    )
    assert "ermi" in denied.stderr or "not permitted" in denied.stderr


def test_masked_targets_that_are_links_in_the_image(start: Start, root: Path) -> None:
    """The image's /sys is a tree of links to /etc: ours is mounted over it."""
    (root / "sys/firmware").symlink_to("/etc")
    (root / "sys/fs").mkdir()
    (root / "sys/fs/cgroup").symlink_to("/etc")
    (root / "etc/kept").write_text("kept")
    state, log = start('[sh, -c, "cat /etc/kept; ls /sys/firmware; ls -d /sys/fs/cgroup/."]')
    assert state["exitCode"] == 0, state
    assert log == "kept/sys/fs/cgroup/.\n"


def test_a_null_device_that_leads_to_descriptors_of_exec(node: Node) -> None:
    """Root in the container makes its own /dev/null a link to /proc/self/fd/N; a runtime that
    opens it for the standard input of a command opens its own descriptor, with its own rights."""
    node.apply_text(pod("null-exec"))
    inside(node, "null-exec", "echo private > /secret; rm /dev/null; ln -s /secret /dev/null")
    for number in range(3, 12):
        done = node.podrun("exec", "null-exec", "--", "cat")
        assert done.stdout == ""
        link = f"rm -f /dev/null; ln -s /proc/self/fd/{number} /dev/null"
        inside(node, "null-exec", link)
