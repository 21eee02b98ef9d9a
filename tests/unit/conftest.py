"""``cli``: the command line with records of its own; ``as_root``: it takes us for root;
``agent``: what it asks the agent, which runs or does not."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.unit.cli_node import Cli
from tests.unit.fake_agent import FakeAgent


@pytest.fixture
def cli(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Cli:
    return Cli(tmp_path, monkeypatch, capsys)


@pytest.fixture
def as_root(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 0)


@pytest.fixture(params=[True, False], ids=["agent", "no agent"])
def agent(monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> FakeAgent:
    fake = FakeAgent(running=request.param)
    monkeypatch.setattr("podrun.agent.client.call", fake.call)
    return fake
