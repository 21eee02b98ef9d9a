"""Archives made to exhaust memory, disk or patience, or that are no archives: each is refused with
the limit's name, nothing of it stays, and no error is anything but a refusal."""

from __future__ import annotations

import os
import resource
from collections.abc import Iterator
from pathlib import Path

import pytest

from podrun.image.types import BadArchive, Limits
from podrun.linux.trees import remove_tree
from tests import tarforge as tf
from tests.integration.hostile_lab import Attack, sparse_of

EIB = 1 << 60


@pytest.fixture
def attack(tmp_path: Path) -> Iterator[Attack]:
    made = Attack(tmp_path)
    yield made
    remove_tree(made.layer)  # pytest's own removal recurses: a deep tree ends it


SPARSE = list(sparse_of(0))


@pytest.mark.parametrize("way", SPARSE)
def test_sparse_sizes_count_as_bytes(attack: Attack, way: str) -> None:
    """Naive: ftruncate() to 8 EiB, and du, backup and cp of it work for years."""
    for size in (8 * EIB - 1, 64 << 30):
        with pytest.raises(BadArchive, match=r"limit: bytes, .*imageLimits\.bytes"):
            attack.unpack(tf.archive(tf.entry("a", b"x"), sparse_of(size)[way]))
    assert not (attack.layer / "f").exists()
    out = attack.unpack(tf.archive(sparse_of(1 << 30)[way]))
    assert (out / "f").stat().st_size == 1 << 30
    assert (out / "f").stat().st_blocks < 100


LIMITS: dict[str, tuple[Limits, bytes]] = {
    "bytes": (Limits(bytes=5), tf.entry("a", b"123") + tf.entry("b", b"123")),
    "entries": (Limits(entries=1), tf.entry("a") + tf.entry("b")),
    "path_bytes": (Limits(path_bytes=9), tf.named("a/b/c/d/e/f")),
    "name_bytes": (Limits(name_bytes=9), tf.named("n" * 10)),
    "header_bytes": (Limits(header_bytes=600), tf.pax({"path": "n" * 700}) + tf.entry()),
}
DEFAULT: dict[str, bytes] = {
    "path_bytes": tf.named("d/" * 2048 + "f"),
    "name_bytes": tf.named("n" * 256),
    "header_bytes": tf.pax({"path": "n" * (1 << 20)}) + tf.entry(),
}


@pytest.mark.parametrize("limit", LIMITS)
def test_each_limit_is_enforced_and_named_with_its_key(attack: Attack, limit: str) -> None:
    limits, data = LIMITS[limit]
    first, *rest = limit.split("_")
    key = first + "".join(map(str.capitalize, rest))
    with pytest.raises(BadArchive, match=rf"more than \d+ \(limit: {limit}, .*imageLimits\.{key}"):
        attack.unpack(tf.archive(data), limits=limits)
    if limit in DEFAULT:
        with pytest.raises(BadArchive, match=rf"imageLimits\.{key}"):
            attack.unpack(tf.archive(DEFAULT[limit]))


def test_depth_without_end_is_bounded_however_it_is_asked_for(attack: Attack) -> None:
    """Naive: one descriptor or stack frame for each level; or links that lead ever deeper."""
    deep = "d/" * 2000
    out = attack.unpack(tf.archive(tf.named(deep + "f"), tf.folder("x/" * 2047), tf.named("x/y")))
    assert (out / "x/y").exists()
    with pytest.raises(BadArchive, match="limit: path_bytes"):
        attack.unpack(tf.archive(tf.folder(deep), tf.link("s", deep), tf.folder("s/" + deep)))
    remove_tree(out)


