"""Pulling from a real registry: names, platforms, media types, what is shared and kept."""

from __future__ import annotations

import gzip
import json
import os
from pathlib import Path

import pytest

from podrun.errors import NotFound, UsageError
from podrun.image import oci, platform
from podrun.image.types import BadArchive
from podrun.registry.types import RegistryError
from tests.integration import image_lab as lab
from tests.integration import pull_lab
from tests.integration.image_lab import directory, hardlink, member
from tests.integration.pull_lab import Layer, Pulling, files, gzip_layer, noise, put
from tests.registry import Misbehaving, Registry, oci_image

BASE = gzip_layer(directory("etc", mode=0o750, uid=7), member("etc/passwd", b"root\n", mode=0o640))


# Names ───────────────────────────────────────────────────────────────────────────────────────────


def test_by_tag(registry: Registry, here: Pulling) -> None:
    digest = put(registry, "names/tag:v1", [BASE])
    name = f"{registry.host}/names/tag:v1"
    image = here.pull(name)
    assert (image.name, image.manifest) == (name, digest)
    assert image.config.cmd == ("/bin/true",)
    assert here.store.resolve(name) == image
    [tree] = here.trees(image)
    assert tree["etc"][:2] == ("0o40750", 7)
    assert tree["etc/passwd"][5] == b"root\n"
    assert here.partial == {}


@pytest.mark.parametrize("tag", ["", ":v1"])
def test_by_digest(registry: Registry, here: Pulling, tag: str) -> None:
    digest = put(registry, "names/digest:v1", [BASE])
    image = here.pull(f"{registry.host}/names/digest{tag}@{digest}")
    assert image.name == f"{registry.host}/names/digest@{digest}"
    assert here.store.resolve(f"{registry.host}/names/digest{tag}@{digest}") == image
    with pytest.raises(NotFound):
        here.store.resolve(f"{registry.host}/names/digest:v1")


def test_a_tag_that_moves(registry: Registry, here: Pulling) -> None:
    name = f"{registry.host}/names/moves"
    put(registry, "names/moves:latest", [BASE])
    old = here.pull(name)
    put(registry, "names/moves:latest", [BASE, files(new=b"1")])
    new = here.pull(name)
    assert new.id != old.id
    assert here.store.resolve(name).id == new.id
    assert {i.id for i in here.store.list() if not i.name} == {old.id}
    assert here.store.prune().deleted == [old.id]
    assert len(here.trees(here.store.resolve(name))) == 2


def test_short_names_mean_what_the_configuration_says(registry: Registry, here: Pulling) -> None:
    put(registry, "team/app:v1", [BASE])
    put(registry, "tool:latest", [BASE])
    here.conf.write_text(
        f'unqualified-search-registries = ["127.0.0.1:1", "{registry.host}"]\n'
        f'[aliases]\n"app" = "{registry.host}/team/app"\n'
    )
    image = here.pull("app:v1")
    assert image.name == f"{registry.host}/team/app:v1"
    assert here.store.resolve("app:v1") == image
    assert here.pull("tool").name == f"{registry.host}/tool:latest"
    assert here.store.resolve("tool").name == f"{registry.host}/tool:latest"


def test_the_host_is_always_there(here: Pulling) -> None:
    assert here.pull("localhost/host").host
    assert not here.store.layout.images.exists()


@pytest.mark.parametrize(
    ("name", "kind", "reason"),
    [
        ("Not A Name", UsageError, "InvalidImageName"),
        ("127.0.0.1:1/nobody/listens", RegistryError, "RegistryUnavailable"),
        ("REGISTRY/not/there:1", RegistryError, "ErrImagePull"),
    ],
)
def test_reasons(
    registry: Registry, here: Pulling, name: str, kind: type[Exception], reason: str
) -> None:
    with pytest.raises(kind) as caught:
        here.pull(name.replace("REGISTRY", registry.host))
    assert getattr(caught.value, "reason", "") == reason
    assert here.is_empty()


