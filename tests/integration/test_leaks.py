"""The comparison that holds every other test to account must see what it claims to see."""

from __future__ import annotations

import os
import secrets
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests import leaks
from tests.node import wait_until


def _command(*command: str) -> None:
    subprocess.run(command, check=True)


def _cgroup(mark: str) -> None:
    points = [p for _, p, fstype, _ in leaks._mountinfo() if fstype in ("cgroup", "cgroup2")]
    os.mkdir(f"{points[-1]}/{mark}")


def _detached_process(mark: str) -> None:
    """A process that left our tree, as a daemon does; only its environment tells whose it is."""
    script = "import os, time; os.fork() and os._exit(0); os.setsid(); time.sleep(600)"
    _command("env", f"SOME_CONFIG=/tmp/{mark}/x", sys.executable, "-c", script)


MAKERS: dict[str, Callable[[str, Path], None]] = {
    "mount": lambda mark, tmp: _command("mount", "-t", "tmpfs", mark, str(tmp)),
    "namespace": lambda mark, _: _command("ip", "netns", "add", mark),
    "link": lambda mark, _: _command("ip", "link", "add", mark, "type", "bridge"),
    "cgroup": lambda mark, _: _cgroup(mark),
    "table": lambda mark, _: _command("nft", "add", "table", "inet", mark),
    "process": lambda mark, _: _detached_process(mark),
}


@pytest.mark.parametrize("kind", MAKERS)
def test_a_leak_is_seen_and_removed(kind: str, tmp_path: Path) -> None:
    mark = f"prt{secrets.token_hex(4)}"
    before = leaks.snapshot()

    def look() -> list[leaks.Trace]:
        return leaks.leaks(before, leaks.snapshot(), [mark], alone=False)

    assert look() == []
    try:
        MAKERS[kind](mark, tmp_path)
        assert kind in {trace.kind for trace in look()}
    finally:
        leaks.remove(look())
    assert leaks.settled(look) == []


def test_a_child_is_seen_while_it_lives_but_not_as_a_zombie() -> None:
    before = leaks.snapshot()

    def look() -> list[leaks.Trace]:
        return leaks.leaks(before, leaks.snapshot(), [leaks.DESCENDANT], alone=False)

    with subprocess.Popen(["sleep", "600"]) as child:
        found = wait_until(look)
        child.kill()
        assert [trace.kind for trace in found] == ["process"]
        assert leaks.settled(look) == []  # killed, and not yet waited for


def test_what_others_make_counts_only_when_nobody_else_is_here(tmp_path: Path) -> None:
    theirs = leaks.Trace("link", "docker0")
    suite = leaks.Trace("link", "prt01234567")
    process = leaks.Trace("process", "77@123 (cron)", "/usr/sbin/cron")
    after = frozenset({theirs, suite, process})
    assert leaks.leaks(frozenset(), after, ["prt76543210"], alone=False) == []
    assert leaks.leaks(frozenset(), after, ["prt76543210"], alone=True) == [theirs]
