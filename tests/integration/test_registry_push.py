"""Writing to a real registry, straight and through a proxy that does wrong."""

from __future__ import annotations

import hashlib
import io
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from podrun.registry.client import Repository
from podrun.registry.retry import Patience
from podrun.registry.types import NoKeyring, RegistryError
from tests.registry import Misbehaving, Registry, layout_blob, layout_manifest, oci_image

QUICK = Patience(pause_first_seconds=0.01)
DATA = os.urandom(3_000_000)


def digest_of(data: bytes) -> str:
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


@pytest.fixture
def repository(proxy: Misbehaving, request: pytest.FixtureRequest) -> Iterator[Repository]:
    name = f"push/{digest_of(request.node.name.encode())[7:19]}"  # a new one for each test
    with Repository(proxy.endpoint(name), NoKeyring(), push=True, patience=QUICK) as repository:
        yield repository


def upload(repository: Repository, data: bytes = DATA) -> list[int]:
    told: list[int] = []
    repository.upload(digest_of(data), len(data), io.BytesIO(data), told.append)
    assert told[-1] == len(data)
    return told


def stored(repository: Repository, data: bytes = DATA) -> bool:
    found = bytearray()
    with repository.blob(digest_of(data), len(data)) as blob:
        while piece := blob.read():
            found += piece
    return bytes(found) == data


def bodies(proxy: Misbehaving) -> list[tuple[str, str | None]]:
    """(method, Content-Range) of the requests that sent some of the blob."""
    return [
        (one["method"], one["headers"].get("content-range"))
        for one in proxy.requests()
        if one["method"] in {"PUT", "PATCH"} and one["headers"]["content-length"] != "0"
    ]


def test_a_whole_image(registry: Registry, tmp_path: Path) -> None:
    layout = oci_image(tmp_path / "layout", [{"etc/motd": b"hi\n"}, {"big": DATA}])
    digest, manifest = layout_manifest(layout)
    with Repository(registry.endpoint("whole"), NoKeyring(), push=True) as repository:
        for blob in (manifest["config"], *manifest["layers"]):
            data = layout_blob(layout, blob["digest"])
            assert not repository.has_blob(blob["digest"])
            upload(repository, data)
            assert repository.has_blob(blob["digest"])
        raw = layout_blob(layout, digest)
        assert repository.put_manifest("v1", manifest["mediaType"], raw) == digest
        assert repository.put_manifest(digest, manifest["mediaType"], raw) == digest
        assert repository.manifest("v1", 1 << 20).data == raw


def test_progress_is_told_as_it_is_made(repository: Repository, proxy: Misbehaving) -> None:
    told = upload(repository)
    assert told == sorted(told)
    assert len(told) > 5
    assert bodies(proxy) == [("PUT", None)]


def test_an_empty_blob(repository: Repository) -> None:
    repository.upload(digest_of(b""), 0, io.BytesIO(b""), lambda sent: None)
    assert repository.has_blob(digest_of(b""))


def test_a_cut_upload_goes_on_where_it_ended(repository: Repository, proxy: Misbehaving) -> None:
    proxy.faults({"match": "^PUT", "do": "keep", "after": 1_500_000, "times": 1})
    told = upload(repository)
    assert stored(repository)
    assert bodies(proxy) == [("PUT", None), ("PATCH", f"1500000-{len(DATA) - 1}")]
    assert 1_500_000 < told[-1] == len(DATA)


def test_an_upload_that_is_cut_twice(repository: Repository, proxy: Misbehaving) -> None:
    proxy.faults(
        {"match": "^PUT", "do": "keep", "after": 1_000_000, "times": 1},
        {"match": "^PATCH", "do": "keep", "after": 1_000_000, "times": 1},
    )
    upload(repository)
    assert stored(repository)
    end = len(DATA) - 1
    assert bodies(proxy) == [
        ("PUT", None),
        ("PATCH", f"1000000-{end}"),
        ("PATCH", f"2000000-{end}"),
    ]


@pytest.mark.parametrize("fault", [{"do": "keep", "after": 100}, {"do": "swallow", "after": 10}])
def test_an_upload_that_creeps_or_never_moves_is_given_up(
    repository: Repository, proxy: Misbehaving, fault: dict[str, Any]
) -> None:
    proxy.faults({"match": "^(PUT|PATCH)", **fault})
    with pytest.raises(RegistryError, match="after 5 tries"):
        upload(repository)


