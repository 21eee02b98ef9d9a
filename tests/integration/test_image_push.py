"""Pushing, and round trips with skopeo and podman: digests stay what they were."""

from __future__ import annotations

import io
import json
import shutil
from pathlib import Path

import pytest

from podrun.errors import NotFound, UsageError
from podrun.image import oci
from podrun.image.progress import LayerProgress
from podrun.image.push import push
from podrun.image.types import Image, ImageConfig
from podrun.registry.types import NoKeyring, RegistryError
from tests.integration import image_lab as lab
from tests.integration import pull_lab
from tests.integration.image_lab import directory, member
from tests.integration.pull_lab import Pulling, files, noise, put
from tests.registry import Misbehaving, Registry

CONFIG = ImageConfig(entrypoint=("/bin/sh",), env=("A=1",), stop_signal="SIGINT")


def imported(here: Pulling, name: str = "localhost/app:1", content: bytes = b"x") -> Image:
    tar = lab.tar_of(directory("etc", mode=0o700), member("etc/file", content, uid=5))
    return here.store.import_rootfs(io.BytesIO(tar), name, CONFIG)


def sent(here: Pulling, image: str, destination: str = "") -> tuple[str, list[LayerProgress]]:
    told: list[LayerProgress] = []
    digest = push(here.store, here.config, image, destination, NoKeyring(), told.append)
    return digest, told


def test_an_imported_image_comes_back_as_it_was(
    registry: Registry, here: Pulling, tmp_path: Path
) -> None:
    image = imported(here)
    name = f"{registry.host}/made/app:1"
    digest, told = sent(here, "app:1", name)
    assert digest == image.manifest
    assert (told[0].state, told[-1].state) == ("uploading", "done")
    other = Pulling(tmp_path / "other")
    back = other.pull(name)
    assert (back.id, back.manifest, back.config) == (image.id, image.manifest, CONFIG)
    assert other.trees(back, times=False) == here.trees(image, times=False)
    if shutil.which("skopeo"):
        seen = lab.run("skopeo", "inspect", "--tls-verify=false", f"docker://{name}")
        assert json.loads(seen)["Digest"] == digest


@pytest.mark.parametrize("media_type", [oci.MANIFEST, oci.DOCKER_MANIFEST])
def test_a_pulled_manifest_keeps_its_bytes(
    registry: Registry, here: Pulling, media_type: str
) -> None:
    layers = [files(a=noise(3000))]
    config = pull_lab.config_of(layers)
    manifest = pull_lab.manifest_of(layers, config, mediaType=media_type, extra={"kept": [1]})
    if media_type == oci.DOCKER_MANIFEST:
        manifest["config"]["mediaType"] = oci.DOCKER_CONFIG
        manifest["layers"][0]["mediaType"] = f"{oci.DOCKER_LAYER}.gzip"
    repository = f"kept/{'docker' if 'docker' in media_type else 'oci'}"
    digest = put(registry, f"{repository}:v1", layers, config=config, manifest=manifest)
    here.pull(f"{registry.host}/{repository}:v1")
    assert sent(here, f"{registry.host}/{repository}:v1", f"{registry.host}/other:v1")[0] == digest
    here.store.tag(f"{registry.host}/{repository}:v1", f"{registry.host}/tagged:v1")
    assert sent(here, f"{registry.host}/tagged:v1")[0] == digest
    for reference in ("other:v1", "tagged:v1"):
        assert here.pull(f"{registry.host}/{reference}").manifest == digest


def test_what_is_there_is_not_sent_again(
    registry: Registry, proxy: Misbehaving, here: Pulling
) -> None:
    imported(here, content=noise(10_000, "again"))
    sent(here, "app:1", f"{proxy.host}/again/app:1")
    before = len(proxy.requests())
    _, told = sent(here, "app:1", f"{proxy.host}/again/app:2")
    assert [p.state for p in told] == ["exists"]
    assert not pull_lab.asked(proxy.requests()[before:], "POST", "/blobs/")


def test_a_layer_is_mounted_from_a_repository_of_the_same_registry(
    registry: Registry, proxy: Misbehaving, here: Pulling
) -> None:
    layer = files(mounted=noise(5000, "mounted"))
    put(registry, "from/app:v1", [layer])
    here.pull(f"{proxy.host}/from/app:v1")
    before = len(proxy.requests())
    _, told = sent(here, f"{proxy.host}/from/app:v1", f"{proxy.host}/to/app:v1")
    assert [p.state for p in told] == ["exists"]
    requests = proxy.requests()[before:]
    assert pull_lab.asked(requests, "POST", f"mount={layer.digest.replace(':', '%3A')}&from=from")
    assert not pull_lab.asked(requests, "PUT", layer.digest.replace(":", "%3A"))


