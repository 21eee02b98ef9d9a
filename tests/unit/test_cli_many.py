"""Several pods at once: ``logs -l``, ``--sort-by``."""

from __future__ import annotations

import os
import subprocess
import sys
import time

import pytest

from podrun.cli.sorting import sorted_by
from podrun.errors import UsageError
from podrun.pod.events import Event
from podrun.pod.facts import ContainerFacts
from tests.unit.cli_node import Cli
from tests.unit.test_cli_logs import entry, write


@pytest.fixture
def three(cli: Cli) -> Cli:
    for name in ("web-1", "web-2", "db"):
        stored = cli.pod(name, labels={"app": name.partition("-")[0]})
        write(stored.paths.log("app", 0), entry(f"of {name}"))
    return cli


# ── logs -l ─────────────────────────────────────────────────────────────────────────────────────


def test_logs_of_all_pods_with_a_label(three: Cli) -> None:
    done = three("logs", "-l", "app=web")
    assert done == (0, "[pod/web-1/app] of web-1\n[pod/web-2/app] of web-2\n", "")
    assert three("logs", "-l", "app=web", "--no-prefix").out == "of web-1\nof web-2\n"
    assert three("logs", "-l", "app=web", "--prefix=false").out == "of web-1\nof web-2\n"


def test_logs_of_the_only_pod_with_a_label_have_no_prefix(three: Cli) -> None:
    assert three("logs", "-l", "app=db").out == "of db\n"
    assert three("logs", "-l", "app=db", "--prefix").out == "[pod/db/app] of db\n"


def test_logs_of_nothing(three: Cli) -> None:
    assert three("logs", "-l", "app=x") == (0, "", "No resources found in default namespace.\n")
    assert three("logs").code == 2
    assert three("logs", "web-1", "-l", "app=web").code == 2


def test_one_that_waits_does_not_hide_the_others(three: Cli) -> None:
    three.pod("web-3", labels={"app": "web"}, running=False)
    done = three("logs", "-l", "app=web")
    assert done.code == 0 and len(done.out.splitlines()) == 2
    assert 'pod "web-3" is waiting to start' in done.err


def test_previous_runs_of_those_that_have_one(three: Cli) -> None:
    assert "no previous run" in three("logs", "-l", "app=web", "-p").err
    stored = three.pod("web-2", labels={"app": "web"})
    run = three.run(stored.pod.spec.containers[0], time.time(), attempt=1)
    first = stored.facts.containers["app"].current
    stored.facts.containers["app"] = ContainerFacts(current=run, last=first, restarts=1)
    three.save(stored)
    assert three("logs", "-l", "app=web", "-p").out == "[pod/web-2/app] of web-2\n"


def test_following_several_ends_with_the_last(three: Cli) -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", "podrun", "logs", "-f", "-l", "app=web"],
        stdout=subprocess.PIPE,
        env={**os.environ, "PODRUN_CONFIG": str(three.config_file)},
    )
    assert process.stdout is not None
    seen = {process.stdout.readline(), process.stdout.readline()}
    assert seen == {b"[pod/web-1/app] of web-1\n", b"[pod/web-2/app] of web-2\n"}
    ended = '{"version":1,"code":0,"signal":0,"startedAt":1,"finishedAt":2}'
    for name in ("web-1", "web-2"):
        assert process.poll() is None
        paths = three.paths.pod(f"uid-default-{name}", "default", name)
        (paths.attempt("app", 0) / "exit.json").write_text(ended)
    assert process.wait(timeout=20) == 0
    process.stdout.close()


# ── --sort-by ───────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("path", [".a", "{.a}", "a", " .a "])
def test_the_order_is_natural(path: str) -> None:
    values: list[dict[str, object]] = [
        {"a": "web-10"},
        {"a": "web-2"},
        {},
        {"a": 10},
        {"a": 9},
        {"a": "10"},
        {"a": "9"},
    ]
    found = sorted_by(path, values, lambda each: each)
    assert [each.get("a") for each in found] == [None, 9, 10, "9", "10", "web-2", "web-10"]


@pytest.mark.parametrize("path", ["{.a{", ".nope", ".a[", "a b"])
def test_no_order(path: str) -> None:
    with pytest.raises(UsageError):
        sorted_by(path, [{"a": 1}], lambda each: each)
    assert sorted_by(".nope", [], lambda each: each) == []


@pytest.mark.parametrize("verb", [("ps",), ("get", "pods")])
def test_pods_are_sorted(three: Cli, verb: tuple[str, ...]) -> None:
    assert [line.split()[0] for line in three(*verb, "--no-headers").out.splitlines()] == [
        "db", "web-1", "web-2",
    ]  # fmt: skip
    facts = three.pod("web-1", labels={"app": "web"})
    facts.facts.containers["app"].restarts = 3
    three.save(facts)
    out = three(*verb, "--sort-by", "{.status.containerStatuses[0].restartCount}").out
    assert [line.split()[0] for line in out.splitlines()] == ["NAME", "db", "web-2", "web-1"]
    assert three(*verb, "--sort-by", ".status.hostIP").code == 0
    assert three(*verb, "--sort-by", ".nope").code == 2


def test_events_are_sorted(cli: Cli) -> None:
    stored = cli.pod("web")
    cli.save(
        stored,
        tuple(Event("Normal", reason, reason, "", 1e9, 1e9 + n) for n, reason in enumerate("CAB")),
    )
    lines = cli("get", "events", "--sort-by=.reason", "--no-headers").out.splitlines()
    assert [line.split()[-1] for line in lines] == ["A", "B", "C"]
