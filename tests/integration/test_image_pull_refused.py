"""What a registry may send and what is not taken: nothing is left of it but whole blobs to be used
by another pull."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import msgspec
import pytest

from podrun.errors import PodrunError
from podrun.image import oci
from podrun.image.types import BadArchive, Limits
from podrun.registry.types import RegistryError
from tests.integration import image_lab as lab
from tests.integration import pull_lab
from tests.integration.image_lab import member
from tests.integration.pull_lab import GZIP, Layer, Pulling, files, noise, put
from tests.registry import Misbehaving, Registry

GOOD = files(etc_file=noise(2000))
WRONG = "sha256:" + "0" * 64
SCHEMA_1 = "application/vnd.docker.distribution.manifest.v1+prettyjws"
FOREIGN = "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip"


@pytest.fixture(scope="module")
def registry(registry: Registry) -> Registry:
    put(registry, "good/app:v1", [GOOD])
    return registry


@pytest.fixture
def here(tmp_path: Path) -> Pulling:
    return Pulling(tmp_path / "node", image_limits=Limits(layers=4, document_bytes=20_000))


def refused(here: Pulling, name: str, why: str) -> PodrunError:
    with pytest.raises((BadArchive, RegistryError), match=why) as caught:
        here.pull(name)
    assert caught.value.reason == "ErrImagePull"
    assert name in caught.value.message
    assert here.is_empty()
    return caught.value


def answering(proxy: Misbehaving, media_type: str, body: str) -> str:
    """The name of an image whose manifest is this."""
    answer = {"status": 200, "headers": {"Content-Type": media_type}, "body": body}
    proxy.faults({"match": "/manifests/", "do": "answer", **answer})
    return f"{proxy.host}/good/app:v1"


# Documents ───────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("media_type", "body", "why"),
    [
        (oci.MANIFEST, "this is no JSON", "not valid"),
        (oci.MANIFEST, "", "not valid"),
        (oci.MANIFEST, "[" * 10_000, "not valid"),
        (oci.MANIFEST, json.dumps({"x": "y" * 20_000}), "more than 20000 bytes"),
        (SCHEMA_1, '{"schemaVersion":1,"fsLayers":[],"history":[]}', "schema 1"),
        ("text/html", "<html>log in here</html>", "not valid"),
        ("application/vnd.x.y+json", "{}", "is no image"),
        (oci.INDEX, '{"schemaVersion":2,"manifests":[],"layers":[]}', "list and a manifest"),
        (oci.INDEX, '{"schemaVersion":2,"manifests":[]}', "has no image for"),
    ],
)
def test_documents(here: Pulling, proxy: Misbehaving, media_type: str, body: str, why: str) -> None:
    refused(here, answering(proxy, media_type, body), why)
    assert here.partial == {}


def with_layers(**fields: Any) -> str:
    config = pull_lab.config_of([GOOD])
    return json.dumps({**pull_lab.manifest_of([GOOD], config), **fields})


@pytest.mark.parametrize(
    ("layers", "why"),
    [
        ([GOOD.descriptor()] * 5, r"5 layers, more than 4 \(limit: layers"),
        ([GOOD.descriptor()] * 2, "2 layers, but 1 diff IDs"),
        ([], "0 layers, but 1 diff IDs"),
        ([{**GOOD.descriptor(), "mediaType": FOREIGN}], "foreign"),
        ([{**GOOD.descriptor(), "mediaType": "application/x-tar"}], "unknown type"),
        ([{**GOOD.descriptor(), "size": 1 << 50}], "limit: bytes"),
        ([{**GOOD.descriptor(), "digest": "sha256:../../../etc/passwd"}], "not a sha256 digest"),
    ],
)
def test_layers_that_are_promised(
    here: Pulling, proxy: Misbehaving, layers: list[dict[str, Any]], why: str
) -> None:
    refused(here, answering(proxy, oci.MANIFEST, with_layers(layers=layers)), why)
    assert here.partial == {}


def test_10_000_layers(here: Pulling, proxy: Misbehaving, tmp_path: Path) -> None:
    many = [{"mediaType": oci.LAYER, "digest": WRONG, "size": 1}] * 10_000
    name = answering(proxy, oci.MANIFEST, with_layers(layers=many))
    roomy = Pulling(tmp_path / "roomy")
    refused(roomy, name, "10000 layers, more than 127")
    refused(here, name, "more than 20000 bytes")


def test_a_configuration_that_is_not_one(here: Pulling, registry: Registry) -> None:
    for number, config in enumerate((b"no", b"{}", b'{"rootfs":{"diff_ids":["x"]}}')):
        put(registry, f"config/a{number}:v1", [GOOD], config=config)
        refused(here, f"{registry.host}/config/a{number}:v1", "configuration is not valid")


def test_a_configuration_with_other_bytes(here: Pulling, proxy: Misbehaving) -> None:
    config = pull_lab.config_of([GOOD])
    proxy.faults({"match": f"GET .*{oci.digest_of(config)}", "do": "corrupt", "at": 20})
    refused(here, f"{proxy.host}/good/app:v1", "something else")


def test_a_manifest_with_another_digest(here: Pulling, proxy: Misbehaving) -> None:
    digest = here.pull(f"{proxy.host}/good/app:v1").manifest
    here.store.prune(all_unused=True)
    proxy.faults({"match": "GET .*/manifests/", "do": "corrupt", "at": 30})
    refused(here, f"{proxy.host}/good/app@{digest}", "has digest")


# Layers ──────────────────────────────────────────────────────────────────────────────────────────


def put_layer(registry: Registry, name: str, layer: Layer) -> str:
    put(registry, name, [GOOD, layer])
    return f"{registry.host}/{name}"


def bad_layers() -> dict[str, tuple[Layer, str]]:
    tar = lab.tar_of(member("a", noise(3000)), member("b", noise(3000)))
    packed, diff_id = gzip.compress(tar, mtime=0), oci.digest_of(tar)
    return {
        "diffid": (Layer(packed, WRONG), "diff ID"),
        "cut": (Layer(packed[:-500], diff_id), "truncated"),
        "cuttar": (Layer(gzip.compress(tar[:2000]), oci.digest_of(tar[:2000])), "truncated"),
        "notar": (Layer(noise(5000), WRONG), "not a tar archive"),
        "notgzip": (Layer(b"\x1f\x8b" + noise(5000), WRONG), "damaged"),
        "dotdot": (pull_lab.gzip_layer(member("../evil", b"x")), "not allowed"),
        "device": (
            pull_lab.gzip_layer(member("dev", type=b"3", devmajor=0, devminor=0)),
            "character device 0/0",
        ),
    }


@pytest.mark.parametrize("kind", sorted(bad_layers()))
def test_layers(here: Pulling, registry: Registry, kind: str) -> None:
    layer, why = bad_layers()[kind]
    refused(here, put_layer(registry, f"bad/{kind}:v1", layer), why)
    assert layer.digest[7:] not in here.partial


def test_the_promised_size_counts(here: Pulling, registry: Registry, proxy: Misbehaving) -> None:
    for size in (len(GOOD.blob) - 1, len(GOOD.blob) + 1):
        layer = msgspec.structs.replace(GOOD, size=size)
        name = answering(
            proxy, oci.MANIFEST,
            json.dumps(pull_lab.manifest_of([layer], pull_lab.config_of([layer]))),
        )  # fmt: skip
        refused(here, name, f"{len(GOOD.blob)} bytes at the registry, not {size}")


def test_a_bomb_is_limited(registry: Registry, tmp_path: Path) -> None:
    here = Pulling(tmp_path / "node", image_limits=Limits(bytes=4 << 20))
    tar = lab.tar_of(member("big", bytes(16 << 20)))
    layer = Layer(gzip.compress(tar, mtime=0), oci.digest_of(tar), GZIP)
    name = put_layer(registry, "bad/bomb:v1", layer)
    error = refused(here, name, r"limit: bytes")
    assert "imageLimits.bytes" in error.message


def test_the_image_of_the_same_name_stays(
    here: Pulling, registry: Registry, proxy: Misbehaving
) -> None:
    name = f"{proxy.host}/stays/app:v1"
    put(registry, "stays/app:v1", [GOOD])
    image = here.pull(name)
    layer, why = bad_layers()["diffid"]
    put(registry, "stays/app:v1", [GOOD, layer])
    with pytest.raises(BadArchive, match=why):
        here.pull(name)
    assert here.store.resolve(name) == image
    assert len(here.trees(image)) == 1
