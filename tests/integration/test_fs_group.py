"""fsGroup: whom the files of volumes belong to."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from podrun.node.config import Config
from podrun.node.paths import Paths
from podrun.volume import volumes
from podrun.volume.ownership import GroupOwner, give
from podrun.volume.spec import Volume
from tests.integration.test_rights import context, inside, pod
from tests.node import Node


def test_fs_group_owns_empty_dirs_and_not_host_paths(node: Node, tmp_path: Path) -> None:
    host = tmp_path / "host"
    host.mkdir(mode=0o755)
    mounts = [{"name": "v", "mountPath": "/v"}, {"name": "h", "mountPath": "/h"}]
    node.apply_text(
        pod(
            "owned",
            {"volumeMounts": mounts, **context(runAsUser=1000, runAsGroup=1000)},
            securityContext={"fsGroup": 5555},
            volumes=[
                {"name": "v", "emptyDir": {}},
                {"name": "h", "hostPath": {"path": str(host)}},
            ],
        )
    )
    script = "umask 027; mkdir -p /v/d; touch /v/d/f; stat -c '%a %u:%g' /v /v/d /v/d/f /h"
    assert inside(node, "owned", script).stdout.splitlines() == [
        "2777 0:5555", "2750 1000:5555", "640 1000:5555", "755 0:0",
    ]  # fmt: skip


@pytest.fixture
def volume(tmp_path: Path) -> Path:
    """As a container of another user left it."""
    root = tmp_path / "v"
    (root / "deep" / "er").mkdir(parents=True)
    (root / "deep" / "file").write_text("x")
    (root / "deep" / "file").chmod(0o4700)
    (root / "deep" / "er" / "private").write_text("x")
    (root / "deep" / "er").chmod(0o700)
    os.mkfifo(root / "fifo", 0o600)
    (tmp_path / "outside").write_text("x")
    (tmp_path / "outside").chmod(0o600)
    (root / "link").symlink_to(tmp_path / "outside")
    (root / "dirlink").symlink_to(tmp_path)
    return root


def mode(path: Path) -> tuple[int, int]:
    found = path.lstat()
    return found.st_gid, found.st_mode & 0o7777


def test_all_in_a_volume_is_given_to_the_group(volume: Path, tmp_path: Path) -> None:
    outside, above = mode(tmp_path / "outside"), mode(tmp_path)
    give(volume, GroupOwner(5555))
    assert mode(volume) == mode(volume / "deep") == (5555, 0o2775)
    assert mode(volume / "deep" / "er") == (5555, 0o2770)
    assert mode(volume / "deep" / "file") == (5555, 0o4760)
    assert mode(volume / "fifo") == (5555, 0o660)
    assert mode(volume / "link")[0] == mode(volume / "dirlink")[0] == 5555
    assert (mode(tmp_path / "outside"), mode(tmp_path)) == (outside, above)


def test_a_root_that_is_right_speaks_for_all(volume: Path) -> None:
    private = volume / "deep" / "file"
    give(volume, GroupOwner(5555))
    os.chown(private, 0, 0)
    give(volume, GroupOwner(5555, always=False))
    assert private.lstat().st_gid == 0
    give(volume, GroupOwner(5555, always=True))
    assert private.lstat().st_gid == 5555
    os.chown(private, 0, 0)
    volume.chmod(0o755)  # the root lost a bit: it is no longer right
    give(volume, GroupOwner(5555, always=False))
    assert private.lstat().st_gid == 5555


def test_a_tree_deeper_than_descriptors_and_paths_reach(tmp_path: Path) -> None:
    root = tmp_path / "v"
    root.mkdir()
    here = os.open(root, os.O_RDONLY)
    depth = 1200
    for _ in range(depth):
        os.mkdir("d" * 10, dir_fd=here)
        there = os.open("d" * 10, os.O_RDONLY, dir_fd=here)
        os.close(here)
        here = there
    try:
        give(root, GroupOwner(5555))
        assert os.fstat(here).st_gid == 5555
    finally:
        os.close(here)
        from podrun.linux.trees import remove_tree

        remove_tree(root)


def test_the_group_stays_when_the_sandbox_is_made_anew(tmp_path: Path) -> None:
    """Making a volume that is there keeps set-group-ID, which OnRootMismatch looks at."""
    paths = Paths(Config(state_root=str(tmp_path))).pod("u", "default", "web")
    data = Volume("data", "emptyDir")
    volumes.make(data, paths, GroupOwner(5555))
    volumes.make(data, paths)
    assert mode(paths.volume("data")) == (5555, 0o2777)
