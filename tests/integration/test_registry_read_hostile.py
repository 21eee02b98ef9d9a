"""Reading from a registry that leads elsewhere, or says what no registry should."""

from __future__ import annotations

from pathlib import Path

import pytest

from podrun.registry.retry import Patience
from podrun.registry.types import RegistryError
from tests.integration.test_registry_read import (
    LIMIT,
    QUICK,
    Lab,
    lab,
    layout,
    read_all,
    registry,
)
from tests.registry import (
    Misbehaving,
)

__all__ = ["lab", "layout", "registry"]  # fixtures

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
