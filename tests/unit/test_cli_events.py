"""``podrun events`` of workloads beside those of pods."""

from __future__ import annotations

import json
import os
import time

from podrun.agent.objectevents import ObjectEvents
from podrun.agent.objectstore import ObjectStore
from podrun.api.meta import ObjectMeta
from podrun.api.workload import Job
from podrun.pod.events import Event
from tests.unit.cli_node import Cli


def test_events_of_pods_and_of_what_makes_them(cli: Cli) -> None:
    now = time.time()
    cli.save(cli.pod("web"), (Event("Normal", "Started", "it runs", "", now - 9, now - 9),))
    ObjectStore(cli.paths).write(Job(metadata=ObjectMeta(name="it", namespace="default", uid="u1")))
    created = Event("Normal", "SuccessfulCreate", "Created pod: it-x", "", now - 5, now - 5)
    ObjectEvents(cli.paths).record("u1", (created,), os.getgid())
    rows = [line.split(maxsplit=4) for line in cli("events").out.splitlines()[1:]]
    assert [row[2:4] for row in rows] == [["Started", "pod/web"], ["SuccessfulCreate", "job/it"]]
    assert cli("get", "events").out == cli("events").out
    assert "pod/web" not in cli("events", "job/it").out
    assert "job/it" not in cli("events", "--for", "pod/web").out
    (item,) = json.loads(cli("events", "jobs/it", "-o", "json").out)["items"]
    about = {"apiVersion": "batch/v1", "kind": "Job", "name": "it", "uid": "u1"}
    assert item["involvedObject"] == {**about, "namespace": "default"}
    assert cli("events", "job/nope").code == 1
