"""The store: what comes in, what other tools read, what is left behind by whatever goes wrong."""

from __future__ import annotations

import gzip
import io
import json
import lzma
import os
import shutil
from pathlib import Path

import pytest

from podrun.errors import Conflict, NotFound, UsageError
from podrun.image.store import ImageStore
from podrun.image.types import BadArchive, ImageConfig
from podrun.linux.trees import remove_tree
from tests.integration import image_lab as lab
from tests.integration.image_lab import directory, is_empty, member, small

NAME = "geektime/tomcat:7.0"
FULL = f"docker.io/{NAME}"
CONFIG = ImageConfig(
    entrypoint=("/bin/sh", "-c"), cmd=("a b",), env=("A=1",), working_dir="/w", user="7:8",
    stop_signal="SIGINT", labels={"l": "v"},
)  # fmt: skip


@pytest.fixture(scope="module")
def rootfs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return lab.rootfs_tree(tmp_path_factory.mktemp("rootfs") / "tree")


# Adding and finding ──────────────────────────────────────────────────────────────────────────────


def test_a_directory_comes_out_as_it_went_in(store: ImageStore, rootfs: Path) -> None:
    image = store.import_rootfs(rootfs, NAME, CONFIG)
    [layer] = store.lowers(image)
    assert lab.tree(layer) == lab.tree(rootfs)
    assert image.config == CONFIG
    assert image.name == FULL


@pytest.mark.parametrize("found", [NAME, FULL, "ID", "SHORT", "PREFIXED"])
def test_an_image_is_found_by_name_and_id(store: ImageStore, found: str) -> None:
    made = store.import_rootfs(small(), NAME, CONFIG)
    ids = {"ID": made.id[7:], "SHORT": made.id[7:19], "PREFIXED": made.id}
    assert store.resolve(ids.get(found, found)).id == made.id


def test_a_short_name_falls_back_to_localhost(store: ImageStore) -> None:
    local = store.import_rootfs(small(), "localhost/app:1")
    assert store.resolve("app:1") == local
    hub = store.import_rootfs(small(b"hub"), "app:1")
    assert store.resolve("app:1") == hub
    assert store.resolve("localhost/app:1") == local


def test_a_digest_finds_its_manifest(store: ImageStore) -> None:
    made = store.import_rootfs(small(), NAME)
    assert store.resolve(f"geektime/tomcat@{made.manifest}").id == made.id
    with pytest.raises(NotFound):
        store.resolve(f"geektime/other@{made.manifest}")


def test_what_is_not_there_has_kubernetes_reason_and_a_hint(store: ImageStore) -> None:
    with pytest.raises(NotFound) as caught:
        store.resolve("nothing")
    assert caught.value.reason == "ErrImageNeverPull"
    assert "podrun image" in caught.value.hint
    with pytest.raises(UsageError) as invalid:
        store.resolve("Not A Name")
    assert invalid.value.reason == "InvalidImageName"
    assert not store.layout.images.exists()  # asking makes nothing


def test_the_host_is_an_image_without_a_file(store: ImageStore, tmp_path: Path) -> None:
    image = store.resolve("localhost/host")
    assert image == store.resolve("localhost/host:latest") == store.resolve(image.id[7:19])
    assert image.host and list(store.lowers(image)) == [Path("/")]
    assert [i.name for i in store.list()] == ["localhost/host:latest"]
    with pytest.raises(NotFound):
        store.resolve("host")  # only when it is asked for in full
    for refused in (
        lambda: store.remove("localhost/host", force=True),
        lambda: store.tag("localhost/host", "x"),
        lambda: store.import_rootfs(small(), "localhost/host"),
        lambda: store.save(["localhost/host"], io.BytesIO()),
    ):
        with pytest.raises(UsageError, match="host"):
            refused()
    assert os.listdir(tmp_path) == []


def test_equal_layers_are_stored_once(store: ImageStore) -> None:
    store.import_rootfs(small(), "one", CONFIG)
    store.import_rootfs(small(), "two")
    assert len(list(store.layout.snapshots.iterdir())) == 1
    assert len(list(store.layout.blobs.iterdir())) == 5  # a layer, two configurations, manifests


