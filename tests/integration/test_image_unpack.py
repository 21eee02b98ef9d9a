"""Unpacking on the real kernel: everything is kept, nothing gets out."""

from __future__ import annotations

import io
import os
import stat
from pathlib import Path

import pytest

from podrun.errors import PodrunError
from podrun.image.types import BadArchive
from podrun.image.unpack import unpack
from podrun.linux.trees import remove_tree
from tests.integration import image_lab as lab
from tests.integration.image_lab import directory, hardlink, member, symlink, unpacked


@pytest.mark.parametrize("format", ["pax", "gnu"])
def test_a_tar_of_gnu_tar_comes_out_entry_by_entry_as_it_was(tmp_path: Path, format: str) -> None:
    lab.need("tar")
    source = lab.rootfs_tree(tmp_path / "source")
    archive, out = tmp_path / "a.tar", tmp_path / "out"
    xattrs = ["--xattrs", "--xattrs-include=*"] if format == "pax" else []
    lab.run("tar", f"--format={format}", *xattrs, "--sparse", "-C", source, "-cf", archive, ".")
    if format == "gnu":  # it has no room for these
        os.removexattr(source / "etc/passwd", "user.mark")
        os.removexattr(source / "bin/sh", "security.capability")
    out.mkdir()
    with open(archive, "rb") as file:
        unpack(file, out, need_end=True)
    if format == "gnu":
        for path in (source, *source.rglob("*")):
            seconds = path.lstat().st_mtime_ns // 10**9 * 10**9
            os.utime(path, ns=(seconds, seconds), follow_symlinks=False)
    assert lab.tree(out) == lab.tree(source)
    assert (out / "etc/sparse").stat().st_blocks < 1000


def test_all_sparse_formats(tmp_path: Path) -> None:
    lab.need("tar")
    source = tmp_path / "s"
    source.mkdir()
    with open(source / "holes", "wb") as file:
        for island in range(60):
            file.seek(island * (1 << 20))
            file.write(b"island %d" % island)
        file.truncate(100 << 20)
    for version in ("0.0", "0.1", "1.0"):
        archive, out = tmp_path / "a.tar", tmp_path / f"out-{version}"
        lab.run("tar", "--format=pax", "-S", f"--sparse-version={version}", "-C", source, "-cf", archive, ".")  # fmt: skip  # noqa: E501
        out.mkdir()
        with open(archive, "rb") as file:
            unpack(file, out)
        assert lab.tree(out) == lab.tree(source)
        assert (out / "holes").stat().st_blocks < 5000


# Odd archives (the hostile ones: test_hostile_*.py) ───────────────────────────────────────────────


@pytest.fixture
def outside(tmp_path: Path) -> Path:
    """What no archive may touch."""
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside/secret").write_text("untouched")
    return tmp_path / "outside"


def test_a_very_deep_tree_can_be_unpacked_and_removed(tmp_path: Path) -> None:
    out = unpacked(tmp_path / "out", directory("d/" * 2000), member("d/" * 2000 + "f"))
    remove_tree(out)
    assert not out.exists()


def test_removing_a_tree_follows_nothing_and_goes_on_where_it_was_killed(
    tmp_path: Path, outside: Path
) -> None:
    out = unpacked(
        tmp_path / "out", symlink("s", str(outside)), directory("a/b/c"), member("a/b/c/f"),
        directory(".removing-1/x"), member("a/.removing-2"),
    )  # fmt: skip
    remove_tree(out)
    remove_tree(out)
    (tmp_path / "link").symlink_to(outside)
    remove_tree(tmp_path / "link")
    assert os.listdir(tmp_path) == ["outside"]
    assert (outside / "secret").read_text() == "untouched"


def test_a_file_below_a_file_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(PodrunError, match="not a directory"):
        unpacked(tmp_path / "out", member("f"), member("f/g"))


def test_an_unknown_type_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(BadArchive, match="unknown type"):
        unpacked(tmp_path / "out", member("f", type=b"M"))


# Layers ──────────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def base(tmp_path: Path) -> Path:
    """A lower layer."""
    return unpacked(
        tmp_path / "base",
        directory("./", mode=0o751, mtime=1000),
        directory(
            "etc", mode=0o2750, uid=7, gid=8, mtime=5000, pax_headers={"SCHILY.xattr.user.a": "b"}
        ),
        member("etc/file", b"old", mode=0o640, uid=3),
        directory("etc/sub"),
        member("etc/sub/x", b"x"),
    )


def test_a_whiteout_becomes_overlayfs_own(tmp_path: Path, base: Path) -> None:
    out = unpacked(
        tmp_path / "out", member("etc/.wh.file"), member("etc/sub/.wh..wh..opq"), lowers=[base]
    )
    assert lab.is_whiteout(out / "etc/file")
    assert lab.is_opaque(out / "etc/sub")
    assert sorted(os.listdir(out / "etc")) == ["file", "sub"]