def test_mirrors_are_asked_first_and_all_are_named_when_none_has_it(
    registry: Registry, proxy: Misbehaving, here: Pulling
) -> None:
    put(registry, "mirrored/app:v1", [BASE])
    here.conf.write_text(
        f'[[registry]]\nprefix = "r.example"\nlocation = "{registry.host}"\n'
        f'[[registry.mirror]]\nlocation = "127.0.0.1:1/none"\n'
        f'[[registry.mirror]]\nlocation = "{proxy.host}"\n'
    )
    image = here.pull("r.example/mirrored/app:v1")
    assert image.name == "r.example/mirrored/app:v1"
    assert len(pull_lab.asked(proxy.requests(), "GET", "/blobs/")) == 2
    with pytest.raises(RegistryError) as caught:
        here.pull("r.example/mirrored/nothing:v1")
    for host in ("127.0.0.1:1", proxy.host, registry.host):
        assert host in caught.value.message


# What is fetched ─────────────────────────────────────────────────────────────────────────────────


def test_what_is_unchanged_costs_one_request(
    registry: Registry, proxy: Misbehaving, here: Pulling
) -> None:
    put(registry, "cost/app:v1", [BASE])
    name = f"{proxy.host}/cost/app:v1"
    first = here.pull(name)
    before = len(proxy.requests())
    assert here.pull(name) == first
    new = proxy.requests()[before:]
    assert [r["method"] for r in new if "/manifests/" in r["path"]] == ["HEAD"]
    assert not pull_lab.asked(new, "GET", "/blobs/")


def test_a_second_image_fetches_what_it_has_alone(
    registry: Registry, proxy: Misbehaving, here: Pulling
) -> None:
    shared = [files(**{f"f{n}": noise(3000, str(n))}) for n in range(4)]
    put(registry, "share/one:v1", [*shared, files(last=b"1")])
    put(registry, "share/two:v1", [*shared, files(last=b"2")])
    here.pull(f"{proxy.host}/share/one:v1")
    snapshots = set(here.store.layout.snapshots.iterdir())
    before = len(proxy.requests())
    here.progress.clear()
    here.pull(f"{proxy.host}/share/two:v1")
    asked = pull_lab.asked(proxy.requests()[before:], "GET", "/blobs/")
    assert len(asked) == 2  # its configuration and its own layer
    assert len(set(here.store.layout.snapshots.iterdir()) - snapshots) == 1
    last = {p.digest: p.state for p in here.progress}
    assert sorted(last.values()) == ["done", "exists", "exists", "exists", "exists"]


def test_a_layer_on_other_layers_is_not_fetched_but_unpacked_anew(
    registry: Registry, proxy: Misbehaving, here: Pulling
) -> None:
    top = files(top=b"same")
    put(registry, "base/one:v1", [BASE, top])
    put(registry, "base/two:v1", [files(other=b"base"), top])
    one = here.pull(f"{proxy.host}/base/one:v1")
    before = len(proxy.requests())
    two = here.pull(f"{proxy.host}/base/two:v1")
    blobs = pull_lab.asked(proxy.requests()[before:], "GET", "/blobs/")
    assert not any(top.digest in path for path in blobs)
    assert here.trees(one, times=False)[0] == here.trees(two, times=False)[0]


def test_the_same_layer_twice(registry: Registry, proxy: Misbehaving, here: Pulling) -> None:
    layer = files(**{f"n{n}": noise(50_000, str(n)) for n in range(20)})
    put(registry, "twice/app:v1", [layer, BASE, layer])
    image = here.pull(f"{proxy.host}/twice/app:v1")
    assert len(image.layers) == len(set(image.layers)) == 3
    assert len(pull_lab.asked(proxy.requests(), "GET", layer.digest)) == 1
    trees = here.trees(image)
    assert {k: v[5] for k, v in trees[0].items()} == {k: v[5] for k, v in trees[2].items()}


