"""How many layers, and on which file systems."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from podrun.errors import Unavailable
from podrun.image import overlay
from podrun.image.rootfs import prepare
from podrun.linux import mount
from podrun.linux.trees import remove_tree
from tests.integration import image_lab as lab
from tests.integration.image_lab import member, unpacked
from tests.integration.test_image_rootfs import in_child, mounted


@pytest.fixture
def many(tmp_path: Path) -> Iterator[list[Path]]:
    """One layer more than overlayfs takes, each with a file of its own."""
    layers = []
    for number in range(overlay.LAYERS_MAX + 1):
        layers.append(tmp_path / f"{number:064}" / "fs")
        layers[-1].mkdir(parents=True)
        (layers[-1] / f"f{number}").touch()
    yield layers
    for layer in layers:
        remove_tree(layer.parent)


def test_as_many_layers_as_the_kernel_takes_and_no_more(tmp_path: Path, many: list[Path]) -> None:
    """The kernel's own answer, EINVAL, would lead to a tmpfs, and then to a copy of everything."""
    with pytest.raises(Unavailable, match="501 layers: overlayfs takes 500"):
        prepare(many, tmp_path / "attempt/upper")
    assert not (tmp_path / "attempt").exists()

    def body() -> None:
        root = mounted(prepare(many[1:], tmp_path / "a/upper", ways=["overlay"]), tmp_path / "root")
        assert len(os.listdir(root)) == overlay.LAYERS_MAX

    in_child(body)


@pytest.mark.parametrize("layers", [2, 127, 500])
def test_the_old_way_takes_as_many(tmp_path: Path, many: list[Path], layers: int) -> None:
    def body() -> None:
        upper, work = tmp_path / "a/upper", tmp_path / "a/work"
        upper.mkdir(parents=True)
        work.mkdir()
        fd = overlay.mount_by_namespace(many[:layers], upper, work)
        assert len(os.listdir(f"/proc/self/fd/{fd}")) == layers

    in_child(body)


def test_a_state_directory_on_tmpfs(tmp_path: Path) -> None:
    source = lab.rootfs_tree(tmp_path / "source")
    os.removexattr(source / "etc/passwd", "user.mark")  # tmpfs has no user.* before 6.6
    (tmp_path / "state").mkdir()

    def body() -> None:
        mount.mount("podrun", str(tmp_path / "state"), "tmpfs", 0, "size=64m")
        store = lab.new_store(tmp_path / "state")
        image = store.import_rootfs(source, "x")
        [layer] = store.lowers(image)
        assert lab.tree(layer) == lab.tree(source)
        upper = unpacked(
            tmp_path / "state/top", member("etc/.wh.link"), member("etc/new"), lowers=[layer]
        )
        rootfs = prepare([upper, layer], tmp_path / "state/attempt/upper")
        assert rootfs.how == "overlay"
        root = mounted(rootfs, tmp_path / "root")
        assert not (root / "etc/link").is_symlink()
        (root / "etc/new").write_text("written")

    in_child(body)
