"""``podrun delete``: what is asked of the agent, and what is said while it takes its time."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from podrun.node.config import Config
from tests.unit.cli_node import Cli
from tests.unit.fake_agent import FakeAgent, pod, result

pytestmark = pytest.mark.usefixtures("as_root")


def silence(monkeypatch: pytest.MonkeyPatch, seconds: float) -> None:
    monkeypatch.setattr("podrun.cli.delete._SILENCE", seconds)


def test_delete_by_name(cli: Cli, agent: FakeAgent) -> None:
    web = cli.pod("web")
    agent.answers = [result("web", "deleted"), {"done": {}}]
    assert cli("delete", "web") == (0, 'pod "web" deleted\n', "")
    (request,) = agent.requests
    assert request["uids"] == [web.paths.uid]
    assert (request["graceSeconds"], request["wait"]) == (None, True)


@pytest.mark.parametrize(
    ("flags", "grace"),
    [
        (("--force",), 0),
        (("--now",), 1),
        (("--grace-period", "7"), 7),
        (("--grace-period=-1",), None),
        (("--grace-period=0", "--force"), 0),
    ],
)
def test_grace(cli: Cli, agent: FakeAgent, flags: tuple[str, ...], grace: int | None) -> None:
    cli.pod("web")
    assert cli("delete", "pod/web", *flags).code == 0
    assert agent.requests[0]["graceSeconds"] == grace


def test_all_that_is_named_must_be_there(cli: Cli, agent: FakeAgent) -> None:
    cli.pod("web")
    done = cli("delete", "web", "nope")
    assert done.code == 1 and agent.requests == []
    assert done.err == 'error: pods "nope" not found (nothing was deleted)\n'
    assert cli("delete", "web", "nope", "--ignore-not-found").out == 'pod "web" deleted\n'
    assert cli("delete", "nope", "--ignore-not-found").code == 0
    assert len(agent.requests) == 1


def test_delete_what_a_file_names(cli: Cli, agent: FakeAgent, tmp_path: Path) -> None:
    cli.pod("web")
    cli.pod("web", namespace="team")
    (tmp_path / "pod.yaml").write_text(pod("web"))
    assert cli("delete", "-f", tmp_path / "pod.yaml").code == 0
    assert cli("delete", "-f", tmp_path / "pod.yaml", "-n", "team").code == 0
    assert [each["uids"] for each in agent.requests] == [["uid-default-web"], ["uid-team-web"]]


def test_delete_all(cli: Cli, agent: FakeAgent) -> None:
    for name, namespace in (("a", "default"), ("b", "default"), ("c", "team")):
        cli.pod(name, namespace=namespace, labels={"x": name})
    cli.pod("a", replaces="uid-default-a")
    cli("delete", "pods", "--all", "--wait=false")
    cli("delete", "pods", "--all", "-A")
    cli("delete", "-l", "x=b")
    assert [sorted(each["uids"]) for each in agent.requests] == [
        ["uid-default-a", "uid-default-a-new", "uid-default-b"],
        ["uid-default-a", "uid-default-a-new", "uid-default-b", "uid-team-c"],
        ["uid-default-b"],
    ]
    assert agent.requests[0]["wait"] is False


def test_delete_usage(cli: Cli, agent: FakeAgent) -> None:
    cli.pod("web")
    for args in ([], ["pods"], ["web", "--all"], ["web", "-l", "a=b"], ["svc", "x"], ["events"]):
        assert cli("delete", *args).code == 2, args
    assert agent.requests == []


def test_delete_all_of_nothing(cli: Cli, agent: FakeAgent) -> None:
    assert cli("delete", "--all") == (0, "", "No resources found.\n")
    assert agent.requests == []


# ── a deletion that takes its time ──────────────────────────────────────────────────────────────


@pytest.mark.parametrize(("flags", "most"), [((), 30), (("--grace-period", "7"), 7)])
def test_a_long_deletion_says_what_is_waited_for(
    cli: Cli, agent: FakeAgent, monkeypatch: pytest.MonkeyPatch, flags: tuple[str, ...], most: int
) -> None:
    silence(monkeypatch, 60)
    for name in ("web", "db", "gone"):
        cli.pod(name)

    def slowly(config: Config, request: dict[str, Any]) -> Iterator[dict[str, Any]]:
        cli.paths.pod("uid-default-gone", "", "").pod.unlink()
        assert signal.getitimer(signal.ITIMER_REAL)[0] > 0
        signal.raise_signal(signal.SIGALRM)  # the time is over
        yield result("web", "deleted")
        yield {"done": {}}

    monkeypatch.setattr("podrun.agent.client.call", slowly)
    done = cli("delete", "web", "db", "gone", *flags)
    assert done.err.splitlines() == [
        f"pod/{name} deleting, up to {most} s" for name in ("db", "web")
    ]
    assert done.out.splitlines()[0] == 'pod "web" deleted'
    assert signal.getsignal(signal.SIGALRM) == signal.SIG_DFL
    assert signal.getitimer(signal.ITIMER_REAL)[0] == 0


def test_a_quiet_deletion_says_nothing(
    cli: Cli, agent: FakeAgent, monkeypatch: pytest.MonkeyPatch
) -> None:
    silence(monkeypatch, 0.0001)
    cli.pod("web")
    assert cli("delete", "web", "-q") == (0, "", "")
