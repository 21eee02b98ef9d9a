"""Image volumes: an image's files in a container, read-only, whole or a part of them."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from podrun.container import imagevolume
from podrun.errors import MechanismFailed
from podrun.linux import mount
from podrun.node.config import Config
from podrun.node.paths import Paths, PodPaths
from podrun.volume import volumes
from podrun.volume.spec import Volume
from tests.integration.image_lab import (
    directory,
    member,
    symlink,
    tar_of,
    tree,
    unpacked,
)
from tests.integration.test_image_rootfs import in_child
from tests.node import Node, pod_text
from tests.registry import Registry, oci_image

FILES = Volume("files", "image")


@pytest.fixture
def pod(tmp_path: Path) -> PodPaths:
    return Paths(Config(state_root=str(tmp_path / "state"))).pod("u", "default", "web")


@pytest.fixture
def layers(tmp_path: Path) -> list[str]:
    """Three, topmost first, as the store has them: each tree is the ``fs`` of a directory."""
    for name in ("low", "mid", "top"):
        (tmp_path / name).mkdir()
    low = unpacked(
        tmp_path / "low/fs", directory("./", mode=0o751, uid=5), directory("d"),
        member("d/gone", b"1"), member("d/stays", b"2"), member("replaced", b"4"),
        directory("opaque"), member("opaque/old"), directory("sub"), member("sub/low", b"l"),
    )  # fmt: skip
    mid = unpacked(
        tmp_path / "mid/fs", member("d/.wh.gone"), member("replaced", b"new", mode=0o4711, uid=9),
        member("opaque/.wh..wh..opq"), member("opaque/new", b"5"), lowers=[low],
    )  # fmt: skip
    top = unpacked(
        tmp_path / "top/fs", member("sub/top", b"t"), symlink("link", "/sub"),
        symlink("out", "../../../../etc"), lowers=[mid, low],
    )  # fmt: skip
    return [str(path) for path in (top, mid, low)]


def look(layers: list[str], pod: PodPaths, sub_path: str, body: Callable[[Path], None]) -> None:
    """``body`` on the mount, which is nowhere attached."""

    def child() -> None:
        fd = imagevolume.open_mount(FILES, layers, sub_path, pod)
        body(Path(f"/proc/self/fd/{fd}"))

    in_child(child)


def shows_all(root: Path) -> None:
    assert sorted(os.listdir(root)) == ["d", "link", "opaque", "out", "replaced", "sub"]
    assert os.listdir(root / "d") == ["stays"]
    assert os.listdir(root / "opaque") == ["new"]
    assert sorted(os.listdir(root / "sub")) == ["low", "top"]
    status = (root / "replaced").stat()
    assert (status.st_uid, stat.S_IMODE(status.st_mode)) == (9, 0o4711)


def refuses_all(root: Path) -> None:
    """Read-only, no execution, no set-user-ID, no devices: by its mount, whatever the modes."""
    flags = os.statvfs(root).f_flag
    wanted = os.ST_RDONLY | os.ST_NOEXEC | os.ST_NOSUID | os.ST_NODEV
    assert flags & wanted == wanted
    with pytest.raises(OSError, match="Read-only"):
        (root / "fresh").mkdir()
    with pytest.raises(OSError, match="Read-only"):
        os.chmod(root, 0o777)


def test_several_layers_are_one_tree(layers: list[str], pod: PodPaths) -> None:
    before = [tree(Path(layer)) for layer in layers]
    mounts = Path("/proc/self/mountinfo").read_text()

    def body(root: Path) -> None:
        shows_all(root)
        refuses_all(root)

    look(layers, pod, "", body)
    assert [tree(Path(layer)) for layer in layers] == before
    assert Path("/proc/self/mountinfo").read_text() == mounts
    assert not pod.root.exists()


def test_one_layer_is_its_tree(layers: list[str], pod: PodPaths) -> None:
    def body(root: Path) -> None:
        assert root.stat().st_ino == Path(layers[-1]).stat().st_ino
        refuses_all(root)

    look(layers[-1:], pod, "", body)
    assert os.access(layers[-1], os.W_OK)  # only the copy of the mount is read-only
    (Path(layers[-1]) / "fresh").mkdir()


def test_without_overlayfs_a_copy_is_made_once(
    layers: list[str], pod: PodPaths, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_overlay(source: str, target: str, kind: str, flags: int, data: str = "") -> None:
        if kind == "overlay":
            raise OSError(errno.ENODEV, "No such device", target)
        real(source, target, kind, flags, data)

    real = mount.mount
    monkeypatch.setattr(mount, "mount", no_overlay)
    for _ in range(2):
        look(layers, pod, "", shows_all)
        look(layers, pod, "sub", refuses_all)
    assert os.listdir(pod.volume("files")) == ["copy"]
    volumes.remove_all(pod)
    assert not pod.volume("files").exists()


@pytest.mark.parametrize(("sub_path", "shown"), [
    ("sub", ["low", "top"]),
    ("link", ["low", "top"]),
    ("d/../opaque", ["new"]),
])  # fmt: skip
def test_a_part_of_the_merged_tree(
    layers: list[str], pod: PodPaths, sub_path: str, shown: list[str]
) -> None:
    def body(root: Path) -> None:
        assert sorted(os.listdir(root)) == shown
        refuses_all(root)

    look(layers, pod, sub_path, body)


def test_one_file(layers: list[str], pod: PodPaths) -> None:
    def body(file: Path) -> None:
        assert file.read_bytes() == b"new"
        with pytest.raises(OSError, match="Read-only"):
            file.write_bytes(b"x")

    for some in (layers, layers[1:2]):
        look(some, pod, "replaced", body)


@pytest.mark.parametrize("count", [1, 3])
@pytest.mark.parametrize("sub_path", ["none", "sub/none", "d/gone", "out", "out/passwd"])
def test_what_is_not_there_is_told_and_not_made(
    layers: list[str], pod: PodPaths, sub_path: str, count: int
) -> None:
    def child() -> None:
        with pytest.raises(MechanismFailed) as raised:
            imagevolume.open_mount(FILES, layers[:count], sub_path, pod)
        assert raised.value.reason == "CreateContainerError"
        assert raised.value.message == (
            f'ImageVolumeMountFailed: subPath "{sub_path}" does not exist in image volume "files"'
        )

    before = [tree(Path(layer)) for layer in layers]
    in_child(child)
    assert [tree(Path(layer)) for layer in layers] == before


def test_the_host_as_a_volume_shows_only_its_root_file_system(pod: PodPaths) -> None:
    def child() -> None:
        fd = imagevolume.open_mount(FILES, ["/"], "", pod)
        root = Path(f"/proc/self/fd/{fd}")
        assert (root / "etc/passwd").exists()
        assert os.listdir(root / "proc") == []
        with pytest.raises(MechanismFailed, match="cross-device link"):
            imagevolume.open_mount(FILES, ["/"], "proc/self", pod)

    in_child(child)


# With containers ─────────────────────────────────────────────────────────────────────────────────

POD = pod_text(
    "NAME",
    """
  volumes:
  - {name: files, image: {reference: REFERENCE, pullPolicy: POLICY}}
  initContainers:
  - name: part
    image: localhost/host
    env: [{name: WHICH, value: sub}]
    command: [sh, -c, "cat /part/top; ls /part/low; echo x > /part/new; /part/run; exec sleep 60"]
    restartPolicy: Always
    volumeMounts: [{name: files, mountPath: /part, subPathExpr: $(WHICH)}]
  containers:
  - name: whole
    image: localhost/host
    command: [sh, -c, "cat /mnt/files/sub/top; exec sleep 60"]
    volumeMounts: [{name: files, mountPath: /mnt/files}]