def test_descriptors_are_few_however_deep_the_tree_is(attack: Attack) -> None:
    """Naive: one for each level that is entered; at 1,024 it ends with EMFILE."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (len(os.listdir("/proc/self/fd")) + 40, hard))
    try:
        data = tf.archive(*(tf.folder("d/" * depth, mtime=depth) for depth in range(1, 100)))
        out = attack.unpack(data)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert (out / ("d/" * 70)).stat().st_mtime == 70


def test_unlisted_directories_count_as_entries(attack: Attack) -> None:
    """Naive: counts headers; each can ask for two thousand directories."""
    names = [tf.named(f"{n}/" + "d/" * 500 + "f") for n in range(3)]
    with pytest.raises(BadArchive, match=r"unlisted directories, .*limit: entries"):
        attack.unpack(tf.archive(*names), limits=Limits(entries=1200))


def test_extended_headers_add_up(attack: Attack) -> None:
    """Naive: bounds each header, and gathers a million of them in memory."""
    many = b"".join(tf.pax({f"SCHILY.xattr.user.{n}": "v" * 900}) for n in range(40))
    with pytest.raises(BadArchive, match="limit: header_bytes"):
        attack.unpack(tf.archive(many, tf.entry()), limits=Limits(header_bytes=20_000))


@pytest.mark.parametrize("way", ["old GNU", "pax 0.1", "pax 1.0"])
def test_a_sparse_map_counts_as_header(attack: Attack, way: str) -> None:
    """Naive: a map of a billion empty parts, all in memory."""
    if way == "old GNU":
        block = bytearray(tf.entry("f", kind=b"S", magic=tf.GNU))
        block[482] = 1
        more = (b"0" * 11 + b"\0") * 42 + b"\1" + bytes(7)
        data = tf.checked(bytes(block)) + more * 50
    elif way == "pax 0.1":
        data = tf.pax({"GNU.sparse.map": ",".join(["0"] * 20_000), "GNU.sparse.size": "0"})
    else:
        text = b"10000\n" + b"0\n" * 20_000
        pax = tf.pax({"GNU.sparse.major": "1", "GNU.sparse.name": "f", "GNU.sparse.realsize": "0"})
        data = pax + tf.entry("x", tf.padded(text))
    with pytest.raises(BadArchive, match="limit: header_bytes"):
        attack.unpack(tf.archive(data), limits=Limits(header_bytes=20_000))


# Numbers that disagree ───────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("size", [b"-0000000001", tf.base256(-1), tf.base256(-(1 << 40))])
def test_negative_sizes(attack: Attack, size: bytes) -> None:
    """Naive: seeks backwards, and reads the same header for ever."""
    with pytest.raises(BadArchive, match=r"negative|damaged"):
        attack.unpack(tf.archive(tf.entry("a"), tf.entry("b", size=size)))
    with pytest.raises(BadArchive, match=r"negative|damaged|limit"):
        attack.unpack(tf.archive(tf.entry("x", size=size, kind=b"x"), tf.entry("b")))


@pytest.mark.parametrize(
    "size", [b"+0000000001", b"0_1", b"0o1", b"0x1", b"8", b"1 1", b"\xff\xb2"]
)
def test_numbers_are_octal_digits_and_nothing_else(attack: Attack, size: bytes) -> None:
    """Naive: the language's own int() takes signs, prefixes and underscores."""
    with pytest.raises(BadArchive, match=r"damaged number|negative"):
        attack.unpack(tf.archive(tf.entry("a", b"x", size=size)))


def test_the_size_of_the_pax_header_is_the_one_that_holds(attack: Attack) -> None:
    """Naive: goes by the other one; what is content to a scanner is a header to it."""
    inner = tf.entry("smuggled", b"x")
    out = attack.unpack(
        tf.archive(tf.pax({"size": str(len(inner))}) + tf.entry("a", inner, size=0))
    )
    assert os.listdir(out) == ["a"]
    with pytest.raises(BadArchive, match=r"damaged|truncated"):
        attack.unpack(tf.archive(tf.pax({"size": "512"}) + tf.entry("a", b"x" * 5000)))
    for size in ("-1", str(1 << 62), "0x10", "1 0", "5_0"):
        with pytest.raises(BadArchive):
            attack.unpack(tf.archive(tf.pax({"size": size}) + tf.entry("a", b"x")))


def test_global_headers_are_not_applied(attack: Attack) -> None:
    """Naive: one for all; a scanner built on other tools has seen other names and sizes."""
    everything = {"path": "moved", "size": "0", "uid": "7", "linkpath": "away", "mtime": "1"}
    out = attack.unpack(
        tf.archive(tf.pax_global(everything), tf.entry("a", b"123"), tf.entry("b", b"4"))
    )
    assert sorted(os.listdir(out)) == ["a", "b"]
    assert ((out / "a").read_bytes(), (out / "a").stat().st_uid) == (b"123", 0)


def test_a_tar_inside_a_tar_is_a_file(attack: Attack) -> None:
    """Naive: goes on with the inner one's headers where the outer one's padding begins."""
    inner = tf.archive(tf.entry("inner", b"x"))
    out = attack.unpack(tf.archive(tf.entry("a.tar", inner), tf.entry("outer", b"y")))
    assert sorted(os.listdir(out)) == ["a.tar", "outer"]
    assert (out / "a.tar").read_bytes() == inner


def test_base_256_numbers_are_read(attack: Attack) -> None:
    owner = tf.base256(2_000_000_000, 8)
    out = attack.unpack(
        tf.archive(tf.entry("f", b"12", size=tf.base256(2), uid=owner, mtime=tf.base256(-5)))
    )
    status = (out / "f").stat()
    assert (status.st_size, status.st_uid, status.st_mtime) == (2, 2_000_000_000, -5)
