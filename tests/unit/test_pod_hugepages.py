"""Huge pages of a Pod: rules, defaults, what it asks for, what its cgroups and volumes get."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pytest

from podrun.agent.mounts import volumes
from podrun.api.admit import admit
from podrun.api.change import Effect, compare
from podrun.api.hugepages import page_bytes, resource_of
from podrun.api.pod import Pod
from podrun.errors import InvalidManifest
from podrun.linux import hugepages
from podrun.pod.fitting import never_fits
from podrun.pod.resources import container_pages, pod_pages, qos_class, requests

MI = 1 << 20
PAGE = 2 * MI
SMALL = {"limits": {"memory": "64Mi", "hugepages-2Mi": "4Mi"}}
LARGE = {"limits": {"memory": "64Mi", "hugepages-1Gi": "1Gi"}}


def pod(*containers: dict[str, Any], whole: Any = None, **volume: str) -> Pod:
    spec: dict[str, Any] = {
        "containers": [
            {"name": f"c{i}", "image": "localhost/host", "resources": resources}
            for i, resources in enumerate(containers)
        ],
        "volumes": [{"name": "v", "emptyDir": volume}],
    }
    if whole:
        spec["resources"] = whole
    manifest = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "huge"}, "spec": spec}
    return admit([(msgspec.json.encode(manifest), "f")]).objects[0].pod


def test_the_limit_is_the_request_and_no_matter_of_qos() -> None:
    found = pod(SMALL, SMALL)
    assert requests(found) == {"memory": 128 * MI, "hugepages-2Mi": 8 * MI}
    assert qos_class(found) == "Burstable"


def test_each_container_gets_its_own_and_the_pod_the_sum() -> None:
    found = pod(SMALL, LARGE, {})
    each = [container_pages(found, container) for container in found.spec.containers]
    assert each == [{PAGE: 4 * MI}, {1 << 30: 1 << 30}, {}]
    assert pod_pages(found) == {PAGE: 4 * MI, 1 << 30: 1 << 30}


def test_of_the_pod_as_a_whole_any_container_may_use_them() -> None:
    found = pod({}, SMALL, whole={"limits": {"memory": "1Gi", "hugepages-2Mi": "16Mi"}})
    each = [container_pages(found, container) for container in found.spec.containers]
    assert each == [{PAGE: 16 * MI}, {PAGE: 4 * MI}]
    assert requests(found)["hugepages-2Mi"] == pod_pages(found)[PAGE] == 16 * MI


def test_the_pods_limit_is_what_its_containers_have_unless_given() -> None:
    found = pod(SMALL, SMALL, whole={"limits": {"memory": "1Gi"}})
    whole = found.spec.resources
    assert whole is not None
    assert whole.limits["hugepages-2Mi"] == whole.requests["hugepages-2Mi"] == str(8 * MI)


@pytest.mark.parametrize(
    ("volume", "page", "size"),
    [
        ({"medium": "HugePages"}, PAGE, 4 * MI),
        ({"medium": "HugePages", "sizeLimit": "2Mi"}, PAGE, PAGE),
        ({"medium": "HugePages-2Mi", "sizeLimit": "1Gi"}, PAGE, 4 * MI),
        ({"medium": "HugePages-2048Ki"}, PAGE, 4 * MI),
    ],
)
def test_a_volume_of_them(volume: dict[str, str], page: int, size: int) -> None:
    (made,) = volumes(pod(SMALL, {}, **volume))
    assert (made.page_bytes, made.size_bytes, made.memory) == (page, size, False)


def test_of_two_sizes_the_medium_names_one() -> None:
    (made,) = volumes(pod(SMALL, LARGE, medium="HugePages-1Gi"))
    assert (made.page_bytes, made.size_bytes) == (1 << 30, 1 << 30)


NOT_ASKED = "hugePages storage requested, but there is no resource request for huge pages"


@pytest.mark.parametrize(
    ("containers", "medium", "why"),
    [
        ([{}], "HugePages", f'Invalid value: "HugePages": {NOT_ASKED}'),
        ([SMALL], "HugePages-1Gi", f'Invalid value: "HugePages-1Gi": {NOT_ASKED}'),
        (
            [SMALL, LARGE],
            "HugePages",
            'Invalid value: "HugePages": '
            "can't be used if container requests multiple huge page sizes",
        ),
        ([SMALL], "HugePages-", "Invalid value: \"HugePages-\": '' is not a quantity"),
        ([SMALL], "HugePages-0", 'Invalid value: "HugePages-0": HugePages-0 has no size'),
        (
            [SMALL],
            "HugePages2Mi",
            'Unsupported value: "HugePages2Mi": supported values: "HugePages", "Memory"',
        ),
    ],
)
def test_media_that_cannot_be(containers: list[dict[str, Any]], medium: str, why: str) -> None:
    with pytest.raises(InvalidManifest) as refused:
        pod(*containers, medium=medium)
    assert f"spec.volumes[0].emptyDir.medium: {why}" in refused.value.message


def test_pages_the_machine_does_not_have_never_fit() -> None:
    room = {"memory": 1 << 30, "hugepages-2Mi": 2 * MI}
    assert never_fits(pod(SMALL), room) == (
        "Insufficient hugepages-2Mi: needs 4Mi, the node has 2Mi for all pods"
    )
    assert never_fits(pod(LARGE), room) == (
        "Insufficient hugepages-1Gi: needs 1Gi, the node has 0 for all pods"
    )
    assert never_fits(pod(SMALL), room | {"hugepages-2Mi": 4 * MI}) == ""


def test_more_of_them_is_another_pod() -> None:
    more = {"limits": {"memory": "64Mi", "hugepages-2Mi": "6Mi"}}
    assert compare(pod(SMALL), pod(more)).effect == Effect.RECREATE
    memory = {"limits": {"memory": "128Mi", "hugepages-2Mi": "4Mi"}}
    assert compare(pod(SMALL), pod(memory)).effect == Effect.RESIZE


def test_sizes_and_names() -> None:
    names = ["hugepages-64Ki", "hugepages-2Mi", "hugepages-32Mi", "hugepages-1Gi"]
    assert [resource_of(page_bytes(name)) for name in names] == names


def test_what_the_machine_has(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for kilobytes, count in ((1048576, 1), (2048, 512)):
        directory = tmp_path / f"hugepages-{kilobytes}kB"
        directory.mkdir()
        (directory / "nr_hugepages").write_text(f"{count}\n")
    monkeypatch.setattr(hugepages, "_ROOT", tmp_path)
    assert list(hugepages.totals().items()) == [(PAGE, 1 << 30), (1 << 30, 1 << 30)]
    monkeypatch.setattr(hugepages, "_ROOT", tmp_path / "none")
    assert hugepages.totals() == {}
