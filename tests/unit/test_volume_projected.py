"""Files that are exchanged all at once."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from podrun.volume.projected import write

ONE = {"a": (b"1", 0o644), "deep/er/b": (b"2", 0o400)}
TWO = {"a": (b"1 new", 0o644), "c": (b"3", 0o640)}


def _seen(root: Path) -> dict[str, bytes]:
    """What a reader finds that follows links, by the names that are not the volume's own."""
    found = {}
    for name in os.listdir(root):
        top = root / name
        if name.startswith(".."):
            continue
        paths = [path for path in top.rglob("*") if path.is_file()] if top.is_dir() else [top]
        found.update({str(path.relative_to(root)): path.read_bytes() for path in paths})
    return found


def _plain(files: dict[str, tuple[bytes, int]]) -> dict[str, bytes]:
    return {path: content for path, (content, _) in files.items()}


def test_the_layout_is_that_of_kubernetes(tmp_path: Path) -> None:
    assert write(tmp_path, ONE)
    assert os.readlink(tmp_path / "a") == "..data/a"
    assert os.readlink(tmp_path / "deep") == "..data/deep"
    assert os.readlink(tmp_path / "..data").startswith("..20")
    assert (tmp_path / "deep/er/b").stat().st_mode & 0o7777 == 0o400
    assert (tmp_path / "..data/deep/er").stat().st_mode & 0o7777 == 0o755
    assert _seen(tmp_path) == _plain(ONE)


def test_what_is_right_is_left_alone(tmp_path: Path) -> None:
    write(tmp_path, ONE)
    before = os.readlink(tmp_path / "..data")
    assert not write(tmp_path, ONE)
    assert os.readlink(tmp_path / "..data") == before


@pytest.mark.parametrize("change", [{"a": (b"2", 0o644)}, {"a": (b"1", 0o600)}, {}])
def test_a_change_of_content_mode_or_names_is_an_exchange(
    tmp_path: Path, change: dict[str, tuple[bytes, int]]
) -> None:
    write(tmp_path, {"a": (b"1", 0o644)})
    before = os.readlink(tmp_path / "..data")
    assert write(tmp_path, change)
    assert os.readlink(tmp_path / "..data") != before
    assert _seen(tmp_path) == _plain(change)


def test_old_files_go_and_an_open_directory_keeps_what_it_had(tmp_path: Path) -> None:
    write(tmp_path, ONE)
    held = os.open(tmp_path / "a", os.O_RDONLY)
    try:
        write(tmp_path, TWO)
        assert os.read(held, 10) == b"1"
    finally:
        os.close(held)
    assert _seen(tmp_path) == _plain(TWO)
    assert len([name for name in os.listdir(tmp_path) if name.startswith("..")]) == 2


@pytest.mark.parametrize("names", [["..2020_01_01_00_00_00.dead/half"], ["..data_tmp"]])
def test_what_a_crash_left_is_removed(tmp_path: Path, names: list[str]) -> None:
    write(tmp_path, ONE)
    for name in names:
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.symlink_to("..nothing") if name == "..data_tmp" else path.write_bytes(b"x")
    write(tmp_path, TWO)
    assert _seen(tmp_path) == _plain(TWO)
    assert len([name for name in os.listdir(tmp_path) if name.startswith("..")]) == 2


def test_killed_before_its_links_were_made_the_next_write_makes_them(tmp_path: Path) -> None:
    write(tmp_path, ONE)
    (tmp_path / "a").unlink()
    (tmp_path / "old").symlink_to("..data/old")
    assert not write(tmp_path, ONE)
    assert _seen(tmp_path) == _plain(ONE)
    assert not (tmp_path / "old").is_symlink()


def test_a_group_may_read_whatever_the_mode(tmp_path: Path) -> None:
    group = os.getgid()
    write(tmp_path, {"x/a": (b"1", 0o400)}, group)
    assert (tmp_path / "x/a").stat().st_mode & 0o7777 == 0o440
    assert (tmp_path / "..data/x").stat().st_mode & 0o7777 == 0o2755
    assert not write(tmp_path, {"x/a": (b"1", 0o400)}, group)


def test_directories_that_sub_paths_left_keep_no_update_waiting(tmp_path: Path) -> None:
    write(tmp_path, ONE)
    for name in ("c", "never"):
        (tmp_path / name).mkdir()
    assert write(tmp_path, TWO)
    assert _seen(tmp_path) == _plain(TWO)
    assert os.readlink(tmp_path / "c") == "..data/c"
    assert not (tmp_path / "never").exists()
