"""Layers made to reach out of their directory. Each says what a naive unpacker would do, and fails
when the guard it is about is taken away."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from podrun.errors import PodrunError
from podrun.image.types import BadArchive
from podrun.linux.trees import remove_tree
from tests import tarforge as tf
from tests.integration.hostile_lab import Attack


@pytest.fixture
def attack(tmp_path: Path) -> Iterator[Attack]:
    made = Attack(tmp_path)
    yield made
    remove_tree(made.layer)  # pytest's own removal recurses: a deep tree ends it


# Names ───────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("name", ["../host/secret", "a/../../host/secret", "..", "a/..", "./../x"])
def test_dot_dot_in_a_name_is_refused(attack: Attack, name: str) -> None:
    """Naive: open(root + "/" + name) leads out of the root."""
    with pytest.raises(BadArchive, match="not allowed"):
        attack.unpack(tf.archive(tf.named(name)))


def test_an_absolute_name_is_inside(attack: Attack) -> None:
    """Naive: os.path.join(root, "/host/secret") is /host/secret."""
    out = attack.unpack(tf.archive(tf.named(attack.host / "secret")))
    assert (out / str(attack.host)[1:] / "secret").read_bytes() == b"x"


@pytest.mark.parametrize("name", ["a\0b", "a\0/../../x"])
def test_a_zero_byte_in_a_name_is_refused(attack: Attack, name: str) -> None:
    """Naive: judged whole, opened up to the zero byte."""
    with pytest.raises(BadArchive, match="not allowed"):
        attack.unpack(tf.archive(tf.named(name)))


@pytest.mark.parametrize("name", [b"new\nline", b"\x1b[2J\x07", b"\xff\xfe", b" ", b"-rf", b"\\"])
def test_names_with_odd_bytes_survive_and_are_printed_escaped(attack: Attack, name: bytes) -> None:
    """Naive: refuses them, decodes them, or prints what clears the reader's terminal."""
    out = attack.unpack(tf.archive(tf.entry(name, b"1")))
    assert os.listdir(os.fsencode(out)) == [name]
    for bad in (tf.entry(name + b"/../x"), tf.entry(b"f") + tf.entry(b"f/" + name)):
        with pytest.raises(PodrunError) as caught:
            attack.unpack(tf.archive(bad))
        assert caught.value.text.isprintable(), caught.value.text


def test_names_that_differ_in_case_are_two_files(attack: Attack) -> None:
    """Naive: on a file system that folds case, the second goes through the first's link."""
    out = attack.unpack(
        tf.archive(tf.link("Door", attack.host), tf.named("door/secret"), tf.named("DOOR", b"2"))
    )
    assert sorted(os.listdir(out)) == ["DOOR", "Door", "door"]
    assert (out / "door/secret").read_bytes() == b"x"


def test_a_regular_file_with_a_slash_at_the_end_has_its_content(attack: Attack) -> None:
    """Naive: takes it for a directory, and its content for headers that no scanner has seen."""
    out = attack.unpack(tf.archive(tf.entry("d/", tf.entry("smuggled", b"x"))))
    assert os.listdir(out) == ["d"]
    assert (out / "d").is_file()


# Symbolic links ──────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("target", ["HOST", "../host", "../../../../../../../../../..HOST"])
@pytest.mark.parametrize("below", ["secret", "new", "empty/new"])
def test_writing_through_a_link_stays_inside(attack: Attack, target: str, below: str) -> None:
    """Naive: plants a link to a directory, then a file through it."""
    target = target.replace("HOST", str(attack.host))
    attack.unpack(tf.archive(tf.link("door", target), tf.named(f"door/{below}")))


def test_a_way_with_dot_dot_is_tried_again_while_others_rename(attack: Attack) -> None:
    """Naive: openat2(2) gives EAGAIN for any rename on the machine, and the layer is refused."""
    data = tf.archive(tf.link("door", "../" * 30 + "x"), *[tf.named(f"door/{n}") for n in "abc"])
    pid = os.fork()
    if pid == 0:
        place = attack.directory / "renamed"
        place.touch()
        while True:
            os.rename(place, f"{place}-again")
            os.rename(f"{place}-again", place)
    attack.beside("renamed", "renamed-again")
    try:
        for _ in range(100):
            attack.unpack(data)
    finally:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)


