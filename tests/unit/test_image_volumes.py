"""Image volumes: pulled once, before who mounts them; a failing one holds up only those."""

from __future__ import annotations

import msgspec
import pytest

from podrun.api.pod import Container, ImageVolumeSource, Pod, Volume, VolumeMount
from podrun.pod.actions import BackOffPull, PullImage
from podrun.pod.events import events
from podrun.pod.facts import Facts
from podrun.pod.imagevolumes import find, pullers, pullers_for
from podrun.pod.progress import obstacle
from podrun.pod.pulling import image_ids, image_names, is_needed
from tests.unit import podsim
from tests.unit.podsim import PENDING, T0, app, container

DATA, MODEL = "volume/data", "volume/model"


class Node(podsim.Node):
    def spec(self, name: str) -> Container:
        found = find(self.pod, name)
        assert found is not None
        return found

    def pulled(self) -> list[str]:
        return [action.name for action in self.log if isinstance(action, PullImage)]


def mounts(name: str, *volumes: str) -> Container:
    mounted = tuple(VolumeMount(name=each, mount_path=f"/{each}") for each in volumes)
    return container(name, volume_mounts=mounted)


def pod(*apps: Container, **fields: object) -> Pod:
    """With the image volumes data and model, and the emptyDir scratch."""
    made = podsim.pod(*apps, **fields)  # type: ignore[arg-type]
    volumes = tuple(
        Volume(name=name, image=ImageVolumeSource(reference=f"{name}:1", pull_policy="Always"))
        for name in ("data", "model")
    )
    spec = msgspec.structs.replace(made.spec, volumes=(*volumes, Volume(name="scratch")))
    return msgspec.structs.replace(made, spec=spec)


def test_to_pulling_a_volume_is_a_container_without_a_name_of_its_own() -> None:
    one = pod(mounts("app", "scratch", "model"))
    assert [(p.name, p.image, p.image_pull_policy) for p in pullers(one)] == [
        (DATA, "data:1", "Always"), (MODEL, "model:1", "Always"),
    ]  # fmt: skip
    assert [p.name for p in pullers_for(one, one.spec.containers[0])] == [MODEL]
    assert find(one, "app") is one.spec.containers[0]
    assert find(one, "model") is None
    assert image_names(one) == {"busybox", "data:1", "model:1"}


def test_volumes_come_before_who_mounts_them_and_once() -> None:
    node = Node(pod(mounts("a", "data", "model"), mounts("b", "data")))
    node.settle()
    assert node.starts() == ["a", "b"]
    assert sorted(node.pulled()) == ["a", "b", DATA, MODEL]
    assert image_ids(node.facts) == {"sha256:busybox", "sha256:data:1", "sha256:model:1"}
    node.exits("a", 1)
    node.settle()
    assert node.starts() == ["a", "b", "a"]
    assert node.pulled().count(DATA) == 1


def test_what_no_container_mounts_is_not_pulled() -> None:
    node = Node(pod(mounts("a", "scratch")))
    node.settle()
    assert node.pulled() == ["a"]


def test_all_that_is_needed_is_pulled_at_once() -> None:
    node = Node(pod(mounts("a", "data", "model")))
    node.pulls = {"data:1": PENDING, "model:1": PENDING, "busybox": PENDING}
    node.settle()
    assert sorted(node.pulled()) == ["a", DATA, MODEL]
    assert node.plan().wake_at is None
    assert is_needed(node.pod, node.facts, DATA)
    for name in ("a", DATA, MODEL):
        assert node.starts() == []
        node.pull_ends(name)
        node.settle()
    assert node.starts() == ["a"]
    assert not is_needed(node.pod, node.facts, DATA)


def test_starts_keep_their_order_while_a_volume_comes() -> None:
    node = Node(pod(mounts("a", "data"), mounts("b")))
    node.pulls = {"data:1": PENDING}
    node.settle()
    assert node.starts() == []
    node.pull_ends(DATA)
    node.settle()
    assert node.starts() == ["a", "b"]


def test_an_init_containers_volume_holds_up_the_others_volumes() -> None:
    node = Node(pod(mounts("a", "data"), init=(mounts("i", "model"),)))
    node.pulls = {"model:1": PENDING}
    node.settle()
    assert node.pulled() == ["i", MODEL] or node.pulled() == [MODEL, "i"]
    node.pull_ends(MODEL)
    node.settle()
    node.exits("i", 0)
    node.settle()
    assert node.starts() == ["i", "a"]


@pytest.mark.parametrize("reason", ["ErrImagePull", "RegistryUnavailable"])
def test_a_failing_volume_is_shown_by_who_mounts_it(reason: str) -> None:
    node = Node(pod(mounts("a", "data"), mounts("b")))
    node.failing = {DATA: reason}
    node.settle()
    waiting = app(node, "a").state.waiting
    assert waiting is not None
    assert (waiting.reason, waiting.message) == (reason, "no")
    other = app(node, "b").state
    assert other.running is not None
    assert obstacle(node.pod, node.facts) == f"a: {reason}: no"
    node.advance(6)
    waiting = app(node, "a").state.waiting
    assert waiting is not None
    assert waiting.reason == "ImagePullBackOff"
    assert waiting.message == f'Back-off pulling image "data:1": {reason}: no'
    assert node.log.count(BackOffPull(DATA)) == 1


def test_a_failing_volume_is_tried_again_and_longer_each_time() -> None:
    node = Node(pod(mounts("a", "data"), mounts("b", "data")))
    node.failing = {DATA: "ErrImagePull"}
    node.advance(70)
    assert node.pulled().count(DATA) == 4  # 0, 10, 30, 70
    node.failing = {}
    node.advance(90)
    assert node.starts() == ["a", "b"]
    assert app(node, "a").state.running is not None
    assert obstacle(node.pod, node.facts) == ""


def test_a_volume_that_must_not_be_pulled() -> None:
    node = Node(pod(mounts("a", "data")))
    node.pulls = {"data:1": "it is not there"}
    node.failing = {DATA: "ErrImageNeverPull"}
    node.settle()
    waiting = app(node, "a").state.waiting
    assert waiting is not None
    assert waiting.reason == "ErrImageNeverPull"


def test_who_is_not_to_be_started_yet_waits_for_that() -> None:
    node = Node(pod(mounts("a", "data"), init=(mounts("i", "data"),)))
    node.pulls, node.failing = {"data:1": "gone"}, {DATA: "ErrImageNeverPull"}
    node.settle()
    shown = [app(node, name).state.waiting for name in ("i", "a")]
    assert [each and each.reason for each in shown] == ["ErrImageNeverPull", "PodInitializing"]
    assert obstacle(node.pod, node.facts) == "i: ErrImageNeverPull: gone"


def test_a_deleted_pod_needs_no_volume() -> None:
    node = Node(pod(mounts("a", "data")))
    node.pulls = {"data:1": PENDING}
    node.settle()
    node.is_deleted()
    assert not is_needed(node.pod, node.facts, DATA)
    node.settle()
    assert node.released


def test_events_of_a_volume_are_the_pods() -> None:
    node = Node(pod(mounts("a", "data")))
    node.failing = {DATA: "ErrImagePull"}
    node.settle()
    told = [
        (event.reason, event.message, event.object)
        for event in events(node.pod, Facts(accepted_at=T0), node.facts, node.now)
        if "data:1" in event.message or "ErrImagePull" in event.message
    ]
    assert told == [
        ("Failed", 'Failed to pull image "data:1": no', ""),
        ("Failed", "Error: ErrImagePull", ""),
    ]
