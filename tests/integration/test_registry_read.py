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


# ── redirects ────────────────────────────────────────────────────────────────────────────────────


def test_a_blob_is_redirected_and_each_resume_asks_the_registry(lab: Lab, tmp_path: Path) -> None:
    with Misbehaving(tmp_path / "cdn", lab.registry.host) as cdn:
        cdn.faults({"do": "cut", "after": 1_000_000, "times": 1})
        lab.faults({"match": "blobs", "do": "redirect", "to": f"http://{cdn.host}{{path}}"})
        with lab.repository() as repository:
            assert read_all(repository, lab.layer, lab.size) == lab.content
            assert repository.has_blob(lab.layer)
        assert [one["headers"].get("range") for one in cdn.requests()] == [None, "bytes=1000000-"]
    assert len(lab.blob_requests()) == 3


def test_a_redirect_loop_ends(lab: Lab) -> None:
    lab.faults({"match": "manifests", "do": "redirect", "to": "/v2/app/manifests/v1"})
    with lab.repository() as repository, pytest.raises(RegistryError, match="8 redirects"):
        repository.manifest("v1", LIMIT)


@pytest.mark.parametrize(
    "target", ["file:///etc/passwd", "ftp://127.0.0.1/x", "http://u:p@127.0.0.1/", "//["]
)
def test_a_redirect_to_what_is_no_web_server_is_refused(lab: Lab, target: str) -> None:
    lab.faults({"match": "manifests", "do": "redirect", "to": target})
    with lab.repository() as repository, pytest.raises(RegistryError, match="leads to"):
        repository.manifest("v1", LIMIT)


def test_a_refusal_of_another_host_is_not_taken_for_the_registrys(lab: Lab, tmp_path: Path) -> None:
    with Misbehaving(tmp_path / "cdn", lab.registry.host) as cdn:
        cdn.faults({"do": "answer", "status": 403})
        lab.faults({"match": "blobs", "do": "redirect", "to": f"http://{cdn.host}{{path}}"})
        with lab.repository() as repository, pytest.raises(RegistryError) as caught:
            read_all(repository, lab.layer, lab.size)
        assert f"{cdn.host}, where the registry sent us, answered 403" in caught.value.message


# ── hostile ──────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("reference", ["v1", "digest"])
def test_a_manifest_with_another_digest_is_refused(lab: Lab, reference: str) -> None:
    lab.faults({"match": "manifests", "do": "corrupt", "at": 20})
    asked = lab.digest if reference == "digest" else reference
    with lab.repository() as repository, pytest.raises(RegistryError, match=f"not {lab.digest}"):
        repository.manifest(asked, LIMIT)


def test_a_manifest_that_is_too_long_is_refused_before_it_is_read(lab: Lab) -> None:
    with lab.repository() as repository, pytest.raises(RegistryError, match="more than 100 bytes"):
        repository.manifest("v1", 100)


@pytest.mark.parametrize("head", ["HTTP/1.1 200 OK\r\n\r\n", "HTTP/1.1 404 No\r\n\r\n"])
def test_a_body_without_end_is_not_kept(lab: Lab, head: str) -> None:
    lab.faults({"match": "manifests", "do": "raw", "head": head, "repeat": "x" * 9999, "count": -1})
    with lab.repository() as repository, pytest.raises(RegistryError) as caught:
        repository.manifest("v1", LIMIT)
    assert f"more than {LIMIT} bytes" in caught.value.message or caught.value.status == 404


def test_a_blob_of_another_length_is_refused(lab: Lab) -> None:
    for size in (lab.size - 1, lab.size + 1):
        with lab.repository() as repository, pytest.raises(RegistryError) as caught:
            read_all(repository, lab.layer, size)
        assert f"has {lab.size} bytes at the registry, not {size}" in caught.value.message
        with lab.repository() as repository, pytest.raises(RegistryError, match="bytes at the reg"):
            read_all(repository, lab.layer, size, 1000)


def test_no_more_than_its_size_is_read_of_a_blob_without_a_length(lab: Lab) -> None:
    lab.faults({"match": "blobs", "do": "headers", "set": {"Content-Length": None}})
    with lab.repository() as repository:
        assert read_all(repository, lab.layer, 1000) == lab.content[:1000]
        assert read_all(repository, lab.layer, lab.size) == lab.content
        with pytest.raises(RegistryError, match=f"at most {lab.size} bytes at"):
            read_all(repository, lab.layer, lab.size + 1)


