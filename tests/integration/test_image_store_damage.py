"""The store and what is damaged: what comes in, what lies there, limits."""

from __future__ import annotations

import gzip
import io
import json
import os
from pathlib import Path

import pytest

from podrun.errors import Conflict, MechanismFailed
from podrun.image.store import ImageStore
from podrun.image.types import BadArchive, Limits
from tests.integration import image_lab as lab
from tests.integration.image_lab import is_empty, member, small

NO_BLOB = "sha256:" + "0" * 64


@pytest.mark.parametrize("data", [b"", b"no tar at all" * 100, b"\x1f\x8bxxxxxxxxxxxxxxxxxxxxxxx"])
def test_what_is_no_archive_leaves_nothing(store: ImageStore, data: bytes) -> None:
    with pytest.raises(BadArchive, match=r"import docker\.io/library/x:latest"):
        store.import_rootfs(io.BytesIO(data), "x")
    with pytest.raises(BadArchive):
        store.load(io.BytesIO(data))
    assert is_empty(store)


@pytest.mark.parametrize("packed", [False, True])
def test_a_truncated_archive_leaves_nothing(store: ImageStore, packed: bool) -> None:
    data = lab.tar_of(member("a", os.urandom(3000)), member("b", os.urandom(3000)))
    data = gzip.compress(data) if packed else data
    for size in (100, 512, 2000, 5000, len(data) // 3, 7168 if not packed else len(data) - 4):
        with pytest.raises(BadArchive, match=r"truncated"):
            store.import_rootfs(io.BytesIO(data[:size]), "x")
    assert is_empty(store)


def test_the_wrong_diff_id_or_digest_is_refused(store: ImageStore, tmp_path: Path) -> None:
    lab.need("skopeo")
    made = store.import_rootfs(small(), "x")
    lab.run("skopeo", "copy", "-q", f"oci:{store.layout.images}:{made.name}", f"dir:{tmp_path}/d")
    store.remove("x")
    docker = [{"Config": "c", "RepoTags": ["x:1"], "Layers": ["l"]}]
    config = {
        "architecture": made.architecture, "os": "linux", "config": {},
        "rootfs": {"type": "layers", "diff_ids": ["sha256:" + "0" * 64]},
    }  # fmt: skip
    archive = lab.tar_of(
        member("manifest.json", json.dumps(docker).encode()),
        member("c", json.dumps(config).encode()), member("l", small().getvalue()),
    )  # fmt: skip
    with pytest.raises(BadArchive, match="diff ID"):
        store.load(io.BytesIO(archive))
    assert is_empty(store)


@pytest.mark.parametrize(
    "documents",
    [
        {"manifest.json": "[]]"},
        {"manifest.json": '[{"Config":"../../etc/passwd","Layers":[]}]'},
        {"manifest.json": '[{"Config":"c","Layers":["l"]}]', "c": "{}"},
        {"index.json": '{"manifests":[]}'},
        {"index.json": '{"manifests":[{"mediaType":"m","digest":"sha256:../../x","size":1}]}'},
        {"index.json": f'{{"manifests":[{{"mediaType":"m","digest":"{NO_BLOB}","size":1}}]}}'},
        {"oci-layout": "{}"},
    ],
)  # fmt: skip
def test_archives_with_bad_documents(store: ImageStore, documents: dict[str, str]) -> None:
    archive = lab.tar_of(*(member(n, text.encode()) for n, text in documents.items()))
    with pytest.raises(BadArchive):
        store.load(io.BytesIO(archive))
    assert is_empty(store)


def test_a_layout_cannot_lead_out_of_its_directory(store: ImageStore, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text('{"manifests":[]}')
    (tmp_path / "layout").mkdir()
    (tmp_path / "layout/index.json").symlink_to("../secret")
    with pytest.raises(BadArchive, match=r"neither|No such file"):
        store.load(tmp_path / "layout")


def test_a_damaged_blob_of_the_store_is_found_when_it_is_read(store: ImageStore) -> None:
    made = store.import_rootfs(small(), "x")
    store.layout.blob_path(made.id).write_text("{}")
    with pytest.raises(BadArchive, match="damaged"):
        store.resolve("x")


@pytest.mark.parametrize("part", ["manifest", "id"])
def test_a_damaged_image_is_its_own_trouble_and_can_be_removed(
    store: ImageStore, part: str
) -> None:
    """As after a power cut: others come, go and are listed; nothing is swept on a guess."""
    damaged, whole = store.import_rootfs(small(), "x"), store.import_rootfs(small(b"y"), "y")
    store.layout.blob_path(getattr(damaged, part)).write_bytes(b"")
    assert [image.id for image in store.list() if not image.host] == [whole.id]
    store.import_rootfs(small(b"z"), "z")
    store.remove("z")
    assert store.layout.snapshot(damaged.layers[0]).exists()  # whose it is cannot be told
    users = {damaged.id: ["pod default/web"], whole.id: ["pod default/other"]}
    with pytest.raises(Conflict, match="damaged, and may be what pod default/web uses"):
        store.remove("x", lambda: users)
    assert store.remove("x", lambda: users, force=True).untagged == ["docker.io/library/x:latest"]
    store.prune(lambda: users)
    assert store.layout.snapshot(damaged.layers[0]).exists()
    store.prune(lambda: {whole.id: ["pod default/other"]})
    assert not store.layout.snapshot(damaged.layers[0]).exists()
    assert store.layout.snapshot(whole.layers[0]).exists()


def test_a_damaged_image_is_whole_again_once_it_is_loaded_again(
    store: ImageStore, tmp_path: Path
) -> None:
    made = store.import_rootfs(small(), "x")
    with (tmp_path / "x.tar").open("wb") as file:
        store.save(["x"], file)
    store.layout.blob_path(made.id).write_bytes(b"")
    store.load(tmp_path / "x.tar")
    assert store.resolve("x").id == made.id


def test_limits_reach_the_store(tmp_path: Path) -> None:
    store = lab.new_store(tmp_path / "state", Limits(bytes=4 << 20))
    bomb = gzip.compress(lab.tar_of(member("big", bytes(16 << 20))))
    with pytest.raises(BadArchive, match=r"limit: bytes"):
        store.import_rootfs(io.BytesIO(bomb), "x")
    assert is_empty(store)


def test_a_reader_that_fails_is_told_as_what_it_was(store: ImageStore) -> None:
    class Broken:
        def read(self, size: int, /) -> bytes:
            raise OSError(5, "Input/output error", "disk")

    with pytest.raises(MechanismFailed, match=r"import .*: Input/output error"):
        store.import_rootfs(Broken(), "x")
    assert is_empty(store)
