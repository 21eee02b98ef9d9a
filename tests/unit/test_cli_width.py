"""What is printed on a narrow terminal; in a pipe nothing is ever wrapped."""

from __future__ import annotations

import contextlib
import fcntl
import os
import pty
import struct
import subprocess
import sys
import termios
from pathlib import Path

import pytest

from podrun.api.kinds import POD
from podrun.cli import image, system
from podrun.cli.eventtable import About, EventQuery, _row
from podrun.cli.table import table
from podrun.cli.width import hanging
from podrun.image import host
from podrun.pod.events import Event
from tests.unit.cli_node import Cli

MESSAGE = "Readiness probe failed: connection to 10.85.0.7 port 8080 was refused by the peer"
ROWS = [("5s", "Warning", "Unhealthy", "pod/web", MESSAGE)]
HEADER = ("LAST SEEN", "TYPE", "REASON", "OBJECT", "MESSAGE")


@pytest.fixture
def cli(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Cli:
    cli = Cli(tmp_path, monkeypatch, capsys)
    stored = cli.pod("web", "app")
    cli.save(stored, (Event("Warning", "Unhealthy", MESSAGE, "", 1e9, 1e9),))
    return cli


def on_terminal(cli: Cli, columns: int, *args: str) -> list[str]:
    """The lines that a command prints on a real terminal."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(ours, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
    environment = {**os.environ, "PODRUN_CONFIG": str(cli.config_file), "TERM": "xterm"}
    environment.pop("COLUMNS", None)
    command = [sys.executable, "-m", "podrun", *args]
    process = subprocess.Popen(command, stdin=theirs, stdout=theirs, stderr=theirs, env=environment)
    os.close(theirs)
    shown = b""
    with contextlib.suppress(OSError):  # EIO: nobody has the other end any more
        while data := os.read(ours, 65536):
            shown += data
    os.close(ours)
    assert process.wait() == 0, shown
    return shown.decode().splitlines()


def test_the_last_column_is_wrapped_below_itself() -> None:
    first, *rest = table(HEADER, ROWS, width=80).splitlines()[1:]
    at = first.index("Readiness")
    assert all(line.startswith(" " * at) and line[at] != " " for line in rest)
    assert " ".join([first[at:], *map(str.strip, rest)]) == MESSAGE


def test_without_room_it_goes_below_the_line() -> None:
    lines = table(HEADER, ROWS, width=40).splitlines()
    assert lines[1] == "    MESSAGE"
    assert lines[3].startswith("    Readiness probe failed:")
    assert max(map(len, lines)) <= 40


@pytest.mark.parametrize("width", [20, 40, 80, None])
def test_words_are_never_cut(width: int | None) -> None:
    digest = "sha256:" + 64 * "a"
    assert digest in "".join(hanging("Image ID:  ", f"{digest} and more", width))


def test_in_a_pipe_nothing_is_wrapped(cli: Cli) -> None:
    for verb in (("events",), ("describe", "web")):
        assert MESSAGE in cli(*verb).out


@pytest.mark.parametrize(
    "verb", [("events",), ("describe", "web"), ("explain", "pod.spec"), ("ps", "-c")]
)
def test_what_can_be_wrapped_fits_a_narrow_terminal(cli: Cli, verb: tuple[str, ...]) -> None:
    for line in on_terminal(cli, 40, *verb):
        assert len(line) <= 40 or len(line.split()) <= 2, line  # a name, and one long word


def test_images_fit_a_narrow_terminal(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("podrun.cli.width.columns", lambda: 40)
    image._table([host.image()])
    lines = capsys.readouterr().out.splitlines()
    assert max(map(len, lines)) <= 40
    assert lines[0].split()[:2] == ["IMAGE", "ID"] and lines[-1] == "    localhost/host:latest"


def test_a_check_fits_a_narrow_terminal(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(system, "columns", lambda: 40)
    system._print_check("warn", "capabilities", "nobody can be protected from it", "go on")
    assert capsys.readouterr().out.splitlines() == [
        "warn  capabilities",
        "    nobody can be protected from it",
        "    → go on",
    ]


@pytest.mark.parametrize("group", ["image", "system"])
def test_a_group_alone_shows_its_help(cli: Cli, group: str) -> None:
    lines = on_terminal(cli, 40, group)
    assert lines[0].startswith(f"Usage: podrun {group}") and max(map(len, lines)) <= 40


def test_explain_in_a_pipe(cli: Cli) -> None:
    text = cli("explain", "pod.spec.containers").out
    assert 80 < max(map(len, text.splitlines())) <= 90


def test_events_that_come_later_cannot_move_the_cursor(cli: Cli) -> None:
    stored = cli.pod("evil")
    event = Event("Warning", "Unhealthy", "\x1b[2Jboo", "", 1e9, 1e9)
    assert "\x1b" not in "".join(_row(EventQuery(), About(POD, stored.pod.metadata), event, 1e9))
