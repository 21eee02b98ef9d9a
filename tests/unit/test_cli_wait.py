"""``podrun wait``: for conditions, phases, ends, and what will never be."""

from __future__ import annotations

import time

import pytest

from podrun.pod.facts import Exit
from tests.unit.cli_node import Cli
from tests.unit.test_cli_pods import command


def test_wait_for_what_is_so_already(cli: Cli) -> None:
    cli.pod("web")
    assert cli("wait", "web", "--for=condition=Ready") == (0, "pod/web condition met\n", "")
    assert cli("wait", "pod/web", "--for=phase=running").code == 0
    assert cli("wait", "--all", "--for=jsonpath={.status.podIP}=10.85.0.7").code == 0
    assert cli("wait", "web", "--for=jsonpath={.status.podIP}").code == 0
    assert cli("wait", "nope", "--for=delete") == (0, "pod/nope deleted\n", "")


def test_wait_runs_out_of_time(cli: Cli) -> None:
    cli.pod("web")
    done = cli("wait", "web", "--for=phase=Succeeded", "--timeout", "60ms")
    assert done.code == 124 and done.out == ""
    assert done.err == "error: timed out waiting for phase=Succeeded on pod/web\n"


def test_wait_for_a_change(cli: Cli) -> None:
    stored = cli.pod("web", running=False)
    process = command(cli, "wait", "web", "--for=condition=Ready", "--timeout", "20s")
    time.sleep(0.2)
    stored = cli.pod("web")
    out, err = process.communicate(timeout=20)
    assert (process.returncode, out, err) == (0, "pod/web condition met\n", "")
    process = command(cli, "wait", "web", "--for=delete", "--timeout", "20s")
    time.sleep(0.2)
    stored.paths.pod.unlink()
    out, err = process.communicate(timeout=20)
    assert (process.returncode, out, err) == (0, "pod/web deleted\n", "")


@pytest.mark.parametrize(("codes", "expected"), [((0, 0), 0), ((0, 7), 7), ((3, 7), 3)])
def test_wait_for_exit_gives_the_pods_code(cli: Cli, codes: tuple[int, int], expected: int) -> None:
    stored = cli.pod("job", "a", "b", policy="Never")
    for name, code in zip(("a", "b"), codes, strict=True):
        cli.ends(stored.facts, name, code, at=time.time())
    cli.save(stored)
    assert cli("wait", "job", "--for=exit") == (expected, "", "")


def test_wait_for_exit_of_a_failed_init_container(cli: Cli) -> None:
    stored = cli.pod("job", "a", init=("setup",), policy="Never")
    run = stored.facts.containers["setup"].current
    assert run is not None
    run.exit = Exit(4, time.time())
    del stored.facts.containers["a"]
    cli.save(stored)
    assert cli("wait", "job", "--for=exit").code == 4


def ended_job(cli: Cli, code: int, policy: str = "Never") -> None:
    stored = cli.pod("job", policy=policy)
    cli.ends(stored.facts, "app", code, at=time.time())
    cli.save(stored)


def test_waiting_for_what_will_never_be(cli: Cli) -> None:
    ended_job(cli, 1)
    done = cli("wait", "job", "--for=condition=Ready")
    assert done.code == 1 and "has ended (Failed)" in done.err


@pytest.mark.parametrize(
    "what", ["phase=Running", "phase=succeeded", "jsonpath={.status.phase}=Succeeded"]
)
def test_a_phase_that_will_never_be(cli: Cli, what: str) -> None:
    stored = cli.pod("job", policy="Never")
    process = command(cli, "wait", "job", f"--for={what.replace('Running', 'Succeeded')}")
    cli.ends(stored.facts, "app", 7, at=time.time())
    cli.save(stored)
    _, err = process.communicate(timeout=20)
    assert process.returncode == 1
    done = cli("wait", "job", f"--for={what}")
    assert done.code == 1 and done.out == ""
    assert "job has ended (Failed): app exited with 7, Error; it will not be" in done.err
    assert "it will not be Succeeded (delete it and apply it again)" in err


def test_a_pod_that_went_well_will_not_run_again(cli: Cli) -> None:
    ended_job(cli, 0)
    done = cli("wait", "job", "--for=phase=Running")
    assert done.code == 1 and "has ended (Succeeded): it will not be Running" in done.err
    assert cli("wait", "job", "--for=phase=Succeeded").code == 0


def test_what_restarts_may_still_succeed(cli: Cli) -> None:
    ended_job(cli, 7, policy="OnFailure")
    assert cli("wait", "job", "--for=phase=Succeeded", "--timeout", "60ms").code == 124


@pytest.mark.parametrize("what", ["ready", "condition=", "jsonpath={.a", "phase", "phase=Ready"])
def test_wait_usage(cli: Cli, what: str) -> None:
    cli.pod("web")
    assert cli("wait", "web", f"--for={what}").code == 2
    assert cli("wait", "--for=exit").code == 2