@pytest.mark.parametrize("relative", [True, False])
def test_a_chain_of_links_stays_inside(attack: Attack, relative: bool) -> None:
    """Naive: each link alone looks harmless (a → b, b → .., a/a/…)."""
    up = ".." if relative else "/"
    attack.unpack(
        tf.archive(
            tf.folder("d"), tf.link("d/up", up), tf.link("d/more", "up/.."),
            tf.link("out", "d/more/../.."),
            tf.named("out/host/secret"), tf.named("d/more/more/host/x"),
        )
    )  # fmt: skip


@pytest.mark.parametrize(
    "again",
    [
        tf.entry("x", b"mine"),
        tf.folder("x", mode=0o777),
        tf.entry("x", kind=tf.FIFO),
        tf.entry("x", kind=tf.CHAR, major=1, minor=3),
        tf.entry("x", kind=tf.SYMLINK, link="elsewhere"),
        tf.entry("real") + tf.entry("x", kind=tf.HARDLINK, link="real"),
        tf.pax({"mtime": "77.5", "SCHILY.xattr.user.a": "b", "uid": "77"}) + tf.entry("x", b"m"),
    ],
)
@pytest.mark.parametrize("target", ["secret", "empty", "new"])
def test_an_entry_replaces_a_link_instead_of_following_it(
    attack: Attack, again: bytes, target: str
) -> None:
    """Naive: open(), mkdir(), chmod(), utime(), setxattr() of the name follow the link."""
    out = attack.unpack(tf.archive(tf.link("x", attack.host / target), again))
    assert not (out / "x").is_symlink() or os.readlink(out / "x") == "elsewhere"


def test_attributes_of_a_link_are_its_own(attack: Attack) -> None:
    """Naive: chown(), utime() and setxattr() without AT_SYMLINK_NOFOLLOW."""
    for target in ("secret", "empty"):
        extended = {"linkpath": str(attack.host / target), "uid": "77", "mtime": "5.5"}
        extended["SCHILY.xattr.user.a"] = "b"
        out = attack.unpack(tf.archive(tf.pax(extended) + tf.entry("x", kind=tf.SYMLINK)))
        assert (out / "x").lstat().st_uid == 77


def test_a_directory_replaced_by_a_link_is_not_written_through_an_old_descriptor(
    attack: Attack,
) -> None:
    """Naive: keeps the directory open, or keeps what its name meant."""
    out = attack.unpack(
        tf.archive(
            tf.folder("d"),
            tf.named("d/one"),
            tf.link("d", attack.host),
            tf.named("d/two"),
            tf.named("d/secret"),
        )
    )
    assert (out / "d").is_symlink()
    assert (out / str(attack.host)[1:] / "two").read_bytes() == b"x"


def test_a_directory_removed_through_another_name_of_its_parent_is_forgotten(
    attack: Attack,
) -> None:
    """Naive: a/self is the root; a/self/a is what the next entry's way leads through."""
    out = attack.unpack(
        tf.archive(
            tf.folder("a"), tf.link("a/self", "/"), tf.named("a/self/x"),
            tf.named("a/self/a", b"a file"),
            tf.folder("a"), tf.named("a/self/y", b"now a real directory"),
        )
    )  # fmt: skip
    assert (out / "a/self/y").read_bytes() == b"now a real directory"
    assert (out / "x").exists() and not (out / "y").exists()
    files = (tf.named("a/self/a", b"a file"), tf.named("a/self/a/self", b"the link itself"))
    for last in (*files, tf.link("a/self/a", "nowhere/else")):
        entries = (tf.folder("a"), tf.link("a/self", "/"), tf.named("a/self/x"), last)
        attack.tries(tf.archive(*entries, tf.named("a/self/z")))
        assert not (attack.layer / "z").exists()


