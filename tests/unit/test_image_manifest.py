"""Documents that strangers send: what is taken for an image, what is refused, in which words."""

from __future__ import annotations

import json
from typing import Any

import pytest

from podrun.image import manifest, oci
from podrun.image.types import BadArchive, Limits

DIGEST = "sha256:" + "a" * 64
LIMITS = Limits(layers=3, bytes=1000, document_bytes=100)


def layer(media_type: str = oci.LAYER, size: int = 10, digest: str = DIGEST) -> dict[str, Any]:
    return {"mediaType": media_type, "digest": digest, "size": size}


def document(**fields: Any) -> bytes:
    whole = {
        "schemaVersion": 2, "mediaType": oci.MANIFEST, "config": layer(oci.CONFIG),
        "layers": [layer()], **fields,
    }  # fmt: skip
    return json.dumps({key: value for key, value in whole.items() if value is not None}).encode()


@pytest.mark.parametrize(
    ("data", "said", "kind", "media_type"),
    [
        (document(), oci.MANIFEST, "manifest", oci.MANIFEST),
        (document(), f"{oci.MANIFEST}; charset=utf-8", "manifest", oci.MANIFEST),
        (document(), "application/json", "manifest", oci.MANIFEST),
        (document(mediaType=None), oci.MANIFEST, "manifest", oci.MANIFEST),
        (document(mediaType=None), "", "manifest", oci.MANIFEST),
        (document(mediaType=oci.DOCKER_MANIFEST), "", "manifest", oci.DOCKER_MANIFEST),
        (b'{"schemaVersion":2,"manifests":[]}', "", "index", oci.INDEX),
        (b'{"schemaVersion":2,"manifests":[]}', oci.DOCKER_LIST, "index", oci.DOCKER_LIST),
        (document(manifests=None, layers=[]), "text/plain", "manifest", oci.MANIFEST),
    ],
)
def test_a_document_is_what_it_calls_itself(
    data: bytes, said: str, kind: str, media_type: str
) -> None:
    assert manifest.kind_of(data, said, "it") == (kind, media_type)


@pytest.mark.parametrize(
    ("data", "said", "why"),
    [
        (b"", "", "not valid"),
        (b"[]", "", "not valid"),
        (b"\xff\xfe", "", "not valid"),
        (b'{"a":' * 100_000, "", "not valid"),
        (b"{}", "", "no image"),
        (b'{"schemaVersion":1,"fsLayers":[]}', "", "schema 1"),
        (b"{}", "application/vnd.docker.distribution.manifest.v1+prettyjws", "schema 1"),
        (document(mediaType=None, fsLayers=[]), "", "schema 1"),
        (document(), oci.INDEX, "was sent as"),
        (document(mediaType=oci.INDEX, manifests=[]), "", "list and a manifest"),
        (document(manifests=[]), oci.MANIFEST, "list and a manifest"),
        (document(mediaType="application/vnd.x"), "", r"media type is application/vnd\.x"),
    ],
)
def test_what_is_no_image_is_refused(data: bytes, said: str, why: str) -> None:
    with pytest.raises(BadArchive, match=why):
        manifest.kind_of(data, said, "it")


@pytest.mark.parametrize(
    "media_type",
    [
        oci.LAYER, f"{oci.LAYER}+gzip", f"{oci.LAYER}+zstd", oci.DOCKER_LAYER,
        f"{oci.DOCKER_LAYER}.gzip", f"{oci.DOCKER_LAYER}.zstd",
    ],
)  # fmt: skip
def test_layers_that_are_taken(media_type: str) -> None:
    found = manifest.manifest(document(layers=[layer(media_type)]), LIMITS, "it")
    assert found.layers[0].media_type == media_type


@pytest.mark.parametrize(
    ("fields", "why"),
    [
        ({"layers": [layer()] * 4}, r"4 layers, more than 3 \(limit: layers"),
        ({"layers": [layer(size=1001)]}, r"1001 bytes, more than 1000 \(limit: bytes"),
        ({"layers": [layer(size=-1)]}, "negative size"),
        ({"layers": [layer(digest="sha256:../../etc/passwd")]}, "not a sha256 digest"),
        ({"layers": [layer(digest="sha512:" + "a" * 128)]}, "not a sha256 digest"),
        ({"layers": [layer("application/vnd.docker.image.rootfs.foreign.diff.tar.gzip")]},
         "foreign"),
        ({"layers": [layer("application/vnd.oci.image.layer.nondistributable.v1.tar+gzip")]},
         "foreign"),
        ({"layers": [layer(f"{oci.LAYER}+gzip+encrypted")]}, "unknown type"),
        ({"layers": [layer("text/html")]}, "unknown type"),
        ({"layers": "x"}, "not valid"),
        ({"config": layer("application/vnd.cncf.helm.config.v1+json")}, "no container image"),
        ({"config": layer(oci.CONFIG, 101)}, "limit: document_bytes"),
        ({"config": None}, "not valid"),
    ],
)  # fmt: skip
def test_manifests_that_are_refused(fields: dict[str, Any], why: str) -> None:
    with pytest.raises(BadArchive, match=why):
        manifest.manifest(document(**fields), LIMITS, "it")


@pytest.mark.parametrize("diff_ids", [[], [DIGEST, DIGEST], ["sha256:x"]])
def test_a_configuration_belongs_to_its_manifest(diff_ids: list[str]) -> None:
    found = manifest.manifest(document(), LIMITS, "it")
    config = {"architecture": "amd64", "os": "linux", "rootfs": {"diff_ids": diff_ids}}
    with pytest.raises(BadArchive, match=r"diff IDs|not a sha256 digest"):
        manifest.file(json.dumps(config).encode(), found)
