"""The lines of a terminal that are rewritten while something goes on."""

from __future__ import annotations

import pytest

from podrun.cli.live import Live
from tests.unit.cli_node import Terminal


def test_live_lines_are_gone_in_the_end(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    terminal = Terminal.instead_of_stderr(monkeypatch, 40)
    with Live() as live:
        live.say("pod/web", "Started container app\nand more " + "x" * 100)
        live.say("pod/db", "Pulling")
        live.result("pod/web created")
        live.done("pod/web")
    lines = terminal.getvalue().split("\n")
    assert max(len(line.replace("\x1b[K", "").replace("\x1b[J", "")) for line in lines) < 60
    assert terminal.getvalue().endswith("\r\x1b[1A\x1b[K\x1b[J")
    assert capsys.readouterr().out == "pod/web created\n"


def test_nothing_live_without_a_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    with Live() as live:
        live.say("pod/web", "Pulling")
        live.result("pod/web created")
    assert capsys.readouterr() == ("pod/web created\n", "")
