"""How the command line starts an agent: by its unit where systemd knows it, else detached."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from podrun.agent import client


@pytest.fixture
def systemd(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine on which systemd runs, knows the unit, and its systemctl notes what it is told."""
    (tmp_path / "run").mkdir()
    (tmp_path / "units").mkdir()
    (tmp_path / "units" / client.UNIT).touch()
    systemctl = tmp_path / "systemctl"
    systemctl.write_text(f"#!/bin/sh\necho $* >> {tmp_path}/told\n")
    systemctl.chmod(0o755)
    monkeypatch.setattr(client, "SYSTEMD_RUNS", str(tmp_path / "run"))
    monkeypatch.setattr(client, "UNIT_DIRECTORIES", (str(tmp_path / "units"),))
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    monkeypatch.delenv("PODRUN_CONFIG", raising=False)
    return tmp_path


def test_by_its_unit_where_systemd_knows_it(systemd: Path) -> None:
    assert client._has_unit()
    assert client._start_unit()
    assert (systemd / "told").read_text() == "start podrun-agent.service\n"


def test_not_by_the_unit_when_another_configuration_is_asked_for(
    systemd: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PODRUN_CONFIG", "/some/where")
    assert not client._has_unit()


def test_not_by_a_unit_that_is_not_installed(systemd: Path) -> None:
    (systemd / "units" / client.UNIT).unlink()
    assert not client._has_unit()


def test_a_unit_that_fails_is_no_start(systemd: Path) -> None:
    (systemd / "systemctl").write_text("#!/bin/sh\nexit 1\n")
    assert not client._start_unit()