def test_compressed_archives(store: ImageStore) -> None:
    data = small().getvalue()
    plain = store.import_rootfs(io.BytesIO(data), "plain")
    for kind, packed in (("gzip", gzip.compress(data)), ("xz", lzma.compress(data))):
        image = store.import_rootfs(io.BytesIO(packed), kind)
        assert image.layers == plain.layers
        manifest = json.loads(store.layout.document(image.manifest))
        media = manifest["layers"][0]["mediaType"]
        assert media.endswith("tar+gzip" if kind == "gzip" else "layer.v1.tar")


# Other tools ─────────────────────────────────────────────────────────────────────────────────────


def test_skopeo_and_umoci_read_the_store(store: ImageStore, rootfs: Path, tmp_path: Path) -> None:
    lab.need("skopeo", "umoci")
    image = store.import_rootfs(rootfs, NAME, CONFIG)
    there = f"{store.layout.images}:{FULL}"
    seen = json.loads(lab.run("skopeo", "inspect", "--config", f"oci:{there}"))
    assert seen["config"]["Entrypoint"] == ["/bin/sh", "-c"]
    assert seen["config"]["StopSignal"] == "SIGINT"
    lab.run("umoci", "unpack", "--image", there, tmp_path / "bundle")
    [layer] = store.lowers(image)
    ours, theirs = lab.tree(layer), lab.tree(tmp_path / "bundle/rootfs")
    assert ours == theirs


def test_umoci_reads_a_layer_with_whiteouts_as_we_do(store: ImageStore, tmp_path: Path) -> None:
    """Three layers by umoci: what overlayfs would merge is what umoci unpacks."""
    lab.need("umoci")
    from podrun.image import copy

    layout, bundle = tmp_path / "oci", tmp_path / "bundle"
    lab.run("umoci", "init", "--layout", layout)
    lab.run("umoci", "new", "--image", f"{layout}:me/x:1")
    steps = [
        [directory("a"), member("a/one", b"1"), member("a/two", b"2"), directory("b/c"),
         member("b/c/d", b"3")],
        [member("a/.wh.one"), directory("b"), member("b/.wh..wh..opq"), member("b/e", b"4")],
        [member("a/one", b"again"), member("a/.wh.two"), lab.hardlink("a/link", "a/one")],
    ]  # fmt: skip
    for members in steps:
        (tmp_path / "layer.tar").write_bytes(lab.tar_of(*members))
        lab.run("umoci", "raw", "add-layer", "--image", f"{layout}:me/x:1", tmp_path / "layer.tar")
    lab.run("umoci", "unpack", "--image", f"{layout}:me/x:1", bundle)
    [image] = store.load(layout)
    assert len(image.layers) == 3
    (tmp_path / "merged").mkdir(mode=0o755)
    copy.merge(store.lowers(image), tmp_path / "merged")
    ours = lab.tree(tmp_path / "merged", times=False)
    theirs = lab.tree(bundle / "rootfs", times=False)
    assert ours == theirs
    assert (tmp_path / "merged/a/one").read_bytes() == b"again"


@pytest.mark.parametrize("transport", ["docker-archive", "oci-archive", "oci"])
def test_archives_by_skopeo_are_loaded(
    store: ImageStore, rootfs: Path, tmp_path: Path, transport: str
) -> None:
    lab.need("skopeo")
    made = store.import_rootfs(rootfs, "first", CONFIG)
    target = tmp_path / "archive"
    lab.run(
        "skopeo", "copy", "-q", f"oci:{store.layout.images}:{made.name}",
        f"{transport}:{target}:me/app:2",
    )  # fmt: skip
    other = lab.new_store(tmp_path / "other")
    [loaded] = other.load(target)
    assert (loaded.name, loaded.id, loaded.config) == ("docker.io/me/app:2", made.id, CONFIG)
    assert lab.tree(other.lowers(loaded)[0]) == lab.tree(rootfs)
    if transport != "oci":
        packed = gzip.compress(target.read_bytes())
        third = lab.new_store(tmp_path / "third")
        [streamed] = third.load(io.BytesIO(packed), "renamed")
        assert (streamed.id, streamed.name) == (made.id, "docker.io/library/renamed:latest")


