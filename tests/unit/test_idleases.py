"""Ranges of user ids: leased, kept, given back, never two pods'."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from podrun.errors import Unavailable
from podrun.linux.users import COUNT
from podrun.node.config import Config
from podrun.node.paths import Paths
from podrun.sandbox import idleases

FIRST = 0x70000000


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Config:
    monkeypatch.setattr(idleases, "_SUBORDINATE", (tmp_path / "subuid",))
    return Config(state_root=str(tmp_path / "state"))


def test_a_pod_keeps_its_range_and_no_other_gets_it(config: Config) -> None:
    paths = Paths(config)
    ranges = [idleases.lease(config, paths, uid) for uid in ("a", "b", "a", "c")]
    assert ranges == [FIRST, FIRST + COUNT, FIRST, FIRST + 2 * COUNT]
    assert idleases.held(paths, "b") == FIRST + COUNT
    assert idleases.held(paths, "nobody") == 0


def test_what_is_given_back_is_leased_again(config: Config) -> None:
    paths = Paths(config)
    idleases.release(paths, "a")
    for uid in ("a", "b"):
        idleases.lease(config, paths, uid)
    idleases.release(paths, "a")
    idleases.release(paths, "a")
    assert idleases.by_range(paths) == {FIRST + COUNT: "b"}
    assert idleases.lease(config, paths, "c") == FIRST


def test_ranges_of_pods_that_are_no_more_are_taken_back(config: Config) -> None:
    paths = Paths(config)
    for uid in ("a", "b", "c"):
        idleases.lease(config, paths, uid)
    idleases.release_all_but(paths, ["b"])
    assert set(idleases.by_range(paths).values()) == {"b"}


def test_ranges_that_users_of_the_machine_may_map_are_passed_over(
    config: Config, tmp_path: Path
) -> None:
    lines = f"nonsense\njoe:{FIRST + 10}:100\nann:x:y\njim:{FIRST + 2 * COUNT - 1}:1\n"
    (tmp_path / "subuid").write_text(lines)
    assert idleases.lease(config, Paths(config), "a") == FIRST + 2 * COUNT


def test_there_is_an_end(config: Config) -> None:
    paths = Paths(config)
    last = Config(state_root=config.state_root, userns_first_id=(1 << 31) - COUNT)
    assert idleases.lease(last, paths, "a") == (1 << 31) - COUNT
    with pytest.raises(Unavailable, match="no 65536 user ids are left"):
        idleases.lease(last, paths, "b")


def test_whatever_else_lies_there_is_passed_over(config: Config) -> None:
    paths = Paths(config)
    paths.users.mkdir(parents=True)
    (paths.users / "notes").write_text("x")
    (paths.users / "17").write_text("no link")
    os.symlink("a", paths.users / "x1")
    assert idleases.by_range(paths) == {}
    assert idleases.lease(config, paths, "a") == FIRST
