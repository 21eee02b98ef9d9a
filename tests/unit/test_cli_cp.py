"""``podrun cp``: which side is which, and what is refused."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from podrun.cli.cp import Spec, caller, parse_spec
from podrun.errors import UsageError
from tests.unit.cli_node import Cli


@pytest.mark.parametrize(
    ("text", "spec"),
    [
        ("web:/etc/passwd", Spec("/etc/passwd", "web")),
        ("web:logs", Spec("logs", "web")),
        ("web:/a:b", Spec("/a:b", "web")),
        ("team/web:/x", Spec("/x", "web", "team")),
        ("pod/web:/x", Spec("/x", "web")),
        ("file", Spec("file")),
        ("dir/file", Spec("dir/file")),
        ("/etc/a:b", Spec("/etc/a:b")),
        ("./a:b", Spec("./a:b")),
        ("../a:b", Spec("../a:b")),
    ],
)
def test_specs(text: str, spec: Spec) -> None:
    assert parse_spec(text) == spec


@pytest.mark.parametrize("text", ["", "web:", ":/x", "team/:/x", "a/b/c:d"])
def test_no_specs(text: str) -> None:
    with pytest.raises(UsageError):
        parse_spec(text)


def test_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    cli = Cli(tmp_path, monkeypatch, capsys)
    cli.pod("web", "a", "b")
    cli.pod("off", running=False)
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    assert "only root" in cli("cp", "x", "web:/x").err
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    assert cli("cp", "x").code == 2
    assert "neither is in a pod" in cli("cp", "x", "y").err
    assert "both are in pods" in cli("cp", "web:/x", "web:/y").err
    assert 'pods "db" not found' in cli("cp", "db:/x", ".").err
    assert 'has no container "c"' in cli("cp", "web:/x", ".", "-c", "c").err
    assert 'container "app" of pod "off" is not running' in cli("cp", "off:/x", ".").err
    done = cli("cp", "web:/x", ".")  # on record as running, but no process
    assert done.code == 1 and done.err.endswith(
        "error: the container is not running (see `podrun ps -c`)\n"
    )


def test_the_caller(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setenv("SUDO_UID", "1000")
    monkeypatch.setenv("SUDO_GID", "1001")
    assert caller() == (1000, 1001)
    monkeypatch.setenv("SUDO_UID", "x")
    assert caller() == (0, os.getegid())
