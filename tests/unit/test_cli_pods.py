"""The verbs that read: ps, get, describe, events, wait; from records alone."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import msgspec
import pytest
import yaml

from podrun.api.pod import Pod
from podrun.pod.events import Event
from podrun.pod.facts import Deletion, Trouble
from tests.unit.cli_node import Cli


def command(cli: Cli, *args: str) -> subprocess.Popen[str]:
    """A verb that goes on, in a process of its own."""
    return subprocess.Popen(
        [sys.executable, "-m", "podrun", *args],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PODRUN_CONFIG": str(cli.config_file)},
    )


def words(out: str) -> list[str]:
    """The lines with one blank between the cells."""
    return [" ".join(line.split()) for line in out.splitlines()]


# ── ps ──────────────────────────────────────────────────────────────────────────────────────────


def test_ps_is_kubectls_table(cli: Cli) -> None:
    cli.pod("web", "a", "b")
    cli.pod("a-much-longer-name")
    cli.pod("other", namespace="team")
    assert cli("ps").out == (
        "NAME                 READY   STATUS    RESTARTS   AGE\n"
        "a-much-longer-name   1/1     Running   0          10m\n"
        "web                  2/2     Running   0          10m\n"
    )
    assert cli("ps", "-n", "team", "--no-headers").out == "other   1/1   Running   0     10m\n"


def test_ps_everywhere_and_wide(cli: Cli) -> None:
    cli.pod("web")
    cli.pod("other", namespace="team")
    done = cli("ps", "-A", "-o", "wide")
    assert words(done.out) == [
        "NAMESPACE NAME READY STATUS RESTARTS AGE IP NODE QOS",
        "default web 1/1 Running 0 10m 10.85.0.7 node1 BestEffort",
        "team other 1/1 Running 0 10m 10.85.0.7 node1 BestEffort",
    ]


def test_ps_of_nothing(cli: Cli) -> None:
    assert cli("ps") == (0, "", "No resources found in default namespace.\n")
    assert cli("ps", "-A").err == "No resources found.\n"
    assert json.loads(cli("ps", "-o", "json").out)["items"] == []


def test_ps_by_label(cli: Cli) -> None:
    cli.pod("web", labels={"app": "web"})
    cli.pod("db", labels={"app": "db"})
    assert cli("ps", "-l", "app in (web)", "-o", "name").out == "pod/web\n"
    assert cli("ps", "-l", "app!=web", "-o", "name").out == "pod/db\n"
    assert cli("ps", "-l", "a=b=c").code == 2


def test_ps_of_containers(cli: Cli) -> None:
    cli.pod("web", "app", init=("setup",))
    done = cli("ps", "-c")
    assert words(done.out) == [
        "POD CONTAINER READY STATE RESTARTS IMAGE",
        "web setup yes Completed 0 busybox:1",
        "web app yes Running 0 busybox:1",
    ]


def test_a_pod_that_waits_for_another_of_its_name_is_hidden(cli: Cli) -> None:
    old = cli.pod("web")
    cli.pod("web", replaces=old.pod.metadata.uid)
    assert len(cli("ps", "--no-headers").out.splitlines()) == 1
    assert (
        json.loads(cli("get", "pod", "web", "-o", "json").out)["metadata"]["uid"] == old.paths.uid
    )
    old.paths.pod.unlink()
    assert "ContainerCreating" in cli("ps").out


def test_what_a_container_says_cannot_drive_the_terminal(cli: Cli) -> None:
    stored = cli.pod("web", running=False)
    event = Event("Warning", "Failed", "\x1b[2J gotcha", "", time.time(), time.time())
    cli.save(stored, events=(event,))
    for verb in (("events",), ("describe", "web")):
        out = cli(*verb).out
        assert "\x1b" not in out and "gotcha" in out


# ── get ─────────────────────────────────────────────────────────────────────────────────────────


def test_get_json_is_a_v1_pod(cli: Cli) -> None:
    cli.pod("web", "app", init=("setup",))
    pod = json.loads(cli("get", "pod", "web", "-o", "json").out)
    assert (pod["apiVersion"], pod["kind"]) == ("v1", "Pod")
    assert pod["spec"]["nodeName"] == "node1"
    assert pod["status"]["phase"] == "Running"
    assert pod["status"]["podIPs"] == [{"ip": "10.85.0.7"}, {"ip": "fd85::7"}]
    assert pod["status"]["containerStatuses"][0]["containerID"] == "podrun://app-0"
    assert pod["status"]["initContainerStatuses"][0]["ready"] is True


def test_get_yaml_is_the_same(cli: Cli) -> None:
    cli.pod("web")
    as_json = json.loads(cli("get", "pod", "web", "-o", "json").out)
    assert yaml.safe_load(cli("get", "pod", "web", "-o", "yaml").out) == as_json


def test_what_get_prints_can_be_applied(cli: Cli) -> None:
    cli.pod("web")
    text = cli("get", "pod", "web", "-o", "yaml").out
    done = cli("apply", "--dry-run", "-", stdin=text)
    assert done.code == 0
    assert yaml.safe_load(done.out)["metadata"]["name"] == "web"


def test_several_are_a_list(cli: Cli) -> None:
    cli.pod("web")
    cli.pod("db")
    found = json.loads(cli("get", "pods", "web", "db", "-o", "json").out)
    assert (found["apiVersion"], found["kind"]) == ("v1", "List")
    assert [each["metadata"]["name"] for each in found["items"]] == ["web", "db"]
    assert cli("get", "pods", "-o", "name").out == "pod/db\npod/web\n"
    assert cli("get", "pods", "-o", "jsonpath={.items[*].metadata.name}").out == "db web"
    assert cli("get", "web", "-o", "jsonpath={.status.phase}").out == "Running"
    path = "{.status.containerStatuses[0].name} {.status.podIPs[*].ip}"
    assert cli("get", "web", "-o", f"jsonpath={path}").out == "app 10.85.0.7 fd85::7"
    path = '{.status.conditions[?(@.type=="Ready")].status}'
    assert cli("get", "web", "-o", f"jsonpath={path}").out == "True"


def test_get_what_is_not_there(cli: Cli) -> None:
    cli.pod("web")
    done = cli("get", "pods", "web", "nope", "neither")
    assert done.code == 1 and done.out == ""
    assert done.err.startswith('error: pods "nope", "neither" not found')


@pytest.mark.parametrize(
    "args", [["services"], ["svc", "x"], [], ["pods", "web", "-A"], ["pods", "-o", "xml"]]
)
def test_get_usage(cli: Cli, args: list[str]) -> None:
    cli.pod("web")
    done = cli("get", *args)
    assert done.code == 2 and done.err.startswith("error: ")


# ── describe ────────────────────────────────────────────────────────────────────────────────────


def test_describe(cli: Cli) -> None:
    stored = cli.pod("web", "app", init=("setup",), labels={"app": "web", "b": "c"})
    now = time.time()
    cli.save(stored, events=(Event("Normal", "Started", "Started container app", "", now, now, 3),))
    out = cli("describe", "pod", "web").out
    lines = [line.rstrip() for line in out.splitlines()]
    assert lines[0] == "Name:         web"
    assert "Labels:       app=web" in lines and "              b=c" in lines
    assert lines.index("Init Containers:") < lines.index("Containers:") < lines.index("Conditions:")
    assert "    State:          Running" in lines
    assert "      Reason:       Completed" in lines
    assert "  no sandbox: no process holds namespaces for this pod now" in lines
    assert any("Started container app" in line and "(x3 over" in line for line in lines)


def test_describe_a_pod_on_its_way_out(cli: Cli) -> None:
    stored = cli.pod("web")
    now = time.time()
    stored.facts.deletion = Deletion(at=now, grace_seconds=7, began_at=now)
    cli.save(stored)
    out = cli("describe", "web").out
    assert "Status:       Terminating" in out and "grace 7s" in out


def test_describe_usage(cli: Cli) -> None:
    assert cli("describe").code == 2
    assert cli("describe", "events").code == 2
    assert cli("describe", "nope").code == 1


# ── events ──────────────────────────────────────────────────────────────────────────────────────


def events_of(cli: Cli) -> None:
    now = time.time()
    for name, ago in (("web", 30.0), ("db", 60.0)):
        event = Event(
            "Normal", "Started", f"Started {name}", "spec.containers{app}", now, now - ago
        )
        cli.save(cli.pod(name), events=(event,))


def test_events_are_in_the_order_of_time(cli: Cli) -> None:
    events_of(cli)
    rows = [line.split(maxsplit=4) for line in cli("events").out.splitlines()[1:]]
    assert [(row[3], row[4]) for row in rows] == [
        ("pod/db", "Started db"),
        ("pod/web", "Started web"),
    ]
    assert "db" not in cli("events", "web").out
    assert cli("get", "events").out == cli("events").out


def test_events_as_objects(cli: Cli) -> None:
    events_of(cli)
    found = json.loads(cli("get", "events", "-o", "json").out)["items"]
    assert found[0]["kind"] == "Event"
    assert found[0]["involvedObject"]["name"] == "db"
    assert found[0]["involvedObject"]["fieldPath"] == "spec.containers{app}"
    assert cli("events", "-o", "name").out.startswith("event/db.")


def test_events_of_nothing(cli: Cli) -> None:
    cli.pod("web")
    assert cli("events") == (0, "", "No resources found in default namespace.\n")
    assert cli("events", "nope").code == 1


# ── watching ────────────────────────────────────────────────────────────────────────────────────


def test_ps_watch_prints_what_changes(cli: Cli) -> None:
    web = cli.pod("web")
    process = command(cli, "ps", "-w")
    assert process.stdout is not None
    try:
        assert process.stdout.readline().split()[0] == "NAME"
        assert process.stdout.readline().split()[:3] == ["web", "1/1", "Running"]
        cli.pod("db", running=False)
        assert process.stdout.readline().split()[:3] == ["db", "0/1", "ContainerCreating"]
        now = time.time()
        web.facts.deletion = Deletion(at=now, grace_seconds=30, began_at=now)
        cli.save(web)
        assert process.stdout.readline().split()[:3] == ["web", "1/1", "Terminating"]
        web.paths.pod.unlink()
        assert process.stdout.readline().split()[:3] == ["web", "1/1", "Terminating"]
    finally:
        process.send_signal(2)
        process.communicate(timeout=20)
    assert process.returncode == 130


def test_labels_are_shown(cli: Cli) -> None:
    cli.pod("web", labels={"app": "web", "tier": "front"})
    cli.pod("db")
    for verb in (("ps",), ("get", "pods")):
        assert words(cli(*verb, "--show-labels", "--no-headers").out) == [
            "db 1/1 Running 0 10m <none>",
            "web 1/1 Running 0 10m app=web,tier=front",
        ]
    assert words(cli("ps", "-A", "--show-labels").out)[0].endswith("AGE LABELS")
    assert cli("ps", "-c", "--show-labels").code == 0


def test_events_for_a_pod(cli: Cli) -> None:
    for name in ("web", "db"):
        stored = cli.pod(name)
        cli.save(stored, (Event("Normal", "Started", f"of {name}", "", 1e9, 1e9),))
    assert "of db" not in cli("events", "--for", "pod/web").out
    assert cli("events", "--for", "pod/web").out == cli("events", "web").out
    assert cli("events", "web", "--for", "web").code == 2


# ── who may read ────────────────────────────────────────────────────────────────────────────────


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root, to be somebody else for a while")
def test_pods_of_others_are_not_shown(cli: Cli, tmp_path: Path) -> None:
    for path in (tmp_path, *tmp_path.parents):
        if path.stat().st_uid == os.geteuid() and str(path) != "/tmp" and path != Path("/"):
            path.chmod(0o755)
    cli.pod("mine")
    hidden = cli.pod("hidden")
    hidden.paths.root.chmod(0o700)
    script = (
        # An interpreter below /root can load nothing more once we are nobody: load it before.
        "import contextlib, io, os, sys; from podrun.cli.main import entry\n"
        "with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(sys.stdout):\n"
        "    [entry(args) for args in (['ps', '-o', 'name'], ['delete', '--help'], ['ps', '-x'])]\n"
        "os.setgroups([]); os.setresgid(65534, 65534, 65534);"
        "os.setresuid(65534, 65534, 65534);"
        "sys.exit(entry(sys.argv[1:]))"
    )

    def as_nobody(*args: str) -> subprocess.CompletedProcess[str]:
        env = {**os.environ, "PODRUN_CONFIG": str(cli.config_file), "NO_COLOR": "1"}
        return subprocess.run(
            [sys.executable, "-c", script, *args],
            env=env, text=True, capture_output=True, check=False,
        )  # fmt: skip

    done = as_nobody("ps", "-o", "name")
    assert (done.returncode, done.stdout) == (0, "pod/mine\n"), done.stderr
    denied = as_nobody("delete", "mine")
    assert denied.returncode == 1
    assert denied.stderr == "error: only root can delete objects (run it with sudo)\n"


def test_a_trouble_is_shown(cli: Cli) -> None:
    stored = cli.pod("web", running=False)
    stored.facts.sandbox = cli.pod("x").facts.sandbox
    from podrun.pod.facts import ContainerFacts

    trouble = Trouble("ErrImageNeverPull", 'Container image "x" is not present', time.time())
    stored.facts.containers["app"] = ContainerFacts(trouble=trouble)
    cli.save(stored)
    assert "ErrImageNeverPull" in cli("ps").out
    assert 'Message:      Container image "x" is not present' in cli("describe", "web").out


def test_records_are_what_the_agent_writes(cli: Cli) -> None:
    """The helper of these tests writes what PodStore reads."""
    stored = cli.pod("web")
    assert msgspec.json.decode(stored.paths.pod.read_bytes(), type=Pod) == stored.pod
