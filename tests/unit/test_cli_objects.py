"""``get``, ``describe`` and ``delete`` of objects that are no pods, against stored records."""

from __future__ import annotations

import base64
import json
import os
import time
from pathlib import Path
from typing import Any

import msgspec
import pytest
import yaml

from podrun.agent.objectstore import ObjectStore
from podrun.api.admit import admit
from podrun.api.defaults_objects import bound
from podrun.api.meta import LabelSelector, ObjectMeta
from podrun.api.pod import Container, PodSpec
from podrun.api.workload import (
    Condition,
    DaemonSet,
    DaemonSetSpec,
    DaemonSetStatus,
    Deployment,
    DeploymentSpec,
    DeploymentStatus,
    Job,
    JobSpec,
    JobStatus,
    PodTemplateSpec,
)
from podrun.cli.main import main
from podrun.cli.objecttable import TABLES, header, row
from podrun.cli.podtable import Listing
from podrun.pod.when import rfc3339
from tests.unit.cli_node import Cli
from tests.unit.fake_agent import FakeAgent

HIDDEN = "xyzzy-plugh"
OBJECTS = f"""
apiVersion: v1
kind: ConfigMap
metadata: {{name: web, labels: {{app: web}}}}
data: {{colour: blue, "app.conf": "a: 1\\nb: 2\\n"}}
binaryData: {{blob: AAEC}}
---
apiVersion: v1
kind: ConfigMap
metadata: {{name: other, namespace: team}}
immutable: true
---
apiVersion: v1
kind: Secret
metadata: {{name: login}}
stringData: {{password: {HIDDEN}}}
---
apiVersion: v1
kind: PersistentVolumeClaim
metadata: {{name: data}}
spec: {{accessModes: [ReadWriteOnce], resources: {{requests: {{storage: 1Gi}}}}}}
"""


@pytest.fixture
def stored(cli: Cli) -> Cli:
    store = ObjectStore(cli.paths)
    for each in admit([(OBJECTS, "f.yaml")]).objects:
        made = {"uid": f"u-{each.object.metadata.name}", "creation_timestamp": rfc3339(_BORN)}
        metadata = msgspec.structs.replace(each.object.metadata, **made)
        thing: Any = msgspec.structs.replace(each.object, metadata=metadata)
        store.write(bound(thing) if thing.kind == "PersistentVolumeClaim" else thing)
    return cli


_BORN = time.time() - 3 * 86400 - 60


def _lines(cli: Cli, *args: str) -> list[list[str]]:
    done = cli("get", *args)
    assert (done.code, done.err) == (0, "")
    return [line.split() for line in done.out.splitlines()]


def test_tables(stored: Cli) -> None:
    assert _lines(stored, "cm") == [["NAME", "DATA", "AGE"], ["web", "3", "3d"]]
    assert _lines(stored, "configmaps", "-A", "--no-headers", "--sort-by=.metadata.name") == [
        ["team", "other", "0", "3d"],
        ["default", "web", "3", "3d"],
    ]
    assert _lines(stored, "secrets", "--show-labels")[1] == ["login", "Opaque", "1", "3d", "<none>"]
    assert _lines(stored, "pvc/data", "-o", "wide", "--no-headers") == [
        ["data", "Bound", "data", "1Gi", "RWO", "3d", "Filesystem"]
    ]
    assert _lines(stored, "cm", "-l", "app=web")[1][0] == "web"
    assert stored("get", "cm", "-l", "app=db").err == "No resources found in default namespace.\n"
    tables = stored("get", "cm,secrets").out
    assert [part.split()[0] for part in tables.split("\n\n")] == ["NAME", "NAME"]


