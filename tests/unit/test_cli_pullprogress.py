"""What the command line shows of pods' pulls."""

from __future__ import annotations

import re
from typing import Any

import pytest

from podrun.cli.live import Live
from podrun.cli.pullprogress import PullProgress
from tests.unit.cli_node import Terminal

ONE, TWO = f"sha256:{'1' * 64}", f"sha256:{'2' * 64}"


def layers(
    *states: tuple[str, str, int], image: str = "app:v1", pod: str = "web"
) -> dict[str, Any]:
    rows = [{"digest": d, "state": s, "done": n, "total": 100} for d, s, n in states]
    return {"object": f"pod/{pod}", "pull": {"image": image, "layers": rows}}


def over(image: str = "app:v1", pod: str = "web") -> dict[str, Any]:
    return {"object": f"pod/{pod}", "pull": {"image": image, "over": True}}


def event(message: str) -> dict[str, Any]:
    return {"object": "pod/web", "event": {"reason": "…", "message": message}}


def last_lines(terminal: Terminal) -> list[str]:
    """What the last drawing shows."""
    drawn = re.split("\r\x1b\\[\\d+A", terminal.getvalue())[-1]
    lines = (line.partition("\x1b")[0] for line in drawn.split("\n"))
    return [line for line in lines if line]


def test_a_terminal_shows_a_line_for_each_layer_until_the_pull_is_over(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    terminal = Terminal.instead_of_stderr(monkeypatch, 80)
    with Live() as live:
        pulls = PullProgress(live)
        pulls(layers((ONE, "downloading", 50), (TWO, "waiting", 0)))
        assert [line[:12] for line in last_lines(terminal)] == ["1" * 12, "2" * 12]
        pulls(layers((ONE, "done", 100), pod="db"))  # the same download
        assert len(last_lines(terminal)) == 2
        pulls(over())
        assert last_lines(terminal) == []
        pulls(over(pod="db"))


def test_elsewhere_lines_tell_of_the_beginning_each_layer_and_the_end(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with Live() as live:
        pulls = PullProgress(live)
        pulls(event('Pulling image "app:v1"'))
        pulls(layers((ONE, "downloading", 50)))
        pulls(layers((ONE, "done", 100)))
        pulls(over())
        pulls(event('Successfully pulled image "app:v1" in 1s (1s including waiting).'))
        pulls(event("Created container: app"))
        pulls({"object": "pod/web", "result": "created"})
    assert capsys.readouterr().err.splitlines() == [
        'pod/web: Pulling image "app:v1"',
        "layer 111111111111: done, 100 B",
        'pod/web: Successfully pulled image "app:v1" in 1s (1s including waiting).',
    ]


def test_quiet_is_quiet(capsys: pytest.CaptureFixture[str]) -> None:
    with Live(quiet=True) as live:
        pulls = PullProgress(live)
        pulls(event('Pulling image "app:v1"'))
        pulls(layers((ONE, "done", 100)))
    assert capsys.readouterr().err == ""