def test_a_cut_upload_goes_on(registry: Registry, proxy: Misbehaving, here: Pulling) -> None:
    image = imported(here, content=noise(2_000_000, "cut"))
    proxy.faults({"match": "PUT .*/blobs/", "do": "swallow", "after": 500_000, "times": 1})
    assert sent(here, "app:1", f"{proxy.host}/cut/app:1")[0] == image.manifest


def test_by_id_and_by_digest(registry: Registry, here: Pulling) -> None:
    image = imported(here)
    name = f"{registry.host}/by/digest"
    assert sent(here, image.id[7:19], f"{name}@{image.manifest}")[0] == image.manifest
    assert here.pull(f"{name}@{image.manifest}").id == image.id


@pytest.mark.parametrize(
    ("image", "destination", "why"),
    [
        ("localhost/host", "", "the host itself"),
        ("app:1", "127.0.0.1:1/x@sha256:" + "0" * 64, "another digest"),
        ("app:1", "Bad Name", "couldn't parse"),
    ],
)
def test_what_cannot_be_pushed(here: Pulling, image: str, destination: str, why: str) -> None:
    imported(here)
    with pytest.raises(UsageError, match=why):
        sent(here, image, destination)


def test_an_image_without_a_name_needs_a_destination(here: Pulling) -> None:
    image = imported(here)
    imported(here, content=b"the name moves to this one")
    with pytest.raises(UsageError, match="has no name"):
        sent(here, image.id)


def test_errors_name_what_and_where(registry: Registry, here: Pulling) -> None:
    imported(here)
    with pytest.raises(RegistryError, match=r"push 127\.0\.0\.1:1/app:latest: .*cannot connect"):
        sent(here, "app:1", "127.0.0.1:1/app")
    with pytest.raises(NotFound):
        sent(here, "nothing", f"{registry.host}/nothing")


def test_a_push_goes_to_the_registry_itself_and_never_to_a_mirror(
    registry: Registry, proxy: Misbehaving, here: Pulling
) -> None:
    imported(here)
    here.conf.write_text(
        f'[[registry]]\nlocation = "{registry.host}"\n'
        f'[[registry.mirror]]\nlocation = "{proxy.host}"\n'
    )
    sent(here, "app:1", f"{registry.host}/straight/app:1")
    assert proxy.requests() == []


# Round trips ─────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("form", ["oci-archive", "docker-archive"])
def test_save_push_and_load_through_skopeo(
    registry: Registry, here: Pulling, tmp_path: Path, form: str
) -> None:
    """pull → save → skopeo → the registry → skopeo → load: the same root file system and ID."""
    lab.need("skopeo")
    put(registry, "trip/app:v1", [files(a=noise(3000)), files(b=noise(3000))])
    image = here.pull(f"{registry.host}/trip/app:v1")
    with open(tmp_path / "saved.tar", "wb") as file:
        here.store.save([image.name], file)
    source = f"{form}:{tmp_path / 'saved.tar'}:{image.name}"
    back = f"{registry.host}/trip/{form}:v1"
    lab.run("skopeo", "copy", "-q", "--dest-tls-verify=false", source, f"docker://{back}")
    pulled = here.pull(back)
    assert pulled.layers == image.layers
    target = f"{form}:{tmp_path / 'again.tar'}:me/again:1"
    lab.run("skopeo", "copy", "-q", "--src-tls-verify=false", f"docker://{back}", target)
    other = lab.new_store(tmp_path / "other")
    [loaded] = other.load(tmp_path / "again.tar")
    assert (loaded.name, loaded.layers) == ("docker.io/me/again:1", image.layers)
    assert loaded.config == image.config
    if form == "oci-archive":
        assert (pulled.manifest, loaded.id) == (image.manifest, image.id)


def test_round_trips_with_podman(here: Pulling, tmp_path: Path) -> None:
    lab.need("podman", "tini")
    from bench.peer import Podman

    image = imported(here, "localhost/trip:1", noise(5000))
    with open(tmp_path / "saved.tar", "wb") as file:
        here.store.save(["localhost/trip:1"], file)
    podman = Podman(tmp_path / "podman")
    try:
        assert "localhost/trip:1" in podman.run("load", "-i", str(tmp_path / "saved.tar"))
        seen = podman.run("image", "inspect", "--format", "{{.Id}}", "localhost/trip:1")
        assert seen.strip() == image.id[7:]
        for form in ("oci-archive", "docker-archive"):
            target = tmp_path / f"{form}.tar"
            podman.run("save", "--format", form, "-o", str(target), "localhost/trip:1")
            other = lab.new_store(tmp_path / form)
            [loaded] = other.load(target)
            assert (loaded.name, loaded.layers) == ("localhost/trip:1", image.layers)
            assert loaded.config == CONFIG
            [tree] = other.lowers(loaded)
            assert lab.tree(tree, times=False) == here.trees(image, times=False)[0]
    finally:
        podman.close()
