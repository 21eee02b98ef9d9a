"""When a reader starts an agent, and when not; the start itself is left out here."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from podrun.agent import client, main, stopped
from podrun.cli import wake
from podrun.node.config import Config
from podrun.node.paths import Paths
from tests.node import wait_until
from tests.unit.cli_node import Cli

READERS = [
    ("ps",), ("get", "pods"), ("get", "events"), ("describe", "web"), ("events",),
    ("logs", "web"), ("wait", "web", "--for=condition=Ready"), ("top", "--interval", "1ms"),
]  # fmt: skip


class Starts:
    """``client.start`` notes on disk that it was called: that happens in another process."""

    def __init__(self, at: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self._log = at / "starts"
        self._log.touch()
        monkeypatch.setattr(client, "start", self._note)
        monkeypatch.setattr(os, "geteuid", lambda: 0)

    def _note(self, config: Config) -> None:
        with self._log.open("a") as log:
            log.write(f"{config.run_root}\n")

    def wait_for(self, number: int) -> None:
        wait_until(lambda: self.count() >= number, what="a start")

    def count(self) -> int:
        return len(self._log.read_text().splitlines())


@pytest.fixture
def starts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Starts:
    return Starts(tmp_path, monkeypatch)


@pytest.fixture
def no_fork(monkeypatch: pytest.MonkeyPatch) -> None:
    def fork() -> int:
        raise AssertionError("an agent would be started")

    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setattr(os, "fork", fork)


@pytest.mark.parametrize("args", READERS, ids=lambda args: args[0])
def test_a_reader_starts_an_agent_that_is_missing(
    cli: Cli, starts: Starts, args: tuple[str, ...]
) -> None:
    stored = cli.pod("web")
    log = stored.paths.log("app", 0)
    log.parent.mkdir(parents=True)
    log.write_text("2024-05-01T10:00:00Z stdout F hello\n")
    cli.without_agent()
    assert cli(*args).code == 0
    starts.wait_for(1)


@pytest.mark.parametrize("args", READERS, ids=lambda args: args[0])
def test_none_is_started_where_one_runs(cli: Cli, no_fork: None, args: tuple[str, ...]) -> None:
    cli.pod("web")
    cli(*args)


def test_none_is_started_for_nothing(cli: Cli, no_fork: None) -> None:
    cli.without_agent()
    assert cli("ps").code == 0
    assert cli("ps", "-A").code == 0


def test_none_is_started_by_others_than_root(
    cli: Cli, no_fork: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    cli.pod("web")
    cli.without_agent()
    assert cli("ps").code == 0


def test_a_wish_holds_until_an_agent_is_started(
    cli: Cli, no_fork: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    cli.pod("web")
    cli.without_agent()
    assert cli("agent", "--stop") == (0, "", "no agent runs\n")
    assert stopped.is_wished(cli.paths)
    assert cli("ps").code == 0
    assert main.main(["--detached"]) == 0  # as the monitor of a container that has ended
    assert stopped.is_wished(cli.paths)
    monkeypatch.setattr(main, "serve", lambda config, listener: 0)
    assert main.main([]) == 0
    assert not stopped.is_wished(cli.paths)


def test_a_wish_ends_with_the_boot(cli: Cli, starts: Starts) -> None:
    cli.pod("web")
    cli.without_agent()
    cli.paths.agent_stopped.write_text("another boot\n")
    assert cli("ps").code == 0
    starts.wait_for(1)


def test_pods_that_have_ended_need_none(
    cli: Cli, starts: Starts, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    answers, is_needed = tmp_path / "answers", wake._is_needed

    def noted(paths: Paths) -> bool:
        """Asked in a process of its own, which nobody waits for."""
        found = is_needed(paths)
        with answers.open("a") as log:
            log.write(f"{found}\n")
        return found

    monkeypatch.setattr(wake, "_is_needed", noted)
    answers.touch()
    over = cli.pod("over", policy="Never")
    cli.ends(over.facts, "app", 0, at=1.0)
    assert over.facts.sandbox is not None
    over.facts.sandbox.stopped_at = 2.0
    cli.save(over)
    cli.without_agent()
    assert cli("ps").code == 0
    wait_until(lambda: answers.read_text() == "False\n", what="the first answer")
    cli.pod("web")
    assert cli("ps").code == 0
    starts.wait_for(1)
    assert answers.read_text() == "False\nTrue\n"
    assert starts.count() == 1