def test_objects_as_they_are(stored: Cli, tmp_path: Path) -> None:
    done = stored("get", "secret", "login", "-o", "yaml")
    assert yaml.safe_load(done.out) == {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {
            "name": "login",
            "namespace": "default",
            "uid": "u-login",
            "creationTimestamp": rfc3339(_BORN),
        },
        "type": "Opaque",
        "data": {"password": base64.b64encode(HIDDEN.encode()).decode()},
    }
    assert stored("get", "cm,pvc", "-o", "name").out.split() == [
        "configmap/web",
        "persistentvolumeclaim/data",
    ]
    assert stored("get", "cm", "web", "-o", "jsonpath={.data.colour}").out == "blue"
    whole = json.loads(stored("get", "cm,secret,pvc", "-o", "json").out)
    assert [item["kind"] for item in whole["items"]] == [
        "ConfigMap", "Secret", "PersistentVolumeClaim",
    ]  # fmt: skip
    again = tmp_path / "again.json"
    again.write_text(json.dumps(whole))
    assert stored("apply", "--dry-run", "-o", "json", again).code == 0


def test_names_that_are_not_there(stored: Cli) -> None:
    done = stored("get", "cm", "web", "x", "y")
    assert done.code == 1
    assert done.err.startswith('error: configmaps "x", "y" not found')
    assert stored("get", "cm", "other").code == 1
    assert stored("get", "cm", "other", "-n", "team").code == 0
    assert stored("get", "cm", "web", "-A").code == 2


