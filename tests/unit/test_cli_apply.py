"""``apply`` and ``delete`` up to the agent: manifests in, a request out, results printed."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from podrun.cli import start
from podrun.cli.apply import command
from podrun.cli.applying import Wanted, plain
from podrun.errors import WaitTimeout
from tests.unit.cli_node import Cli
from tests.unit.fake_agent import FakeAgent, pod, result

pytestmark = pytest.mark.usefixtures("as_root")


# ── apply ───────────────────────────────────────────────────────────────────────────────────────


def test_apply_sends_manifests(cli: Cli, agent: FakeAgent) -> None:
    agent.answers = [result("web", "created"), {"done": {"obstacles": {}}}]
    done = cli("apply", "-", stdin=pod("web"))
    assert done == (0, "pod/web created\n", "")
    (request,) = agent.requests
    assert (request["verb"], request["wait"], request["timeout"]) == ("apply", "started", None)
    (web,) = agent.pods
    assert (web["spec"]["restartPolicy"], web["metadata"]["namespace"]) == ("Always", "default")


@pytest.mark.parametrize(
    ("flags", "wait", "timeout"),
    [(("--wait",), "ready", None), (("--no-wait", "--timeout=1m"), "none", 60.0)],
)
def test_how_long_apply_waits(
    cli: Cli, agent: FakeAgent, flags: tuple[str, ...], wait: str, timeout: float | None
) -> None:
    assert cli("apply", *flags, "-", stdin=pod("web")).code == 0
    assert (agent.requests[0]["wait"], agent.requests[0]["timeout"]) == (wait, timeout)


def test_files_and_directories(cli: Cli, agent: FakeAgent, tmp_path: Path) -> None:
    directory = tmp_path / "pods"
    directory.mkdir()
    (directory / "b.yaml").write_text(pod("b1") + "---\n" + pod("b2"))
    (directory / "a.json").write_text(json.dumps(yaml.safe_load(pod("a"))))
    (directory / ".c.yaml.swp").write_text("no")
    (directory / ".d.yaml").write_text("no")
    (directory / "README.md").write_text("no")
    assert cli("apply", directory, "-f", "-", "-n", "team", stdin=pod("c")).code == 0
    sent = [each["metadata"] for each in agent.pods]
    assert [(each["namespace"], each["name"]) for each in sent] == [
        ("team", "a"), ("team", "b1"), ("team", "b2"), ("team", "c"),
    ]  # fmt: skip


def test_one_bad_document_and_nothing_is_applied(cli: Cli, agent: FakeAgent) -> None:
    text = pod("web") + "---\n" + pod("db").replace("image:", "imagge:")
    done = cli("apply", "-", stdin=text)
    assert done.code == 3 and done.out == "" and agent.requests == []
    assert done.err.startswith("error: standard input:")
    assert "spec.containers[0].imagge" in done.err


@pytest.mark.parametrize(
    "text",
    [
        "",
        "a: [",
        "kind: Deployment\napiVersion: apps/v1\n",
        pod("Web"),
        pod("web").replace("app,", "app, command: sh,"),
        "a: &a [x,x]\nb: &b [*a,*a]\nc: &c [*b,*b]\n",
        "just text",
        "\x00\x01",
    ],
)
def test_bad_manifests_are_exit_3(cli: Cli, agent: FakeAgent, text: str) -> None:
    done = cli("apply", "-", stdin=text)
    assert (done.code, done.out, agent.requests) == (3, "", [])
    assert done.err.startswith("error: ")


def test_missing_files(cli: Cli, agent: FakeAgent, tmp_path: Path) -> None:
    done = cli("apply", tmp_path / "none.yaml")
    assert done.code == 1
    assert done.err == f"error: {tmp_path}/none.yaml: No such file or directory\n"
    (tmp_path / "empty").mkdir()
    assert cli("apply", tmp_path / "empty").code == 2
    assert cli("apply").code == 2
    assert agent.requests == []


def test_the_namespace_must_agree(cli: Cli, agent: FakeAgent) -> None:
    text = pod("web").replace("NAME", "").replace("{name: web}", "{name: web, namespace: a}")
    assert cli("apply", "-", "-n", "a", stdin=text).code == 0
    done = cli("apply", "-", "-n", "b", stdin=text)
    assert done.code == 2 and "is of namespace a, but -n says b" in done.err


def test_notes_are_said_once(cli: Cli, agent: FakeAgent) -> None:
    text = pod("web") + "  nodeSelector: {disk: ssd}\n"
    done = cli("apply", "-", stdin=text)
    assert done.code == 0
    assert done.err.count("nodeSelector") == 1 and done.err.startswith("note: ")


def test_what_podrun_prints_can_be_applied_without_a_note(cli: Cli, agent: FakeAgent) -> None:
    cli.pod("web")
    cli.pod("db")
    for names in (["web"], []):  # an object, and a List
        printed = cli("get", "pods", *names, "-o", "yaml").out
        assert "nodeName: node1" in printed
        done = cli("apply", "-", stdin=printed)
        assert (done.code, done.err) == (0, "")
    elsewhere = cli("get", "pods", "-o", "yaml").out.replace("node1", "node2", 1)
    assert "spec.nodeName: has no effect" in cli("apply", "-", stdin=elsewhere).err


def test_dry_run_needs_neither_root_nor_agent(
    cli: Cli, agent: FakeAgent, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    two = pod("a") + "---\n" + pod("b")
    documents = list(yaml.safe_load_all(cli("apply", "--dry-run", "-", stdin=two).out))
    assert [each["metadata"]["name"] for each in documents] == ["a", "b"]
    listed = json.loads(cli("apply", "--dry-run", "-o", "json", "-", stdin=two).out)
    assert listed["kind"] == "List" and len(listed["items"]) == 2
    assert agent.requests == []
    assert cli("apply", "-o", "json", "-", stdin=two).code == 2


def test_only_root_may_apply(cli: Cli, agent: FakeAgent, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    done = cli("apply", "-", stdin=pod("web"))
    assert done == (1, "", "error: only root can apply pods (run it with sudo)\n")
    assert cli("apply", "-", stdin="a: [").code == 3  # what is wrong anyway is said first


def test_the_user_behind_sudo_may_read(
    cli: Cli, agent: FakeAgent, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SUDO_GID", "1000")
    cli("apply", "-", stdin=pod("web"))
    monkeypatch.setenv("SUDO_GID", "x")
    cli("apply", "-", stdin=pod("web"))
    assert [request["ownerGid"] for request in agent.requests] == [1000, 0]


def test_an_obstacle_is_a_failure(cli: Cli, agent: FakeAgent) -> None:
    why = 'app: ErrImageNeverPull: image "busybox" is not here'
    agent.answers = [result("web", "created"), {"done": {"obstacles": {"pod/web": why}}}]
    done = cli("apply", "-", stdin=pod("web"))
    assert done.code == 1 and done.out == "pod/web created\n"
    assert done.err.startswith(f"error: pod/web cannot go on: {why}")
    assert "podrun keeps trying" in done.err
    why = "Failed: SysctlForbidden: forbidden sysctl"
    agent.answers = [result("web", "created"), {"done": {"obstacles": {"pod/web": why}}}]
    done = cli("apply", "-", stdin=pod("web"))
    assert done.code == 1 and why in done.err and "until it is deleted" in done.err


def test_the_agents_error_is_ours(cli: Cli, agent: FakeAgent) -> None:
    agent.answers = [result("web", "created"), WaitTimeout("timed out")]
    done = cli("apply", "-", stdin=pod("web"))
    assert done == (124, "pod/web created\n", "error: timed out\n")
    assert cli("apply", "-q", "-", stdin=pod("web")).out == ""


# ── apply, read without click ───────────────────────────────────────────────────────────────────

WORDS = """a.yaml dir/ - -f --filename -n --namespace team -q --quiet --wait --no-wait -- -fx -f=x
    -qn --filename=x --namespace=y --timeout 1s --dry-run -o yaml --debug --wait=true -h --help --no
    apply"""


@given(st.lists(st.sampled_from(["", *WORDS.split()]), max_size=6))
def test_plain_words_are_read_as_click_reads_them(args: list[str]) -> None:
    wanted = plain(args)
    if wanted is None:
        return  # click reads them
    with command.make_context("apply", list(args)) as context:
        read = context.params
    assert not read["dry_run"] and read["output"] is None
    files = (*read["paths"], *read["files"])
    wait = read["wait"] or "started"
    expected = Wanted(files, read["namespace"], wait, read["timeout"], read["quiet"])
    assert vars(wanted) == vars(expected)


@pytest.mark.parametrize(
    "args", [["a.yaml"], ["-f", "-"], ["x", "-n", "team", "-f", "y", "--wait", "-q"], ["--no-wait"]]
)
def test_what_people_write_is_plain(args: list[str]) -> None:
    assert plain(args) is not None


def test_the_command_without_click_says_what_it_says_with_it(
    cli: Cli, agent: FakeAgent, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bad, good = tmp_path / "bad.yaml", tmp_path / "good.yaml"
    bad.write_text(pod("Web"))
    good.write_text(pod("web"))
    agent.answers = [result("web", "created"), {"done": {}}]
    for args in (
        ["apply", str(bad)],
        ["apply", str(good)],
        ["apply", "-f", str(good), "-q"],
        ["apply"],
    ):
        told = cli(*args)
        code = start.entry(args)
        assert (code, *capsys.readouterr()) == told
