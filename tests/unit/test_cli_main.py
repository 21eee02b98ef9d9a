"""The front door: verbs, help, and how whatever goes wrong is said."""

from __future__ import annotations

import importlib
import os
import subprocess
import sys

import click
import pytest

from podrun.cli.main import VERBS, entry, main, module_of
from podrun.errors import (
    Conflict,
    InvalidManifest,
    MechanismFailed,
    PodrunError,
    UsageError,
    WaitTimeout,
)
from tests.unit.cli_node import Cli

ALL_VERBS = [(name, text) for section in VERBS.values() for name, text in section.items()]


def raising(monkeypatch: pytest.MonkeyPatch, error: BaseException) -> None:
    """``podrun version`` raises ``error``."""

    def fail() -> dict[str, str]:
        raise error

    monkeypatch.setattr("podrun.cli.version.versions", fail)


@pytest.mark.parametrize(("name", "summary"), ALL_VERBS)
def test_the_list_of_verbs_says_what_their_help_says(name: str, summary: str) -> None:
    command = importlib.import_module(module_of(name)).command
    assert isinstance(command, click.Command)
    assert command.name == name
    assert (command.help or "").splitlines()[0] == summary


@pytest.mark.parametrize("columns", [40, 80])
@pytest.mark.parametrize(
    "name",
    ["", "system check", "system df", "system reset", *(name for name, _ in ALL_VERBS)],
)
def test_help_fits_the_terminal(
    cli: Cli, monkeypatch: pytest.MonkeyPatch, name: str, columns: int
) -> None:
    monkeypatch.setenv("COLUMNS", str(columns))
    done = cli(*name.split(), "--help")
    assert done.code == 0 and done.err == ""
    prose = done.out.split("Examples:")[0]  # an example is one line, to be copied
    assert max(map(len, prose.splitlines())) <= columns


def test_no_verb_prints_the_help(cli: Cli) -> None:
    assert cli().out == cli("--help").out


def test_unknown_verb_gets_a_suggestion(cli: Cli) -> None:
    done = cli("aply", "-f", "x")
    assert done.code == 2 and done.out == ""
    assert (
        done.err == "error: there is no verb 'aply'; did you mean 'apply'? (see `podrun --help`)\n"
    )


@pytest.mark.parametrize(("word", "verb"), [("rm", "delete"), ("images", "image ls")])
def test_verbs_of_other_tools_are_translated(cli: Cli, word: str, verb: str) -> None:
    assert f"here it is 'podrun {verb}'" in cli(word).err


def test_manifests_are_not_fetched(cli: Cli) -> None:
    done = cli("apply", "--dry-run", "https://example.com/pod.yaml")
    assert done.code == 2 and "https://example.com/pod.yaml: podrun does not fetch" in done.err


def test_unknown_option_is_a_usage_error(cli: Cli) -> None:
    done = cli("ps", "--allover")
    assert done.code == 2
    assert done.err.startswith("error: no such option '--allover'")
    assert "podrun ps --help" in done.err


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (PodrunError("m"), 1),
        (UsageError("m"), 2),
        (InvalidManifest("m"), 3),
        (WaitTimeout("m"), 124),
        (Conflict("m"), 1),
        (MechanismFailed("m"), 1),
        (KeyboardInterrupt(), 130),
        (click.Abort(), 130),
    ],
)
def test_exit_codes(
    cli: Cli, monkeypatch: pytest.MonkeyPatch, error: BaseException, code: int
) -> None:
    raising(monkeypatch, error)
    assert cli("version").code == code


def test_an_error_says_what_and_what_to_do(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    raising(monkeypatch, PodrunError("mount /x: no", hint="modprobe overlay"))
    assert cli("version").err == "error: mount /x: no (modprobe overlay)\n"


def test_the_unexpected_is_one_line(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    raising(monkeypatch, RuntimeError("boom"))
    done = cli("version")
    assert done.code == 1
    assert done.err == "error: unexpected RuntimeError: boom (run with --debug for a traceback)\n"


@pytest.mark.parametrize("args", [["--debug", "version"], ["version", "--debug"]])
def test_debug_shows_the_traceback(
    cli: Cli, monkeypatch: pytest.MonkeyPatch, args: list[str]
) -> None:
    raising(monkeypatch, RuntimeError("boom"))
    done = cli(*args)
    assert "Traceback" in done.err and "in fail" in done.err


def test_a_denied_file_asks_for_root(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    raising(monkeypatch, PermissionError(13, "Permission denied", "/var/lib/podrun/x"))
    done = cli("version")
    assert done.err == "error: permission denied: /var/lib/podrun/x (run it with sudo)\n"


def test_a_full_disk_is_said_plainly(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    raising(monkeypatch, OSError(28, "No space left on device", "/var/lib/podrun/x"))
    done = cli("version")
    assert done.code == 1
    assert "no space left on device: /var/lib/podrun/x" in done.err.lower()
    assert "podrun system df" in done.err


def test_a_closed_pipe_is_silent() -> None:
    script = "import sys; from podrun.cli.main import entry; sys.exit(entry(['--help']))"
    read, write = os.pipe()
    os.close(read)
    done = subprocess.run(
        [sys.executable, "-c", script], stdout=write, stderr=subprocess.PIPE, check=False
    )
    os.close(write)
    assert (done.returncode, done.stderr) == (141, b"")


def test_flags_take_kubectls_values(cli: Cli) -> None:
    from podrun.cli.delete import command

    context = command.make_context("delete", ["web", "--wait=false", "--force=true", "--now=false"])
    assert context.params["wait"] is False
    assert context.params["force"] is True
    assert context.params["now"] is False


def test_completion_of_verbs_and_pods(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    cli.pod("web", "app", "side")
    cli.pod("db")

    def complete(*words: str) -> list[str]:
        from click.shell_completion import BashComplete

        found = BashComplete(main, {}, "podrun", "_PODRUN_COMPLETE")
        return [item.value for item in found.get_completions(list(words[:-1]), words[-1])]

    assert complete("de") == ["describe", "delete"]
    assert complete("logs", "") == ["db", "web"]
    assert complete("logs", "web", "-c", "s") == ["side"]
    assert complete("delete", "pod/w") == ["pod/web"]


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_scripts(cli: Cli, shell: str) -> None:
    done = cli("completion", shell)
    assert done.code == 0 and "_PODRUN_COMPLETE" in done.out


def test_entry_takes_the_process_arguments(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["podrun", "explain", "pod.spec.containers.image"])
    assert entry() == 0
    assert "spec.containers.image" in capsys.readouterr().out