""",
    grace=1,
    policy="Never",
)


@pytest.fixture
def image(node: Node) -> Iterator[str]:
    name = f"localhost/volume-{os.urandom(4).hex()}:1"
    members = [directory("sub"), member("sub/top", b"of the image\n"), member("sub/low")]
    members += [member("sub/run", b"#!/bin/sh\necho executed\n", mode=0o755)]
    archive = node.root / "volume.tar"
    archive.write_bytes(tar_of(*members))
    node.podrun("image", "import", archive, name)
    yield name
    archive.unlink()
    node.delete_pods()
    node.podrun("image", "rm", "--force", name)


def apply(node: Node, name: str, reference: str, policy: str = "IfNotPresent") -> None:
    text = POD.replace("NAME", name).replace("REFERENCE", reference)
    node.apply_text(text.replace("POLICY", policy), check=False)


def waiting(node: Node, pod: str) -> list[dict[str, str]]:
    status = node.status(pod)
    both = status.get("initContainerStatuses", []) + status.get("containerStatuses", [])
    return [each["state"].get("waiting", {}) for each in both]


def test_two_containers_of_a_pod_read_an_image(node: Node, image: str) -> None:
    apply(node, "reads", image)
    node.wait_until(lambda: "of the image" in node.podrun("logs", "reads", "-c", "whole").stdout)
    logs = ("logs", "reads", "-c", "part")
    node.wait_until(lambda: "denied" in node.podrun(*logs).stdout)
    said = node.podrun(*logs).stdout
    assert said.startswith("of the image\n/part/low\n")
    assert "Read-only file system" in said
    assert "/part/run: Permission denied" in said
    assert "executed" not in said
    described = node.podrun("describe", "pod", "reads").stdout
    assert '/part from files (rw,path="$(WHICH)")' in described
    assert f"Reference:   {image}" in described
    events = node.podrun("events", "reads").stdout
    assert f'Container image "{image}" already present on machine' in events


def test_what_a_pod_has_as_a_volume_is_not_pruned(node: Node, image: str) -> None:
    apply(node, "keeps", image)
    node.wait_until(lambda: "of the image" in node.podrun("logs", "keeps", "-c", "whole").stdout)
    for command in (("image", "prune", "--all"), ("system", "prune", "--all", "--force")):
        assert "untagged" not in node.podrun(*command).stdout
    assert node.podrun("image", "rm", image, check=False).returncode == 1
    uses = {each["kind"]: each for each in node.json("system", "df", "-v", "-o", "json")["uses"]}
    (item,) = [each for each in uses["images"]["items"] if each["name"] == image]
    assert (item["users"], item["reclaimable"]) == (["default/keeps"], 0)
    node.delete_pods()
    assert f"image/{image} untagged" in node.podrun("system", "prune", "--all", "--force").stdout
    node.podrun("image", "import", node.root / "volume.tar", image)


def test_an_image_that_must_be_there_and_is_not(node: Node) -> None:
    apply(node, "never", "registry.example/none:1", "Never")
    node.wait_until(lambda: waiting(node, "never")[0].get("reason") == "ErrImageNeverPull")
    first, second = waiting(node, "never")
    assert "registry.example/none:1" in first["message"]
    assert second["reason"] == "PodInitializing"


def test_a_local_name_that_is_nowhere(node: Node) -> None:
    apply(node, "nowhere", "localhost/none:1")
    node.wait_until(lambda: waiting(node, "nowhere")[0].get("reason") == "ImagePullBackOff")
    assert 'Back-off pulling image "localhost/none:1"' in waiting(node, "nowhere")[0]["message"]


def test_a_missing_sub_path_is_told_as_the_cri_does(node: Node, image: str) -> None:
    text = POD.replace("NAME", "missing").replace("REFERENCE", image).replace("POLICY", "Never")
    node.apply_text(text.replace("value: sub", "value: none"), check=False)
    first = waiting(node, "missing")[0]
    assert first["reason"] == "CreateContainerError"
    assert 'ImageVolumeMountFailed: subPath "none" does not exist' in first["message"]


# From a registry ─────────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def registry_node(
    tmp_path: Path, leak_marks: set[str], leaves_nothing: None
) -> Iterator[tuple[Node, Registry]]:
    (tmp_path / "auth.json").write_text("{}")
    with Registry(tmp_path / "registry") as registry:
        node = Node(
            registries_conf=str(tmp_path / "registries.conf"),
            certs_dirs=(),
            auth_file=str(tmp_path / "auth.json"),
            image_pull_backoff=1.0,
        )
        leak_marks.add(node.mark)
        try:
            yield node, registry
        finally:
            node.close()


def test_a_volume_is_pulled_before_who_mounts_it(
    registry_node: tuple[Node, Registry], tmp_path: Path
) -> None:
    """First it is not there, and the pod waits as for an image; then it comes by itself."""
    node, registry = registry_node
    reference = f"{registry.host}/model:v1"
    apply(node, "pulls", reference, "Always")
    node.wait_until(lambda: waiting(node, "pulls")[0].get("reason") == "ImagePullBackOff")
    assert waiting(node, "pulls")[1]["reason"] == "PodInitializing"
    layers = [{"sub/top": b"pulled\n", "gone": b"x"}, {"sub/low": b"", ".wh.gone": b""}]
    registry.push(oci_image(tmp_path / "layout", layers), "model:v1")
    logs = ("logs", "pulls", "-c", "whole")
    node.wait_until(lambda: "pulled" in node.podrun(*logs, check=False).stdout)
    mounted = node.podrun(
        "exec", "pulls", "-c", "whole", "--", "ls", "/mnt/files", "/mnt/files/sub"
    )
    assert mounted.stdout.split() == ["/mnt/files:", "sub", "/mnt/files/sub:", "low", "top"]
    events = node.podrun("events", "pulls").stdout
    assert events.count(f'Successfully pulled image "{reference}"') == 1
    assert f'Back-off pulling image "{reference}"' in events
    mounts = Path("/proc/self/mountinfo").read_text()
    assert not any(node.mark in line and "overlay" in line for line in mounts.splitlines())