def test_secrets_are_roots(stored: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(path: Path, kind: Any) -> Any:
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr("podrun.agent.objectstore.read_record", refuse)
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    done = stored("get", "secret", "login")
    assert done.code == 1
    assert done.err == 'error: secrets "login": you may not read it (run it with sudo)\n'
    done = stored("get", "secrets")
    assert done.code == 0 and "only root may read Secrets" in done.err


def test_describe(stored: Cli) -> None:
    stored.pod("db")
    text = stored("describe", "cm", "web").out
    assert "Labels:       app=web" in text and "blob:  3 bytes" in text
    assert "  app.conf:\n    a: 1\n    b: 2\n" in text
    text = stored("describe", "secret/login").out
    assert "password:  11 bytes" in text and "Opaque" in text
    assert HIDDEN not in text and base64.b64encode(HIDDEN.encode()).decode() not in text
    text = stored("describe", "pvc").out
    assert "Used By:       <none>" in text and f"{stored.paths.claims}/default/data" in text
    assert "Immutable:    true" in stored("describe", "cm", "-A").out
    text = stored("describe", "cm/web", "pod/db").out
    assert text.index("web") < text.index("QoS Class")
    assert stored("describe", "events").code == 2


def test_all(stored: Cli) -> None:
    assert stored("get", "all").err == "No resources found in default namespace.\n"
    stored.pod("db")
    assert stored("get", "all,pods", "-o", "name").code == 2
    assert stored("get", "all", "-o", "name").out == "pod/db\n"
    assert len(stored("get", "cm,pod,secret").out.split("\n\n")) == 3


def _completed(cli: Cli, verb: str, *words: str) -> list[str]:
    context = main.make_context("podrun", [verb, *words[:-1]], resilient_parsing=True)
    command = main.get_command(context, verb)
    assert command is not None
    inner = command.make_context(verb, list(words[:-1]), parent=context, resilient_parsing=True)
    param = command.params[0]
    return [item.value for item in param.shell_complete(inner, words[-1])]


def test_completion(stored: Cli) -> None:
    stored.pod("data-base")
    assert _completed(stored, "get", "da")[-1] == "data-base"
    assert "configmaps" in _completed(stored, "describe", "conf")
    assert _completed(stored, "get", "cm", "") == ["web"]
    assert _completed(stored, "delete", "-n", "team", "cm", "o") == ["other"]
    assert _completed(stored, "delete", "pvc/") == ["pvc/data"]
    assert _completed(stored, "explain", "conf") == ["configmap"]
    assert _completed(stored, "explain", "secret.st") == ["secret.stringData"]
    assert _completed(stored, "explain", "secret.x.y") == []


@pytest.mark.usefixtures("as_root")
def test_delete(stored: Cli, agent: FakeAgent, tmp_path: Path) -> None:
    stored.pod("web")
    done = stored("delete", "cm/web", "web", "secret/login")
    assert done.out.splitlines() == [
        'pod "web" deleted',
        'configmap "web" deleted',
        'secret "login" deleted',
    ]
    request = agent.requests.pop()
    assert request["uids"] == ["uid-default-web"] and request["reclaim"] is False
    assert request["objects"] == [
        {"kind": "ConfigMap", "namespace": "default", "name": "web"},
        {"kind": "Secret", "namespace": "default", "name": "login"},
    ]

    done = stored("delete", "cm", "web", "nope")
    assert done.err == 'error: configmaps "nope" not found (nothing was deleted)\n'
    assert agent.requests == []
    assert stored("delete", "cm", "nope", "--ignore-not-found").code == 0
    assert stored("delete", "cm").code == 2
    assert stored("delete", "events", "x").code == 2

    (tmp_path / "all.yaml").write_text(OBJECTS)
    stored("delete", "-f", tmp_path / "all.yaml")
    stored("delete", "cm,secret", "--all")
    kinds = [[each["kind"] for each in request["objects"]] for request in agent.requests]
    assert kinds == [
        ["ConfigMap", "ConfigMap", "Secret", "PersistentVolumeClaim"],
        ["ConfigMap", "Secret"],
    ]


@pytest.mark.usefixtures("as_root")
def test_delete_what_claims_hold(stored: Cli, agent: FakeAgent) -> None:
    assert stored("delete", "pvc", "gone", "--reclaim").code == 1
    (stored.paths.claims / "default" / "gone").mkdir(parents=True)
    assert stored("delete", "pvc", "gone").code == 1
    assert stored("delete", "pvc", "gone", "--reclaim").code == 0
    (request,) = agent.requests
    assert request["reclaim"] is True and request["objects"][0]["name"] == "gone"


# ── tables of workloads ─────────────────────────────────────────────────────────────────────────

NOW = 1_000_000.0
META = ObjectMeta(name="w", namespace="default", creation_timestamp=rfc3339(NOW - 90))
TEMPLATE = PodTemplateSpec(
    spec=PodSpec(containers=(Container(name="a", image="x"),), node_selector={"disk": "ssd"})
)


@pytest.mark.parametrize(
    ("thing", "cells"),
    [
        (Job(metadata=META), ("w", "Running", "0/1", "", "90s")),
        (
            Job(
                metadata=META,
                spec=JobSpec(completions=3),
                status=JobStatus(
                    succeeded=3,
                    start_time=rfc3339(NOW - 80),
                    completion_time=rfc3339(NOW - 50),
                    conditions=(Condition(type="Complete", status="True"),),
                ),
            ),
            ("w", "Complete", "3/3", "30s", "90s"),
        ),
        (
            Job(
                metadata=META,
                spec=JobSpec(parallelism=2),
                status=JobStatus(start_time=rfc3339(NOW - 80)),
            ),
            ("w", "Running", "0/1 of 2", "80s", "90s"),
        ),
        (
            Deployment(
                metadata=META,
                spec=DeploymentSpec(replicas=3),
                status=DeploymentStatus(ready_replicas=2, updated_replicas=3, available_replicas=1),
            ),
            ("w", "2/3", "3", "1", "90s"),
        ),
        (
            DaemonSet(
                metadata=META,
                spec=DaemonSetSpec(template=TEMPLATE, selector=LabelSelector()),
                status=DaemonSetStatus(desired_number_scheduled=1, number_ready=1),
            ),
            ("w", "1", "0", "1", "0", "0", "disk=ssd", "90s"),
        ),
    ],
)
def test_tables_of_workloads(thing: Any, cells: tuple[str, ...]) -> None:
    from podrun.api import kinds

    every = (kinds.JOB, kinds.DEPLOYMENT, kinds.DAEMON_SET)
    kind = next(each for each in every if each.name == thing.kind)
    assert row(kind, Listing(), thing, NOW) == cells
    assert len(header(kind, Listing())) == len(cells)


def test_every_kind_has_a_table() -> None:
    from podrun.api.kinds import KINDS

    assert {kind.name for kind in KINDS} - {"Pod"} <= TABLES.keys()