def test_a_registry_that_cannot_resume_gets_it_anew(
    repository: Repository, proxy: Misbehaving
) -> None:
    proxy.faults({"match": "^PUT", "do": "swallow", "after": 1_000_000, "times": 1})
    upload(repository)
    assert stored(repository)
    assert bodies(proxy) == [("PUT", None), ("PUT", None)]


def test_where_the_registry_does_not_tell_it_is_begun_anew(
    repository: Repository, proxy: Misbehaving
) -> None:
    proxy.faults(
        {"match": "^PUT", "do": "swallow", "after": 1_000_000, "times": 1},
        {"match": "^GET .*uploads", "do": "answer", "status": 404},
    )
    upload(repository)
    assert stored(repository)
    assert [method for method, _ in bodies(proxy)] == ["PUT", "PUT"]


@pytest.mark.parametrize(
    ("method", "status", "times"), [("PUT", 404, 1), ("POST", 503, 2), ("PUT", 503, 2)]
)
def test_a_forgotten_session_is_opened_again_and_a_busy_registry_asked_again(
    repository: Repository, proxy: Misbehaving, method: str, status: int, times: int
) -> None:
    proxy.faults({"match": f"^{method}", "do": "answer", "status": status, "times": times})
    upload(repository)
    assert stored(repository)


def test_a_wrong_digest_is_refused(repository: Repository) -> None:
    with pytest.raises(RegistryError, match="digest did not match") as caught:
        repository.upload(digest_of(b"x"), len(DATA), io.BytesIO(DATA), lambda sent: None)
    assert caught.value.status == 400


def test_a_source_that_is_too_short(repository: Repository) -> None:
    with pytest.raises(RegistryError, match="has only 3 of its 5 bytes"):
        repository.upload(digest_of(b"x"), 5, io.BytesIO(b"abc"), lambda sent: None)


@pytest.mark.parametrize("location", [None, "file:///etc/passwd", "ftp://127.0.0.1/x"])
def test_a_hostile_place_to_upload_to(
    repository: Repository, proxy: Misbehaving, location: str | None
) -> None:
    proxy.faults({"match": "^POST", "do": "headers", "set": {"Location": location}})
    with pytest.raises(RegistryError, match=r"where to upload to|leads to"):
        upload(repository)


def test_a_place_to_upload_to_on_another_host_gets_no_login(
    registry: Registry, proxy: Misbehaving, repository: Repository, tmp_path: Path
) -> None:
    with Misbehaving(tmp_path / "storage", registry.host) as storage:
        storage.faults({"do": "answer", "status": 201})
        location = {"Location": f"http://{storage.host}/upload?id=1"}
        proxy.faults({"match": "^POST", "do": "headers", "set": location})
        upload(repository)
        (asked,) = storage.requests()
        assert asked["path"] == f"/upload?id=1&digest={digest_of(DATA)}"
        assert "authorization" not in asked["headers"]


def test_a_blob_of_another_repository_is_mounted(
    registry: Registry, repository: Repository, proxy: Misbehaving
) -> None:
    with Repository(registry.endpoint("source"), NoKeyring(), push=True) as source:
        upload(source)
    assert repository.mount(digest_of(DATA), "source")
    assert stored(repository)
    assert bodies(proxy) == []


def test_a_mount_that_is_not_had_becomes_an_upload(
    repository: Repository, proxy: Misbehaving
) -> None:
    data = os.urandom(1000)
    assert not repository.mount(digest_of(data), "source")
    upload(repository, data)
    assert stored(repository, data)
    assert sum(one["method"] == "POST" for one in proxy.requests()) == 1


def test_a_manifest_that_lacks_its_blobs(repository: Repository) -> None:
    missing = {"mediaType": "x", "digest": digest_of(b"nowhere"), "size": 7}
    manifest = {"schemaVersion": 2, "config": missing, "layers": []}
    media_type = "application/vnd.oci.image.manifest.v1+json"
    body = json.dumps({**manifest, "mediaType": media_type}).encode()
    with pytest.raises(RegistryError, match=r"blob unknown") as caught:
        repository.put_manifest("v1", media_type, body)
    assert caught.value.status in {400, 404}
