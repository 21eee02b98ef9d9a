"""``podrun restart`` up to the agent: what is asked, and what is refused before."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

import pytest

from podrun.node.config import Config
from tests.unit.cli_node import Cli

pytestmark = pytest.mark.usefixtures("as_root")


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """What the agent was asked; it answers that web was restarted, and that db cannot be."""
    requests: list[dict[str, Any]] = []

    def call(
        config: Config, request: dict[str, Any], *_: object, **__: object
    ) -> Iterator[dict[str, Any]]:
        requests.append(request)
        yield {"object": "pod/web", "namespace": "default", "result": "restarted"}
        yield {"done": {"obstacles": {"pod/db": "no"} if len(request["uids"]) > 1 else {}}}

    monkeypatch.setattr("podrun.agent.client.call", call)
    return requests


def test_the_request(cli: Cli, asked: list[dict[str, Any]]) -> None:
    cli.pod("web", "app", "side")
    assert cli("restart", "pod/web", "-c", "side", "--timeout", "1m").out == "pod/web restarted\n"
    assert asked == [
        {
            "version": 1, "verb": "restart", "uids": ["uid-default-web"], "container": "side",
            "wait": True, "timeout": 60.0,
        }
    ]  # fmt: skip
    assert cli("restart", "web", "-q", "--no-wait").out == ""
    assert (asked[1]["container"], asked[1]["wait"], asked[1]["timeout"]) == ("", False, None)


def test_one_that_cannot_go_on(cli: Cli, asked: list[dict[str, Any]]) -> None:
    cli.pod("web")
    cli.pod("db")
    done = cli("restart", "web", "db")
    assert (done.code, done.out) == (1, "pod/web restarted\n")
    assert done.err.startswith("error: pod/db cannot go on: no")


def test_refused(cli: Cli, asked: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch) -> None:
    cli.pod("web", "app")
    assert "POD..." in cli("restart").err
    assert cli("restart", "pods").code == 2
    assert cli("restart", "events", "x").code == 2
    assert 'pods "db" not found' in cli("restart", "web", "db").err
    assert 'pod "web" has no container "x"' in cli("restart", "web", "-c", "x").err
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    done = cli("restart", "web")
    assert done == (1, "", "error: only root can restart pods (run it with sudo)\n")
    assert asked == []
