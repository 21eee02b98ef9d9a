"""Counting what others have written: no depth, no name, no link may keep it from being counted."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from podrun.linux.diskuse import bytes_of
from podrun.linux.trees import remove_tree

LEVELS = 60
NAME = "d" * 200  # 60 of them are three times what a path may have


def _deep(root: Path) -> None:
    """A tree whose last file no path reaches."""
    here = os.open(root, os.O_RDONLY | os.O_DIRECTORY)
    for _ in range(LEVELS):
        os.mkdir(NAME, dir_fd=here)
        below = os.open(NAME, os.O_RDONLY | os.O_DIRECTORY, dir_fd=here)
        os.close(here)
        here = below
    file = os.open("file", os.O_WRONLY | os.O_CREAT, 0o600, dir_fd=here)
    os.write(file, b"x" * 500_000)
    os.close(file)
    os.close(here)


def test_what_no_path_reaches_is_counted(tmp_path: Path) -> None:
    (tmp_path / "tree").mkdir()
    (tmp_path / "tree" / "beside").write_bytes(b"y" * 100_000)
    _deep(tmp_path / "tree")
    open_before = len(os.listdir("/proc/self/fd"))
    try:
        assert 600_000 <= bytes_of([tmp_path / "tree"]) < 2_000_000
        assert len(os.listdir("/proc/self/fd")) == open_before
    finally:
        remove_tree(tmp_path / "tree")


def test_names_of_one_file_count_once_in_all_trees(tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
    (tmp_path / "a" / "file").write_bytes(b"x" * 100_000)
    os.link(tmp_path / "a" / "file", tmp_path / "b" / "file")
    assert 100_000 <= bytes_of([tmp_path / "a", tmp_path / "b"]) < 200_000


def test_links_are_not_followed(tmp_path: Path) -> None:
    (tmp_path / "tree").mkdir()
    (tmp_path / "tree" / "link").symlink_to("/usr")
    (tmp_path / "out").symlink_to("/usr")
    assert bytes_of([tmp_path / "tree", tmp_path / "out"]) < 100_000


def test_a_directory_that_is_moved_away_leads_nowhere_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its ".." is another directory then, and what is there is not counted."""
    inner, elsewhere = tmp_path / "tree" / "inner", tmp_path / "elsewhere"
    inner.mkdir(parents=True)
    (elsewhere / "other").mkdir(parents=True)
    (elsewhere / "other" / "file").write_bytes(b"x" * 500_000)
    real = os.open

    def moved(path: str, flags: int, *, dir_fd: int | None = None) -> int:
        if path == ".." and inner.exists():
            inner.rename(elsewhere / "inner")
        return real(path, flags, dir_fd=dir_fd)

    monkeypatch.setattr(os, "open", moved)
    assert bytes_of([tmp_path / "tree"]) < 100_000
