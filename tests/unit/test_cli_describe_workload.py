"""``describe`` of workloads: what is wanted, from the examples as they are."""

from __future__ import annotations

from pathlib import Path

import pytest

from podrun.agent.objectstore import ObjectStore
from podrun.api.admit import admit
from podrun.api.workload import DaemonSet, Deployment, Job
from tests.node import PROJECT
from tests.unit.cli_node import Cli

DAEMON_SET = """
apiVersion: apps/v1
kind: DaemonSet
metadata: {name: watch}
spec:
  selector: {matchLabels: {app: watch}}
  updateStrategy: {type: OnDelete}
  template:
    metadata: {labels: {app: watch}}
    spec:
      initContainers: [{name: first, image: x}]
      containers: [{name: watch, image: z}]
"""


@pytest.fixture
def stored(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Cli:
    cli = Cli(tmp_path, monkeypatch, capsys)
    texts = [(PROJECT / f"manifests/{name}.yaml").read_text() for name in ("deployment", "job")]
    for each in admit([(text, "f.yaml") for text in (*texts, DAEMON_SET)]).objects:
        if isinstance(each.object, Deployment | Job | DaemonSet):
            ObjectStore(cli.paths).write(each.object)
    return cli


@pytest.mark.parametrize(
    ("name", "lines"),
    [
        (
            "deploy/site",
            [
                "Selector:      app=site",
                "Strategy:      RollingUpdate, 25% max unavailable, 25% max surge",
                "Pod Template:",
                "  Labels:  app=site",
                "Image: localhost/host",
                "Type: ConfigMap (the keys of a ConfigMap as files)",
            ],
        ),
        ("job/count", ["Parallelism:    2", "Completions:    3", "Backoff Limit:  6"]),
        (
            "ds/watch",
            ["Selector:        app=watch", "Strategy:        OnDelete", "  Init Containers:"],
        ),
    ],
)
def test_what_is_wanted(stored: Cli, name: str, lines: list[str]) -> None:
    text = stored("describe", name).out
    for line in lines:
        assert " ".join(line.split()) in [" ".join(each.split()) for each in text.splitlines()], (
            text
        )