def test_127_layers(registry: Registry, here: Pulling) -> None:
    put(registry, "many/app:v1", [files(**{f"f{n}": b"x"}) for n in range(127)])
    image = here.pull(f"{registry.host}/many/app:v1")
    assert len(here.store.lowers(image)) == 127


def test_layers_wait_for_those_below_where_they_need_them(
    registry: Registry, proxy: Misbehaving, here: Pulling, tmp_path: Path
) -> None:
    """The lowest one comes a byte at a time, so all others are there before it."""
    layers = [
        gzip_layer(
            directory("a", mode=0o711, uid=5, mtime=1000), member("a/x", b"x" * 10, uid=9),
            member("a/gone", b"y"), directory("b", mode=0o700, gid=3), member("b/old", b"z"),
        ),
        gzip_layer(hardlink("a/y", "a/x")),
        gzip_layer(member("a/.wh.gone"), member("a/.wh.never")),
        gzip_layer(member("b/.wh..wh..opq"), member("b/c/new", b"n")),
        gzip_layer(directory("", mode=0o701), member("a/x", b"again")),
    ]  # fmt: skip
    put(registry, "wait/app:v1", layers)
    proxy.faults({"match": layers[0].digest, "do": "drip", "seconds": 0.002})
    image = here.pull(f"{proxy.host}/wait/app:v1")
    lab.need("skopeo")
    lab.run(
        "skopeo", "copy", "-q", "--src-tls-verify=false",
        f"docker://{registry.host}/wait/app:v1", f"oci:{tmp_path}/oci:one",
    )  # fmt: skip
    other = lab.new_store(tmp_path / "loaded")
    [loaded] = other.load(tmp_path / "oci", "x")
    assert loaded.layers == image.layers
    assert here.trees(image, times=False) == [
        lab.tree(path, times=False) for path in other.lowers(loaded)
    ]


def test_the_tree_is_umocis(registry: Registry, here: Pulling, tmp_path: Path) -> None:
    lab.need("skopeo", "umoci")
    source = lab.rootfs_tree(tmp_path / "rootfs")
    tar = tmp_path / "rootfs.tar"
    lab.run("tar", "-C", source, "--format=pax", "--xattrs", "--xattrs-include=*", "-cf", tar, ".")
    layer = Layer(tar.read_bytes(), oci.digest_of(tar.read_bytes()), oci.LAYER)
    put(registry, "umoci/app:v1", [layer])
    image = here.pull(f"{registry.host}/umoci/app:v1")
    lab.run(
        "skopeo", "copy", "-q", "--src-tls-verify=false",
        f"docker://{registry.host}/umoci/app:v1", f"oci:{tmp_path}/oci:one",
    )  # fmt: skip
    lab.run("umoci", "unpack", "--image", f"{tmp_path}/oci:one", tmp_path / "bundle")
    [ours] = here.trees(image)
    assert ours == lab.tree(tmp_path / "bundle/rootfs")


# Kinds ───────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("compression", ["gzip", "zstd", "none"])
@pytest.mark.parametrize("family", ["oci", "docker"])
def test_media_types(registry: Registry, here: Pulling, family: str, compression: str) -> None:
    import zstandard

    tar = lab.tar_of(member("file", noise(5000)))
    blob = {
        "gzip": BASE.blob[:0], "zstd": zstandard.ZstdCompressor().compress(tar), "none": tar,
    }[compression] or pull_lab.gzip_layer(member("file", noise(5000))).blob  # fmt: skip
    mark = "" if compression == "none" else ("+" if family == "oci" else ".") + compression
    base = oci.LAYER if family == "oci" else oci.DOCKER_LAYER
    layer = Layer(blob, oci.digest_of(tar), base + mark)
    config = pull_lab.config_of([layer])
    manifest = pull_lab.manifest_of([layer], config)
    if family == "docker":
        manifest["mediaType"] = oci.DOCKER_MANIFEST
        manifest["config"]["mediaType"] = oci.DOCKER_CONFIG
    digest = put(registry, f"kinds/{family}-{compression}:v1", [layer], config=config,
                 manifest=manifest)  # fmt: skip
    image = here.pull(f"{registry.host}/kinds/{family}-{compression}:v1")
    assert image.manifest == digest
    assert here.trees(image)[0]["file"][5] == noise(5000)