@pytest.mark.parametrize("said", ["bytes 5-9/10", "bytes 0-1/2", "nonsense", "bytes */*", ""])
def test_a_range_that_was_not_asked_for_is_refused(lab: Lab, said: str) -> None:
    lab.faults({"match": "blobs", "do": "headers", "set": {"Content-Range": said}})
    with lab.repository() as repository, pytest.raises(RegistryError, match="not from 1000"):
        read_all(repository, lab.layer, lab.size, 1000)


OK = "HTTP/1.1 200 OK\r\n"
CHUNKED = f"{OK}Transfer-Encoding: chunked\r\n\r\n"


@pytest.mark.parametrize(
    ("head", "repeat", "count"),
    [
        pytest.param(OK, "X-Flood: 1\r\n", -1, id="headers without end"),
        pytest.param(OK + "X: ", "y", -1, id="a header without end"),
        pytest.param("", "HTTP/1.1 100 Continue\r\n\r\n", -1, id="continue without end"),
        pytest.param("HTTP/1.1 ", "9", -1, id="a status without end"),
        pytest.param(OK + "\r\n", "{", -1, id="a body without end"),
        pytest.param(CHUNKED, "5\r\nhello\r\n", -1, id="chunks without end"),
        pytest.param(CHUNKED, "0", -1, id="a chunk's length without end"),
        pytest.param(CHUNKED + "2\r\n{}\r\n0\r\n", "a: b\r\n", -1, id="a trailer without end"),
        pytest.param(CHUNKED, "zz\r\nhello\r\n", 5, id="no chunk's length"),
        pytest.param(CHUNKED, "-5\r\nhello\r\n", 5, id="a negative chunk"),
        pytest.param(
            OK + "Content-Length: 99999999999999999999\r\n\r\n", "{", 5, id="a long length"
        ),
        pytest.param(OK + "Content-Length: 5, 6\r\n\r\n", "{", 5, id="two lengths"),
        pytest.param("220 smtp.example ready\r\n", "", 0, id="not HTTP"),
        pytest.param("", "", 0, id="nothing"),
        pytest.param(OK + "Content-Encoding: gzip\r\n\r\n", "{", 5, id="compressed garbage"),
    ],
)
def test_hostile_answers_are_bounded(lab: Lab, head: str, repeat: str, count: int) -> None:
    lab.faults(
        {"match": "manifests|blobs", "do": "raw", "head": head, "repeat": repeat, "count": count}
    )
    patience = Patience(read_seconds=0.3, document_seconds=0.5, tries=2)
    with lab.repository(patience=patience) as repository:
        with pytest.raises(RegistryError) as caught:
            repository.manifest(lab.digest, LIMIT)
        assert len(caught.value.text) < 600
        with repository.blob(lab.layer, 1000) as blob:
            try:
                while blob.read(10):
                    assert blob.position <= 1000
            except RegistryError:
                pass


def test_dripping_headers_are_given_up(lab: Lab) -> None:
    lab.faults({"match": "manifests", "do": "drip", "where": "headers", "seconds": 0.05})
    with lab.repository(patience=QUICK) as repository, pytest.raises(RegistryError) as caught:
        repository.manifest("v1", LIMIT)
    assert "stalled" in caught.value.message


def test_words_of_the_registry_are_made_safe_to_print(lab: Lab) -> None:
    body = '{"errors": [{"message": "\\u001b[31mred\\n\\u202e' + "x" * 5000 + '"}]}'
    lab.faults({"match": "manifests", "do": "answer", "status": 400, "body": body})
    with lab.repository() as repository, pytest.raises(RegistryError) as caught:
        repository.manifest("v1", LIMIT)
    assert caught.value.message.isprintable()
    assert "[31mred" in caught.value.message
    assert len(caught.value.message) < 400


@pytest.mark.parametrize("digest", ["sha256:../../../x", "md5:00", "", "sha256:" + "G" * 64])
def test_a_hostile_manifests_digest_is_no_path(lab: Lab, digest: str) -> None:
    with lab.repository() as repository, pytest.raises(RegistryError, match="not a sha256"):
        repository.blob(digest, 5)


def test_tags_without_end_are_given_up(lab: Lab) -> None:
    link = {"Link": '</v2/app/tags/list?n=1>; rel="next"'}
    lab.faults({"match": "tags", "do": "answer", "status": 200, "headers": link, "body": "[]"})
    with lab.repository() as repository, pytest.raises(RegistryError, match="not readable"):
        repository.tags()
