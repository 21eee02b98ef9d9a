"""The lines of layers: what fits, what stays, what is said where there is no terminal."""

from __future__ import annotations

import os
import time
from types import SimpleNamespace

import pytest

from podrun.cli import live
from podrun.cli.layerbars import LayerBars, bar
from podrun.cli.live import Live
from podrun.image.progress import LayerProgress, State
from tests.unit.cli_node import Terminal

DIGEST = "sha256:" + "c1ec31eb5944" + "0" * 52


def progress(
    state: State, done: int = 0, total: int = 45_600_000, digit: str = ""
) -> LayerProgress:
    return LayerProgress(DIGEST if not digit else f"sha256:{digit * 64}", state, done, total)


@pytest.mark.parametrize(
    ("width", "line"),
    [
        (100, "c1ec31eb5944  downloading  [======>                       ]  12.3/45.6 MB   26 %"
              "   8.1 MB/s"),
        (76, "c1ec31eb5944  downloading  [==>          ]  12.3/45.6 MB   26 %   8.1 MB/s"),
        (71, "c1ec31eb5944  downloading  [=>      ]  12.3/45.6 MB   26 %   8.1 MB/s"),
        (60, "c1ec31eb5944  downloading  12.3/45.6 MB   26 %   8.1 MB/s"),
        (50, "c1ec31eb5944  downloading   26 %   8.1 MB/s"),
        (36, "c1ec31eb5944  downloading   26 %"),
        (20, "c1ec31eb5944  downlo"),
    ],
)  # fmt: skip
def test_a_bar_for_each_width(width: int, line: str) -> None:
    found = bar(progress("downloading", 12_300_000), 8_100_000, width)
    assert found == line
    assert len(found) <= width


@pytest.mark.parametrize("width", range(1, 130))
@pytest.mark.parametrize("done", [0, 1, 45_599_999, 45_600_000])
def test_a_bar_never_wraps(width: int, done: int) -> None:
    for state in ("waiting", "downloading", "unpacking", "uploading", "done", "exists"):
        assert len(bar(progress(state, done), 1e9, width)) <= width


def test_a_layer_without_bytes() -> None:
    assert "100 %" in bar(progress("downloading", 0, 0), 0, 100)


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> Terminal:
    screen = Terminal()
    monkeypatch.setattr(live, "sys", SimpleNamespace(stderr=screen))  # pytest resets its own
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setattr(live, "_rows", lambda: 24)
    return screen


def test_on_a_terminal_lines_are_rewritten_and_gone_at_the_end(terminal: Terminal) -> None:
    with Live() as shown:
        bars = LayerBars(shown)
        bars(progress("waiting"))
        bars(progress("downloading", 1))
        bars(progress("done", 45_600_000))
        assert "\x1b[1A" in terminal.getvalue()
        before = len(terminal.getvalue())
    assert terminal.getvalue()[before:] == "\r\x1b[1A\x1b[K\x1b[J"
    assert terminal.getvalue().count("\n") == 3


def test_few_changes_are_drawn_once(terminal: Terminal, monkeypatch: pytest.MonkeyPatch) -> None:
    now = 100.0
    monkeypatch.setattr(time, "monotonic", lambda: now)
    with Live() as shown:
        bars = LayerBars(shown)
        for done in range(0, 1000, 10):
            bars(progress("downloading", done))
        assert terminal.getvalue().count("\n") == 1
        now += 1
        bars(progress("downloading", 9_000_000))
        assert "9.0 MB/s" in terminal.getvalue()


def test_more_layers_than_lines(terminal: Terminal, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live, "_rows", lambda: 4)
    with Live() as shown:
        bars = LayerBars(shown)
        for digit in "123456":
            bars(progress("waiting", digit=digit))
        last = terminal.getvalue().rpartition("A")[2]
        assert last.count("\n") == 3
        assert "and 4 more" in last
        for digit in "1234":
            bars(progress("done", digit=digit))
        last = terminal.getvalue().rpartition("A")[2]
        assert [line[:1] for line in last.splitlines()[:3]] == ["4", "5", "6"]


def test_elsewhere_each_layer_is_told_of_once(capsys: pytest.CaptureFixture[str]) -> None:
    with Live() as shown:
        bars = LayerBars(shown)
        for state in ("waiting", "downloading", "unpacking", "done"):
            bars(progress(state))
        bars(progress("exists", digit="2"))
    assert capsys.readouterr().err.splitlines() == [
        "layer c1ec31eb5944: done, 45.6 MB",
        "layer 222222222222: exists, 45.6 MB",
    ]


def test_quiet_is_quiet(capsys: pytest.CaptureFixture[str]) -> None:
    with Live(quiet=True) as shown:
        LayerBars(shown)(progress("done"))
    assert capsys.readouterr() == ("", "")


def test_the_width_is_told_or_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "33")
    assert live.columns() == 33
    monkeypatch.setenv("COLUMNS", "wide")
    monkeypatch.setattr(os, "get_terminal_size", lambda fd: os.terminal_size((0, 0)))
    assert (live.columns(), live._rows()) == (80, 24)