def test_skopeo_and_podmans_own_pushes(registry: Registry, here: Pulling, tmp_path: Path) -> None:
    lab.need("skopeo")
    layout = oci_image(tmp_path / "layout", [{"etc/a": b"1"}, {"etc/b": b"2"}])
    for form in ("oci", "v2s2"):
        lab.run(
            "skopeo", "copy", "-q", "--dest-tls-verify=false", "--format", form,
            f"oci:{layout}:v1", f"docker://{registry.host}/skopeo/{form}:1",
        )  # fmt: skip
        image = here.pull(f"{registry.host}/skopeo/{form}:1")
        assert [sorted(tree) for tree in here.trees(image)] == [
            [".", "etc", "etc/b"], [".", "etc", "etc/a"],
        ]  # fmt: skip


def listed(registry: Registry, name: str, *platforms: str) -> tuple[str, dict[str, str]]:
    """A list with an image for each platform; its digest, and those of the images."""
    entries, digests = [], {}
    for where in platforms:
        os_, architecture, *variant = where.split("/")
        layers = [files(where=where.encode())]
        about = {"os": os_, "architecture": architecture, "variant": "".join(variant)}
        config = pull_lab.config_of(layers, **about)
        tag = f"{name.partition(':')[0]}:{where.replace('/', '-')}"
        digests[where] = put(registry, tag, layers, config=config)
        size = pull_lab.size_of(registry.endpoint(tag.partition(":")[0]), digests[where])
        entries.append((digests[where], size, where, None))
    attested = (digests[platforms[0]], entries[0][1], "unknown/unknown", {
        oci.REFERENCE_TYPE: oci.ATTESTATION})  # fmt: skip
    return pull_lab.put_document(registry, name, pull_lab.index_of(attested, *entries)), digests


def test_a_list_has_one_for_this_machine(registry: Registry, here: Pulling) -> None:
    mine = platform.shown(platform.this())
    other = "linux/s390x"
    digest, digests = listed(registry, "lists/app:v1", "windows/amd64", other, mine)
    name = f"{registry.host}/lists/app"
    image = here.pull(f"{name}:v1")
    assert image.manifest == digests[mine]
    assert here.store.resolve(f"{name}@{digest}").id == image.id  # the list's digest, too
    assert here.store.resolve(f"{name}@{digests[mine]}").id == image.id
    far = here.pull(f"{name}:v1", platform=other)
    assert (far.manifest, far.architecture) == (digests[other], "s390x")
    assert here.pull(f"{name}:v1").manifest == digests[mine]  # not taken for unchanged
    by_digest = here.pull(f"{name}@{digest}")
    assert (by_digest.name, by_digest.manifest) == (f"{name}@{digest}", digests[mine])
    with pytest.raises(BadArchive, match="no image for linux/riscv64") as caught:
        here.pull(f"{name}:v1", platform="linux/riscv64")
    assert f"windows/amd64, {mine}" in caught.value.hint or mine in caught.value.hint


def test_unchanged_lists_cost_one_request(
    registry: Registry, proxy: Misbehaving, here: Pulling
) -> None:
    listed(registry, "lists/cost:v1", platform.shown(platform.this()), "linux/s390x")
    first = here.pull(f"{proxy.host}/lists/cost:v1")
    before = len(proxy.requests())
    assert here.pull(f"{proxy.host}/lists/cost:v1") == first
    assert not pull_lab.asked(proxy.requests()[before:], "GET", "/manifests/")


