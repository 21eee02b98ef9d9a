"""What the monitors recorded, as facts: a run that was never let go is no run."""

from __future__ import annotations

from pathlib import Path

import pytest

from podrun.agent.observe import was_never_let_go
from podrun.node.paths import PodPaths
from podrun.pod.facts import Run
from tests.unit.cli_node import Cli

GONE = '{"message": "gone", "step": "wait for the record", "errno": 3}'
FAILED = '{"message": "no such file", "step": "exec", "errno": 2}'


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        (f'"error": {GONE}', True),
        (f'"error": {FAILED}', False),
        (f'"startedAt": 1.0, "error": {GONE}', False),
        ('"startedAt": 1.0', False),
        ('"droppedLines": 0', False),
    ],
)
def test_only_the_wait_for_the_record_is_no_start(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    fields: str,
    expected: bool,
) -> None:
    stored = Cli(tmp_path, monkeypatch, capsys).pod("web")
    run = stored.facts.of("app").current
    assert run is not None
    directory = _attempt(stored.paths, run)
    directory.mkdir(parents=True, exist_ok=True)
    start = '{"version": 1, "code": 128, "signal": 0, "finishedAt": 2.0, '
    (directory / "exit.json").write_text(start + fields + "}")
    assert was_never_let_go(stored.paths, "app", run) is expected


def _attempt(paths: PodPaths, run: Run) -> Path:
    return paths.attempt("app", run.attempt)
