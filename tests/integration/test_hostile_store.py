"""What is refused leaves nothing behind in the store."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
from pathlib import Path

import pytest
import zstandard

from podrun.image.types import BadArchive
from tests import tarforge as tf
from tests.integration import image_lab as lab
from tests.integration.hostile_lab import REFUSED, is_empty, sparse_of

EIB = 1 << 60


def docker_archive(layers: list[bytes], diff_ids: list[str] | None = None) -> bytes:
    digests = ["sha256:" + hashlib.sha256(layer).hexdigest() for layer in layers]
    config = {"architecture": "", "os": "linux", "rootfs": {"type": "layers", "diff_ids": diff_ids or digests}}  # fmt: skip  # noqa: E501
    names = [f"layer{n}.tar" for n in range(len(layers))]
    manifest = [{"Config": "config.json", "RepoTags": None, "Layers": names}]
    return tf.archive(
        *(tf.entry(name, data) for name, data in zip(names, layers, strict=True)),
        tf.entry("config.json", json.dumps(config).encode()),
        tf.entry("manifest.json", json.dumps(manifest).encode()),
    )


GOOD = tf.archive(tf.folder("d"), tf.entry("d/f", b"good"))
BAD: dict[str, bytes] = {
    "dot dot": tf.archive(tf.entry("good"), tf.named("../x")),
    "hard link out": tf.archive(tf.entry("good"), tf.hardlink("x", "/etc/passwd")),
    "whiteout device": tf.archive(tf.entry("x", kind=tf.CHAR)),
    "capability": tf.archive(tf.pax({"SCHILY.xattr.security.capability": "x"}) + tf.entry("f")),
    "long name": tf.archive(tf.named("n" * 256)),
    "deep": tf.archive(tf.named("d/" * 2000 + "f"), tf.named("d/" * 3000)),
    "sparse": tf.archive(tf.entry("good"), sparse_of(8 * EIB - 1)["pax 0.1"]),
    "cut": GOOD[:1100],
    "cut gzip": gzip.compress(GOOD)[:-4],
    "gzip and garbage": gzip.compress(GOOD) + b"garbage",
    "zstd and garbage": zstandard.ZstdCompressor().compress(GOOD) + b"garbage",
    "window": b"\x28\xb5\x2f\xfd\x00" + bytes([17 << 3]) + b"\1\0\0",
    "no tar": b"x" * 5000,
    "gzip of no tar": gzip.compress(b"x" * 5000),
    "JSON": b'{"layers": []}',
}


@pytest.mark.parametrize("way", ["import", "load"])
@pytest.mark.parametrize("what", BAD)
def test_what_is_refused_leaves_nothing_in_the_store(tmp_path: Path, what: str, way: str) -> None:
    """Naive: the half-unpacked tree, the blob or the good layers before the bad one stay."""
    store = lab.new_store(tmp_path / "state")
    with pytest.raises(REFUSED):
        if way == "import":
            store.import_rootfs(io.BytesIO(BAD[what]), "bad")
        else:
            store.load(io.BytesIO(docker_archive([GOOD, BAD[what]])), "bad")
    assert is_empty(store)
    store.import_rootfs(io.BytesIO(GOOD), "good")
    assert [image.name for image in store.list() if not image.host] == ["docker.io/library/good:latest"]  # fmt: skip  # noqa: E501


def test_a_layer_that_is_not_what_its_diff_id_says(tmp_path: Path) -> None:
    """Naive: unpacks what came, and calls it what was promised."""
    store = lab.new_store(tmp_path / "state")
    other = "sha256:" + hashlib.sha256(b"other").hexdigest()
    with pytest.raises(BadArchive, match="diff ID"):
        store.load(io.BytesIO(docker_archive([GOOD], [other])), "x")
    assert is_empty(store)


def test_gzip_in_several_members_is_one_layer(tmp_path: Path) -> None:
    store = lab.new_store(tmp_path / "state")
    packed = b"".join(gzip.compress(GOOD[at : at + 100]) for at in range(0, len(GOOD), 100))
    image = store.import_rootfs(io.BytesIO(packed + bytes(1 << 20)), "x")
    [layer] = store.lowers(image)
    assert (layer / "d/f").read_bytes() == b"good"
