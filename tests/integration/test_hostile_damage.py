"""Archives that are cut, changed or random: refused, or harmless."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from podrun.errors import PodrunError
from podrun.image.tree import Directory, Parts, Tree
from podrun.image.types import BadArchive
from podrun.image.unpack import unpack
from podrun.linux.trees import remove_tree
from tests import tarforge as tf
from tests.integration import image_lab as lab
from tests.integration.hostile_lab import REFUSED, Attack, is_empty, sparse_of


@pytest.fixture
def attack(tmp_path: Path) -> Iterator[Attack]:
    made = Attack(tmp_path)
    yield made
    remove_tree(made.layer)


RICH = tf.archive(
    tf.folder("./"), tf.folder("d/"), tf.entry("d/f", b"content" * 100, mode=0o4755),
    tf.pax({"path": "d/" + "n" * 150, "mtime": "5.5", "SCHILY.xattr.user.a": "b"}) + tf.entry(),
    tf.extension(b"L", b"d/" + b"l" * 150) + tf.entry("short", b"x" * 600),
    tf.link("s", "../../host"), tf.entry("s/secret", b"x"), tf.hardlink("h", "d/f"),
    tf.entry("c", kind=tf.CHAR, major=1, minor=3), *sparse_of(1 << 20).values(),
    tf.entry(".wh.x"), tf.entry("d/.wh..wh..opq"), tf.entry("last", b"1"),
)  # fmt: skip


def test_cut_at_every_block_it_is_refused_or_a_beginning(attack: Attack) -> None:
    """Naive: takes what there is for the whole layer."""
    whole = len(RICH) - len(tf.END)
    for cut in range(0, whole, 512):
        for rest in (0, 1, 511):
            attack.layer.mkdir(exist_ok=True)
            with pytest.raises(BadArchive, match=r"truncated|empty|not a tar"):
                unpack(io.BytesIO(RICH[: cut + rest]), attack.layer, need_end=True)
            attack.check()
            remove_tree(attack.layer)


BYTES = st.lists(
    st.tuples(st.integers(0, len(RICH) - 1), st.integers(0, 255)), min_size=1, max_size=12
)


@given(changes=BYTES, honest=st.booleans())
@settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_changed_bytes_are_refused_or_harmless(
    attack: Attack, changes: list[tuple[int, int]], honest: bool
) -> None:
    """``honest``: with checksums that fit, so that the damage gets as far as it can."""
    data = bytearray(RICH)
    for at, value in changes:
        data[at] = value
    if honest:
        for at in {at // 512 * 512 for at, _ in changes}:
            if data[at + 257 : at + 262] == b"ustar":
                data[at : at + 512] = tf.checked(bytes(data[at : at + 512]))
    attack.tries(bytes(data))


@given(data=st.binary(max_size=3000))
@settings(
    max_examples=50, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_random_bytes_are_refused(attack: Attack, data: bytes) -> None:
    for start in (b"", b"\x1f\x8b\x08\0", b"\x28\xb5\x2f\xfd", b"\x50\x2a\x4d\x18", b"BZh9"):
        store = lab.new_store(attack.layer)
        try:
            store.import_rootfs(io.BytesIO(start + data), "x")
        except REFUSED:
            assert is_empty(store)
        remove_tree(attack.layer)


NAMES = st.sampled_from(["a", "b", "a/a", "a/b", "b/a", "a/b/a", "s", "s/a", "a/s", "a/s/b", "./"])
TARGETS = st.sampled_from(["a", "/", "..", "../host", "a/b", "s", "../../host/empty", "/a/s", "."])
ENTRIES = st.lists(
    st.one_of(
        st.builds(tf.named, NAMES),
        st.builds(tf.folder, NAMES, mtime=st.integers(1, 9), mode=st.just(0o755)),
        st.builds(tf.link, NAMES, TARGETS),
        st.builds(tf.hardlink, NAMES, TARGETS),
        st.builds(lambda name: tf.entry(f"{name}/.wh.a"), NAMES),
        st.builds(lambda name: tf.entry(f"{name}/.wh..wh..opq"), NAMES),
        st.builds(lambda name: tf.entry(name, kind=tf.FIFO), NAMES),
    ),
    max_size=12,
)


@given(entries=ENTRIES)
@settings(
    max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_any_order_of_entries_stays_inside_and_open_directories_change_nothing(
    attack: Attack, entries: list[bytes]
) -> None:
    """Directories are kept open from one entry to the next; opened anew for each, they give the
    same tree, times included (but for those of unlisted directories, which are of now)."""
    found = []
    low = attack.directory / "low"
    if not low.exists():
        below = (tf.folder("a", mtime=11), tf.folder("a/a", mtime=12), tf.named("b"))
        attack.lower("low", tf.archive(*below))
    for anew in (False, True):
        with pytest.MonkeyPatch.context() as patch:
            if anew:
                patch.setattr(Tree, "directory", _forgetting(Tree.directory))
            try:
                attack.unpack(tf.archive(*entries), [low])
            except REFUSED as error:
                assert isinstance(error, PodrunError)
                found.append(str(error))
            else:
                found.append(str(_tree_of(attack.layer)))
    assert found[0] == found[1]


def _forgetting(directory: Callable[[Tree, Parts], Directory]) -> object:
    def forgets(tree: Tree, parts: Parts) -> Directory:
        tree._leave_all()
        return directory(tree, parts)

    return forgets


def _tree_of(root: Path) -> object:
    found = []
    for name, known in lab.tree(root).items():
        assert isinstance(known[4], int)
        found.append((name, known[:4], known[4] if known[4] < 10**15 else "now", known[5:]))
    return found