def test_magic_links_of_proc_lead_nowhere(attack: Attack) -> None:
    """Naive: /proc/self/root or /proc/self/cwd as a part of the way."""
    out = attack.unpack(
        tf.archive(
            tf.link("p", "/proc/self/root"),
            tf.named(f"p{attack.host}/secret"),
            tf.link("q", "/proc"),
        )
    )
    assert (out / f"proc/self/root{attack.host}/secret").read_bytes() == b"x"


def test_links_in_a_circle_are_an_error(attack: Attack) -> None:
    """Naive: follows them for ever."""
    with pytest.raises(PodrunError, match="symbolic links"):
        attack.unpack(tf.archive(tf.link("a", "b"), tf.link("b", "a"), tf.named("a/x")))
    with pytest.raises(BadArchive, match="symbolic links"):
        attack.unpack(tf.archive(tf.link("a", "new/../a"), tf.named("a/x")))


def test_a_link_of_a_lower_layer_is_not_written_through(attack: Attack) -> None:
    """Naive: unpacks into the merged tree, where the layer below has planted the link."""
    low = attack.lower("low", tf.archive(tf.link("door", attack.host), tf.link("file", attack.host / "secret")))  # fmt: skip  # noqa: E501
    out = attack.unpack(
        tf.archive(tf.named("door/secret"), tf.named("file"), tf.entry("door/.wh.empty")), [low]
    )
    assert (out / "door").is_dir() and not (out / "door").is_symlink()
    assert os.listdir(out / "door") == ["secret"]


def test_a_zero_byte_in_a_links_target_is_refused(attack: Attack) -> None:
    """Naive: an exception of the language, not of the program."""
    with pytest.raises(BadArchive, match="not allowed"):
        attack.unpack(tf.archive(tf.link("x", "a\0b")))


# Hard links ──────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("target", ["../host/secret", "HOST/secret", "door/secret", "file"])
def test_a_hard_link_does_not_reach_the_host(attack: Attack, target: str) -> None:
    """Naive: link(2) of a host's file, which a later entry or the container then writes."""
    target = target.replace("HOST", str(attack.host))
    planted = tf.link("door", attack.host) + tf.link("file", attack.host / "secret")
    data = tf.archive(planted, tf.hardlink("x", target), tf.named("x", b"overwritten"))
    if target == "file":  # a second name of the link itself
        attack.unpack(data)
    else:
        with pytest.raises(BadArchive):
            attack.unpack(data)
    assert (attack.host / "secret").stat().st_nlink == 1


def test_a_hard_link_to_a_symbolic_link_is_one_more_name_of_the_link(attack: Attack) -> None:
    """Naive: link(2) with AT_SYMLINK_FOLLOW takes the target in."""
    out = attack.unpack(
        tf.archive(
            tf.link("s", attack.host / "secret"), tf.hardlink("h", "s"), tf.hardlink("s", "h")
        )
    )
    assert os.readlink(out / "h") == str(attack.host / "secret")
    assert (out / "s").lstat().st_nlink == 2


def test_a_hard_link_to_a_directory_is_refused(attack: Attack) -> None:
    """Naive: EPERM out of nowhere; or the directory's content is lost with the link's place."""
    for target in ("d", ".", "/", "d/"):
        with pytest.raises(BadArchive, match=r"no file|leads to the layer's root"):
            attack.unpack(tf.archive(tf.folder("d"), tf.hardlink("x", target)))


def test_a_hard_link_is_no_whiteout(attack: Attack) -> None:
    """Naive: copies up, or links, the device that means "deleted" as if it were a file."""
    low = attack.lower("low", tf.archive(tf.named("f")))
    gone = tf.entry(".wh.f")
    with pytest.raises(BadArchive, match="no file"):
        attack.unpack(tf.archive(gone, tf.hardlink("x", "f")), [low])


def test_a_hard_link_to_a_link_below_does_not_copy_what_it_leads_to(attack: Attack) -> None:
    """Naive: opens the lower layer's name to copy it up, and follows it."""
    low = attack.lower(
        "low", tf.archive(tf.link("f", attack.host / "secret"), tf.link("d", attack.host))
    )
    for target in ("f", "d/secret"):
        with pytest.raises(BadArchive, match="no file"):
            attack.unpack(tf.archive(tf.hardlink("x", target)), [low])
