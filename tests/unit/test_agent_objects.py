"""Objects as the agent accepts and deletes them: all or none, and who hears of it."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import pytest

from podrun.agent import claims, objectstore
from podrun.agent.objects import Key, Objects, Prepared, key_of
from podrun.agent.podtask import PodTask
from podrun.agent.pullsecrets import read as read_pull_secrets
from podrun.agent.pullsecrets import references
from podrun.api.admit import admit
from podrun.api.kinds import CLAIM, CONFIG_MAP, SECRET
from podrun.api.objects import AnyObject
from podrun.errors import Conflict, InvalidManifest, UsageError
from podrun.node.config import Config
from podrun.node.paths import Paths
from podrun.pod.facts import Deletion

GID = os.getgid()
POD = """
apiVersion: v1
kind: Pod
metadata: {name: web}
spec:
  containers: [{name: app, image: x}]
  imagePullSecrets: [{name: login}, {name: none}]
  volumes:
  - {name: v, configMap: {name: settings}}
  - {name: d, persistentVolumeClaim: {claimName: data}}
"""
SETTINGS = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: settings}\ndata: {a: %s}\n"
LOGIN = (
    "apiVersion: v1\nkind: Secret\nmetadata: {name: login}\ntype: kubernetes.io/dockerconfigjson\n"
    "stringData: {.dockerconfigjson: '{\"%s\": 1}'}\n"
)
DATA = (
    "apiVersion: v1\nkind: PersistentVolumeClaim\nmetadata: {name: data}\n"
    "spec: {accessModes: [ReadWriteOnce], resources: {requests: {storage: %s}}}\n"
)


def objects_of(*texts: str) -> list[AnyObject]:
    loaded = admit([("---\n".join(texts), "f.yaml")], pending=True)
    return [each.object for each in loaded.objects]


class Task:
    """Of the pod above: counts how often it was told."""

    def __init__(self, paths: Paths) -> None:
        [self.pod] = objects_of(POD)
        self.told = 0
        self.released = False
        self.stored = self
        self.key = ("default", "web")
        self.facts = type("Facts", (), {"deletion": None})()
        self.paths = paths.pod("u1", "default", "web")

    def objects_changed(self) -> None:
        self.told += 1


class Lab:
    def __init__(self, root: Path) -> None:
        self.paths = Paths(Config(state_root=str(root)))
        self.task = Task(self.paths)
        self.objects = Objects(self.paths, lambda: [cast(PodTask, self.task)])

    def apply(self, *texts: str) -> list[Prepared]:
        prepared = self.objects.prepare(objects_of(*texts))
        self.objects.keep(prepared, GID)
        return prepared

    def results(self, *texts: str) -> list[str]:
        return [each.result for each in self.apply(*texts)]

    def settings(self) -> Any:
        return self.objects.store.find(CONFIG_MAP, "default", "settings")


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[Lab]:
    yield Lab(tmp_path)


def test_created_unchanged_configured(lab: Lab) -> None:
    first = (SETTINGS % "one", LOGIN % "r", DATA % "1Mi")
    assert lab.results(*first) == ["created"] * 3
    before = lab.settings().metadata
    assert before.uid and before.creation_timestamp and before.generation == 0
    assert lab.results(*first) == ["unchanged"] * 3
    assert lab.results(SETTINGS % "two", DATA % "2Mi") == ["configured"] * 2
    assert lab.settings().metadata == before and lab.settings().data == {"a": "two"}
    claim = lab.objects.store.find(CLAIM, "default", "data")
    assert lab.results(DATA % "2048Ki") == ["unchanged"]
    assert getattr(claim, "status").capacity == {"storage": "2Mi"}  # noqa: B009


def test_one_that_may_not_change_stops_all(lab: Lab) -> None:
    fixed = SETTINGS % "one" + "immutable: true\n"
    lab.apply(fixed, DATA % "2Mi")
    with pytest.raises(InvalidManifest) as caught:
        lab.apply(LOGIN % "r", SETTINGS % "two", DATA % "1Mi")
    assert caught.value.message.splitlines() == [
        "configmap/settings: immutable: Forbidden: field is immutable when `immutable` is set",
        "configmap/settings: data: Forbidden: field is immutable when `immutable` is set",
        "persistentvolumeclaim/data: spec.resources.requests.storage: Forbidden: field can not be "
        "less than status.capacity",
    ]
    assert lab.objects.store.list(SECRET) == [] and lab.settings().data == {"a": "one"}


def test_a_claim_fits_on_the_disk(lab: Lab) -> None:
    size = claims.disk_bytes(lab.paths)
    with pytest.raises(InvalidManifest, match=f"the disk of .*/claims has {size} bytes"):
        lab.apply(DATA % (size + 1))
    assert lab.results(DATA % size) == ["created"]


def test_a_full_disk_leaves_what_was_there(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    lab.apply(SETTINGS % "one")
    told = lab.task.told

    def full(path: Path) -> None:
        if "claims" in str(path):
            raise OSError(28, "No space left on device")

    monkeypatch.setattr(objectstore, "fsync_path", full)
    with pytest.raises(OSError, match="No space left"):
        lab.apply(SETTINGS % "two", LOGIN % "r", DATA % "1Mi")
    assert lab.settings().data == {"a": "one"}
    assert lab.objects.store.list(SECRET) == [] and lab.task.told == told
    assert [path.parent.name for path in lab.paths.objects.rglob("*.json")] == ["configmaps"]


def test_what_was_half_written_is_swept(lab: Lab) -> None:
    lab.apply(LOGIN % "r")
    half = lab.paths.objects / "secrets" / ".x.json.1.tmp"
    half.write_text("half a password")
    lab.objects.store.sweep()
    assert not half.exists() and len(lab.objects.store.list(SECRET)) == 1


def test_pods_that_refer_to_it_are_told(lab: Lab) -> None:
    heard: list[Key] = []
    lab.objects.listeners.add(heard.append)
    lab.apply(SETTINGS % "one", (SETTINGS % "x").replace("settings", "others"))
    lab.apply(SETTINGS % "one")
    assert lab.task.told == 1
    assert heard == [(CONFIG_MAP, "default", "settings"), (CONFIG_MAP, "default", "others")]
    lab.objects.delete([(CONFIG_MAP, "default", "settings")])
    assert lab.task.told == 2 and len(heard) == 3
    lab.task.facts.deletion = Deletion(0.0, 0, 0.0)
    lab.apply(SETTINGS % "one")
    assert lab.task.told == 2


def test_only_what_was_there_is_deleted(lab: Lab) -> None:
    lab.apply(SETTINGS % "one")
    keys = [(CONFIG_MAP, "default", name) for name in ("settings", "none")]
    assert lab.objects.delete(keys) == keys[:1]
    assert lab.objects.delete(keys) == []


def test_a_claim_that_a_pod_uses_stays(lab: Lab) -> None:
    lab.apply(DATA % "1Mi")
    key = (CLAIM, "default", "data")
    with pytest.raises(Conflict, match="persistentvolumeclaim/data is used by pod/web"):
        lab.objects.check_deletion([key], ())
    lab.objects.check_deletion([key], ("u1",))  # together with the pod
    lab.objects.check_deletion([(CLAIM, "other", "data"), (SECRET, "default", "login")], ())


def test_what_a_claim_holds_goes_only_when_asked(lab: Lab) -> None:
    lab.apply(DATA % "1Mi")
    held = claims.directory(lab.paths, "default", "data")
    held.mkdir(parents=True)
    (held / "file").write_text("x")
    key = (CLAIM, "default", "data")
    assert lab.objects.delete([key]) == [key]
    with pytest.raises(Conflict, match="used again, by pod/web"):  # it came meanwhile
        asyncio.run(lab.objects.reclaim([key]))
    assert (held / "file").exists()
    lab.task.released = True
    asyncio.run(lab.objects.reclaim([key, (CLAIM, "default", "none")]))
    assert os.listdir(lab.paths.claims) == []


def test_what_a_killed_worker_left_goes_with_the_next(lab: Lab) -> None:
    for name in ("one", "two"):
        claims.directory(lab.paths, "default", name).mkdir(parents=True)
    left = lab.paths.claims / ".removed" / "x"
    left.mkdir(parents=True)
    assert claims.has_rubbish(lab.paths)
    claims.reclaim(lab.paths, "default", "one")
    assert not claims.has_rubbish(lab.paths)
    assert os.listdir(lab.paths.claims / "default") == ["two"]
    left.mkdir(parents=True)
    claims.sweep(lab.paths)
    assert not claims.has_rubbish(lab.paths)


@pytest.mark.parametrize(
    "named", [("Pod", "default", "x"), ("Thing", "default", "x"), ("ConfigMap", "..", "x"),
              ("PersistentVolumeClaim", "default", "../x"), ("Secret", "default", "")],
)  # fmt: skip
def test_names_of_requests_are_names(named: tuple[str, str, str]) -> None:
    with pytest.raises(UsageError):
        key_of(*named)


def test_a_pull_reads_the_secrets_that_are_there(lab: Lab) -> None:
    pod = cast(Any, lab.task.pod)
    assert references(lab.paths, pod) == ()
    lab.apply(LOGIN % "one")
    [first] = references(lab.paths, pod)
    [secret] = read_pull_secrets(lab.paths, (first,))
    assert secret.payload == b'{"one": 1}'
    lab.apply(LOGIN % "two")
    assert references(lab.paths, pod) != (first,)
    lab.objects.delete([(SECRET, "default", "login")])
    assert read_pull_secrets(lab.paths, (first,)) == []