def test_save_and_load_keep_every_digest(store: ImageStore, tmp_path: Path) -> None:
    one = store.import_rootfs(small(), "one", CONFIG)
    two = store.import_rootfs(io.BytesIO(gzip.compress(small(b"2").getvalue())), "two")
    with open(tmp_path / "saved.tar", "wb") as file:
        store.save(["one", "two"], file)
    other = lab.new_store(tmp_path / "other")
    assert [(i.name, i.manifest) for i in other.load(tmp_path / "saved.tar")] == [
        (one.name, one.manifest), (two.name, two.manifest),
    ]  # fmt: skip
    if shutil.which("skopeo"):
        lab.run("skopeo", "inspect", f"docker-archive:{tmp_path / 'saved.tar'}:{one.name}")


def test_loading_again_changes_nothing(store: ImageStore, tmp_path: Path) -> None:
    store.import_rootfs(small(), "one")
    with open(tmp_path / "saved.tar", "wb") as file:
        store.save(["one"], file)
    before = store.layout.index()
    store.load(tmp_path / "saved.tar")
    assert store.layout.index() == before


# Removing ────────────────────────────────────────────────────────────────────────────────────────


def test_a_name_goes_and_with_the_last_one_the_image(store: ImageStore) -> None:
    made = store.import_rootfs(small(), "one")
    store.tag("one", "two")
    first = store.remove("one")
    assert (first.untagged, first.deleted) == (["docker.io/library/one:latest"], [])
    assert store.lowers(store.resolve("two"))[0].exists()
    last = store.remove("two")
    assert last.deleted == [made.id]
    assert last.freed == made.size
    assert is_empty(store)


def test_an_id_with_several_names_needs_force(store: ImageStore) -> None:
    made = store.import_rootfs(small(), "one")
    store.tag("one", "two")
    with pytest.raises(Conflict, match="2 names"):
        store.remove(made.id)
    assert len(store.remove(made.id, force=True).untagged) == 2
    assert is_empty(store)


def test_what_a_pod_uses_is_refused_and_by_force_kept_until_it_is_free(store: ImageStore) -> None:
    made = store.import_rootfs(small(), "app")

    def usage() -> dict[str, list[str]]:
        return {made.id: ["pod default/web"]}

    with pytest.raises(Conflict, match="pod default/web"):
        store.remove("app", usage)
    assert store.resolve("app") == made
    assert store.remove("app", usage, force=True).deleted == []
    with pytest.raises(NotFound):
        store.resolve("app")
    assert store.prune(usage).deleted == []
    assert store.lowers(store.resolve(made.id))[0].exists()
    assert store.prune().deleted == [made.id]
    assert is_empty(store)


def test_an_image_whose_name_moved_stays_nameless_until_pruned(store: ImageStore) -> None:
    old = store.import_rootfs(small(b"old"), "app")
    new = store.import_rootfs(small(b"new"), "app")
    assert {(i.name, i.id) for i in store.list() if not i.host} == {
        (new.name, new.id),
        ("", old.id),
    }
    assert store.prune().deleted == [old.id]
    assert store.resolve("app").id == new.id
    assert store.prune(all_unused=True).deleted == [new.id]
    assert is_empty(store)


def test_a_missing_snapshot_is_unpacked_again(store: ImageStore, rootfs: Path) -> None:
    image = store.import_rootfs(rootfs, "x")
    [layer] = store.lowers(image)
    remove_tree(layer.parent)
    assert lab.tree(store.lowers(image)[0]) == lab.tree(rootfs)


def test_a_missing_snapshot_of_a_damaged_layer_is_an_error(store: ImageStore) -> None:
    image = store.import_rootfs(small(), "x")
    [layer] = store.lowers(image)
    remove_tree(layer.parent)
    blob = json.loads(store.layout.document(image.manifest))["layers"][0]["digest"]
    store.layout.blob_path(blob).write_bytes(small(b"evil!").getvalue())
    with pytest.raises(BadArchive, match="digest"):
        store.lowers(image)
    assert not list(store.layout.snapshots.iterdir())
