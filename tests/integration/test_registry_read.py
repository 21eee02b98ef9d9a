"""Reading from a real registry, straight and through a proxy that does wrong."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from podrun.registry.client import Repository
from podrun.registry.retry import Patience
from podrun.registry.types import NoKeyring, RegistryError
from tests.node import PATIENCE
from tests.registry import (
    FakeClock,
    Misbehaving,
    Registry,
    Serving,
    layout_blob,
    layout_manifest,
    oci_image,
)

BIG = os.urandom(3_000_000)
LIMIT = 1 << 20
# For answers that never come. Where one is to come after all, there is time for it.
QUICK = Patience(read_seconds=0.3, document_seconds=1.0)
STALLED = Patience(read_seconds=1.5 * PATIENCE)


class Lab:
    """The image ``app:v1`` in a registry, and a proxy before it."""

    def __init__(self, registry: Registry, proxy: Misbehaving, layout: Path) -> None:
        self.registry = registry
        self.proxy = proxy
        self.digest, manifest = layout_manifest(layout)
        self.media_type = manifest["mediaType"]
        layer: dict[str, Any] = manifest["layers"][0]
        self.layer, self.size = layer["digest"], layer["size"]
        self.content = layout_blob(layout, self.layer)
        self.clock = FakeClock()

    def repository(self, **settings: Any) -> Repository:
        return Repository(self.proxy.endpoint("app"), NoKeyring(), clock=self.clock, **settings)

    def faults(self, *faults: dict[str, Any]) -> None:
        self.proxy.faults(*faults)

    def blob_requests(self) -> list[dict[str, Any]]:
        return [request for request in self.proxy.requests() if "/blobs/" in request["path"]]


@pytest.fixture(scope="module")
def layout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    files = {"etc/motd": b"hello\n", "big": BIG}
    return oci_image(tmp_path_factory.mktemp("layout"), [files])


@pytest.fixture(scope="module")
def registry(serving: Serving) -> Registry:
    return serving()


@pytest.fixture
def lab(registry: Registry, proxy: Misbehaving, layout: Path) -> Lab:
    return Lab(registry, proxy, layout)


def read_all(repository: Repository, digest: str, size: int, offset: int = 0) -> bytes:
    data = bytearray()
    with repository.blob(digest, size, offset) as blob:
        while piece := blob.read(100_000):
            assert len(piece) <= 100_000
            data += piece
        assert blob.read(10) == b""
    return bytes(data)


# ── as it should be ──────────────────────────────────────────────────────────────────────────────


def test_a_manifest_by_tag_and_by_digest(lab: Lab) -> None:
    with lab.repository() as repository:
        by_tag = repository.manifest("v1", LIMIT)
        by_digest = repository.manifest(lab.digest, LIMIT)
        assert by_tag == by_digest
        assert by_tag.digest == lab.digest
        assert by_tag.media_type == lab.media_type
        assert repository.head_manifest("v1") == lab.digest
        assert repository.tags() == ["v1"]
    assert lab.clock.slept == []


def test_a_blob_from_its_start_and_from_the_middle(lab: Lab) -> None:
    with lab.repository() as repository:
        assert read_all(repository, lab.layer, lab.size) == lab.content
        assert read_all(repository, lab.layer, lab.size, 1_000_000) == lab.content[1_000_000:]
        assert read_all(repository, lab.layer, lab.size, lab.size) == b""
        assert repository.has_blob(lab.layer)
        assert not repository.has_blob("sha256:" + "0" * 64)


def test_the_connection_is_used_again(lab: Lab) -> None:
    endpoint = lab.registry.endpoint("app")
    with Repository(endpoint, NoKeyring()) as repository:
        repository.manifest("v1", LIMIT)
        read_all(repository, lab.layer, lab.size)
        repository.manifest("v1", LIMIT)
        managers = repository._session.transport._managers
        pool = managers["http", endpoint.host].connection_from_url(f"http://{endpoint.host}")
        assert pool.num_connections == 1


def test_a_child_goes_on_with_connections_of_its_own(lab: Lab) -> None:
    with lab.repository() as repository:
        repository.manifest("v1", LIMIT)
        child = os.fork()
        if child == 0:
            try:
                repository.after_fork()
                same = read_all(repository, lab.layer, lab.size) == lab.content
                os._exit(0 if same else 1)
            finally:
                os._exit(2)
        assert read_all(repository, lab.layer, lab.size) == lab.content
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def test_what_is_not_there_is_named_with_a_hint(lab: Lab) -> None:
    with lab.repository() as repository, pytest.raises(RegistryError) as caught:
        repository.manifest("v9", LIMIT)
    assert caught.value.status == 404
    assert caught.value.message.startswith(f"manifest v9 of {lab.proxy.host}/app: not found")
    assert f"podrun login {lab.proxy.host}" in caught.value.hint


def test_nobody_listens(lab: Lab) -> None:
    lab.proxy.close()
    with lab.repository() as repository, pytest.raises(RegistryError) as caught:
        repository.manifest("v1", LIMIT)
    assert "connection refused; after 3 tries" in caught.value.message
    assert len(lab.clock.slept) == 2


# ── cut, stalled, busy: tried again ──────────────────────────────────────────────────────────────


def test_a_cut_blob_is_resumed_where_it_ended(lab: Lab) -> None:
    lab.faults(
        {"match": "blobs", "do": "cut", "after": 1_000_000, "times": 1},
        {"match": "blobs", "do": "cut", "after": 500_000, "times": 1},
    )
    with lab.repository() as repository:
        assert read_all(repository, lab.layer, lab.size) == lab.content
    ranges = [request["headers"].get("range") for request in lab.blob_requests()]
    assert ranges == [None, "bytes=1000000-", "bytes=1500000-"]


def test_a_server_that_ignores_ranges_is_skipped_forward(lab: Lab) -> None:
    lab.faults(
        {"match": "blobs", "do": "cut", "after": 1_000_000, "times": 1},
        {"match": "blobs", "do": "ignore-range"},
    )
    with lab.repository() as repository:
        assert read_all(repository, lab.layer, lab.size) == lab.content


def test_a_stalled_blob_is_resumed(lab: Lab) -> None:
    lab.faults({"match": "blobs", "do": "stall", "after": 1_000_000, "times": 1})
    with lab.repository(patience=STALLED) as repository:
        assert read_all(repository, lab.layer, lab.size) == lab.content


def test_many_cuts_with_progress_between_are_forgiven(lab: Lab) -> None:
    lab.faults({"match": "blobs", "do": "cut", "after": 300_000})
    with lab.repository() as repository:
        assert read_all(repository, lab.layer, lab.size) == lab.content
    assert len(lab.blob_requests()) == lab.size // 300_000 + 1


@pytest.mark.parametrize("fault", [{"do": "cut", "after": 1}, {"do": "stall", "after": 1}])
def test_a_blob_that_hardly_moves_is_given_up(lab: Lab, fault: dict[str, Any]) -> None:
    lab.faults({"match": "blobs", **fault})
    with (
        lab.repository(patience=QUICK) as repository,
        pytest.raises(RegistryError, match="after 5 tries"),
    ):
        read_all(repository, lab.layer, lab.size)
    assert len(lab.blob_requests()) == 5


def test_a_blob_that_drips_is_given_up(lab: Lab) -> None:
    lab.faults({"match": "blobs", "do": "drip", "seconds": 0.02})
    with lab.repository(patience=QUICK) as repository, pytest.raises(RegistryError) as caught:
        read_all(repository, lab.layer, lab.size)
    assert "stalled: only" in caught.value.message


@pytest.mark.parametrize("status", [408, 429, 500, 502, 503, 504])
def test_a_busy_registry_is_asked_again(lab: Lab, status: int) -> None:
    lab.faults({"match": "manifests", "do": "answer", "status": status, "times": 2})
    with lab.repository() as repository:
        assert repository.manifest("v1", LIMIT).digest == lab.digest
    assert len(lab.clock.slept) == 2
    assert 0.3 < lab.clock.slept[0] <= 0.5 < lab.clock.slept[1] <= 1.0


def test_a_busy_registry_is_asked_again_for_a_blob(lab: Lab) -> None:
    lab.faults({"match": "blobs", "do": "answer", "status": 503, "times": 3})
    with lab.repository() as repository:
        assert read_all(repository, lab.layer, lab.size) == lab.content


def test_retry_after_is_obeyed_in_both_its_forms(lab: Lab) -> None:
    date = "Tue, 14 Nov 2023 22:13:50 GMT"  # 1_700_000_030
    said = {"match": "manifests", "do": "answer", "status": 429, "times": 1}
    lab.faults(
        {**said, "headers": {"Retry-After": "7"}}, {**said, "headers": {"Retry-After": date}}
    )
    with lab.repository() as repository:
        repository.manifest("v1", LIMIT)
    assert lab.clock.slept == [7.0, 23.0]


def test_a_registry_that_wants_hours_is_not_waited_for(lab: Lab) -> None:
    body = '{"errors": [{"code": "TOOMANYREQUESTS", "message": "pull rate limit reached"}]}'
    lab.faults({"do": "answer", "status": 429, "headers": {"Retry-After": "21600"}, "body": body})
    with lab.repository() as repository, pytest.raises(RegistryError) as caught:
        repository.manifest("v1", LIMIT)
    assert caught.value.status == 429
    assert "pull rate limit reached" in caught.value.message
    assert "asks to wait 21600 s" in caught.value.message
    assert lab.clock.slept == []


def test_a_cut_manifest_is_fetched_again(lab: Lab) -> None:
    lab.faults({"match": "manifests", "do": "cut", "after": 10, "times": 1})
    with lab.repository() as repository:
        assert repository.manifest("v1", LIMIT).digest == lab.digest