def test_a_whiteout_over_nothing_leaves_nothing(tmp_path: Path, base: Path) -> None:
    out = unpacked(tmp_path / "out", member("etc/.wh.never"), member(".wh..wh.plnk"), lowers=[base])
    assert os.listdir(out / "etc") == []


def test_a_whiteout_and_an_entry_of_the_same_layer_in_either_order(
    tmp_path: Path, base: Path
) -> None:
    first = [member("etc/.wh.sub"), directory("etc/sub"), member("etc/sub/new")]
    last = [directory("etc/sub"), member("etc/sub/new"), member("etc/.wh.sub")]
    implicit = [member("etc/.wh.sub"), member("etc/sub/new")]
    for number, members in enumerate((first, last, implicit)):
        out = unpacked(tmp_path / f"out{number}", *members, lowers=[base])
        assert lab.is_opaque(out / "etc/sub")
        assert os.listdir(out / "etc/sub") == ["new"]
    file = unpacked(
        tmp_path / "file", member("etc/file", b"new"), member("etc/.wh.file"), lowers=[base]
    )
    assert (file / "etc/file").read_bytes() == b"new"


def test_an_unlisted_directory_looks_like_the_one_below(tmp_path: Path, base: Path) -> None:
    out = unpacked(tmp_path / "out", member("etc/new"), member("fresh/x"), lowers=[base])
    status = (out / "etc").stat()
    assert (status.st_mode & 0o7777, status.st_uid, status.st_gid) == (0o2750, 7, 8)
    assert status.st_mtime == 5000
    assert os.getxattr(out / "etc", "user.a") == b"b"
    assert stat.S_IMODE((out / "fresh").stat().st_mode) == 0o755
    assert stat.S_IMODE(out.stat().st_mode) == 0o751
    assert out.stat().st_mtime == 1000


def test_looks_come_from_the_topmost_layer_and_not_from_behind_a_whiteout(
    tmp_path: Path, base: Path
) -> None:
    middle = unpacked(tmp_path / "m", directory("etc", mode=0o700), lowers=[base])
    over = unpacked(tmp_path / "o1", member("etc/y"), lowers=[middle, base])
    assert stat.S_IMODE((over / "etc").stat().st_mode) == 0o700
    gone = unpacked(tmp_path / "g", member(".wh.etc"), lowers=[base])
    fresh = unpacked(tmp_path / "o2", member("etc/y"), lowers=[gone, base])
    assert stat.S_IMODE((fresh / "etc").stat().st_mode) == 0o755
    opaque = unpacked(tmp_path / "q", member("etc/.wh..wh..opq"), lowers=[base])
    under = unpacked(tmp_path / "o3", member("etc/sub/y"), lowers=[opaque, base])
    assert (under / "etc/sub").stat().st_uid == 0


def test_a_hard_link_to_a_file_of_a_lower_layer_copies_it_up(tmp_path: Path, base: Path) -> None:
    out = unpacked(tmp_path / "out", hardlink("link", "etc/file"), lowers=[base])
    assert (out / "link").read_bytes() == b"old"
    assert (out / "link").stat().st_ino == (out / "etc/file").stat().st_ino
    assert ((out / "link").stat().st_uid, stat.S_IMODE((out / "link").stat().st_mode)) == (3, 0o640)
    assert (base / "etc/file").stat().st_nlink == 1


def test_a_link_to_nowhere_in_this_layer_makes_its_target(tmp_path: Path) -> None:
    out = unpacked(tmp_path / "out", symlink("var", "/run/../data/./x"), member("var/lib/f", b"1"))
    assert (out / "data/x/lib/f").read_bytes() == b"1"


def test_what_is_extracted_twice_is_there_as_the_last_one(tmp_path: Path) -> None:
    out = unpacked(
        tmp_path / "out", member("a", b"1"), hardlink("b", "a"), member("a", b"22"),
        directory("a"), member("a/x"), member("a", b"333"), directory("b", mode=0o700),
        directory("b", mode=0o711), hardlink("a", "a"),
    )  # fmt: skip
    assert (out / "a").read_bytes() == b"333"
    assert stat.S_IMODE((out / "b").stat().st_mode) == 0o711


def test_a_full_disk_is_told(tmp_path: Path) -> None:
    from podrun.linux import mount, namespace

    pid = os.fork()
    if pid == 0:  # a mount of 64 kB in a namespace of the child's own
        code = 1
        try:
            namespace.unshare(namespace.CLONE_NEWNS)
            mount.mount("none", "/", "", mount.MS_REC | mount.MS_PRIVATE)
            mount.mount("podrun", str(tmp_path), "tmpfs", 0, "size=64k")
            unpacked(tmp_path / "out", member("big", bytes(1 << 20)))
        except PodrunError as error:
            code = 0 if "big" in error.message and "disk is full" in error.hint else 2
        finally:
            os._exit(code)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0


def test_the_reader_takes_the_stream_to_its_end(tmp_path: Path) -> None:
    data = lab.tar_of(member("x")) + bytes(50_000)
    stream = io.BytesIO(data)
    (tmp_path / "out").mkdir()
    unpack(stream, tmp_path / "out")
    assert stream.tell() == len(data)