def test_a_list_of_lists(registry: Registry, here: Pulling) -> None:
    mine = platform.shown(platform.this())
    digest, digests = listed(registry, "lists/inner:v1", mine)
    size = pull_lab.size_of(registry.endpoint("lists/inner"), digest)
    outer = pull_lab.index_of((digest, size, "", None))
    outer["manifests"][0]["mediaType"] = oci.INDEX
    pull_lab.put_document(registry, "lists/inner:outer", outer)
    assert here.pull(f"{registry.host}/lists/inner:outer").manifest == digests[mine]


def test_an_image_of_another_machine_is_refused(registry: Registry, here: Pulling) -> None:
    config = pull_lab.config_of([BASE], architecture="s390x")
    put(registry, "lists/other:v1", [BASE], config=config)
    with pytest.raises(BadArchive, match="for linux/s390x, not for") as caught:
        here.pull(f"{registry.host}/lists/other:v1")
    assert (caught.value.reason, here.is_empty()) == ("ErrImagePull", True)
    assert here.pull(f"{registry.host}/lists/other:v1", platform="s390x").architecture == "s390x"


def test_progress_tells_of_every_layer_to_its_end(registry: Registry, here: Pulling) -> None:
    layers = [files(**{f"f{n}": noise(300_000, str(n))}) for n in range(3)]
    put(registry, "progress/app:v1", layers)
    here.pull(f"{registry.host}/progress/app:v1")
    order = ["waiting", "downloading", "unpacking", "done"]
    for layer in layers:
        told = [p for p in here.progress if p.digest == layer.digest]
        states = [order.index(p.state) for p in told]
        assert states == sorted(states)
        assert (told[0].state, told[-1].state) == ("waiting", "done")
        assert told[-1].done == told[-1].total == len(layer.blob)


def test_files_that_others_made_in_a_snapshot_stay_closed(
    registry: Registry, here: Pulling
) -> None:
    """Layers have set-user-ID programs: only root may reach them."""
    put(registry, "closed/app:v1", [BASE])
    here.pull(f"{registry.host}/closed/app:v1")
    layout = here.store.layout
    for path in (layout.images, layout.snapshots, layout.partial, layout.images / ".staging"):
        assert oct(os.stat(path).st_mode & 0o777) == "0o700"
    assert json.loads((layout.images / "oci-layout").read_text())["imageLayoutVersion"] == "1.0.0"


def test_layers_that_are_known_but_packed_otherwise(registry: Registry, here: Pulling) -> None:
    """The snapshots are there, the blobs are not: nothing goes missing while they are checked."""
    tars = [lab.tar_of(member(f"f{n}", noise(3000, str(n)))) for n in range(3)]
    for level in (1, 9):
        blobs = [gzip.compress(tar, level, mtime=0) + bytes(level) for tar in tars]
        layers = [
            Layer(blob, oci.digest_of(tar)) for blob, tar in zip(blobs, tars, strict=True)
        ]  # fmt: skip
        put(registry, f"repacked/app:{level}", layers)
    first = here.pull(f"{registry.host}/repacked/app:1")
    second = here.pull(f"{registry.host}/repacked/app:9")
    assert (first.layers, first.id) == (second.layers, second.id)
    assert first.manifest != second.manifest
    assert len(list(here.store.layout.snapshots.iterdir())) == 3
    assert len(here.trees(second)) == 3


@pytest.mark.parametrize("parallel", [1, 2, 8])
def test_new_and_known_layers_in_any_mixture(
    registry: Registry, tmp_path: Path, parallel: int
) -> None:
    here = Pulling(tmp_path / "node", max_parallel_layers=parallel)
    known = [files(**{f"k{n}": noise(100, f"k{n}")}) for n in range(4)]
    new = [files(**{f"n{n}": noise(400_000, f"n{n}")}) for n in range(4)]
    put(registry, "mix/known:v1", known)
    mixture = [layer for pair in zip(new, known, strict=True) for layer in pair]
    put(registry, "mix/all:v1", mixture)
    here.pull(f"{registry.host}/mix/known:v1")
    image = here.pull(f"{registry.host}/mix/all:v1")
    assert len(here.trees(image)) == 8
