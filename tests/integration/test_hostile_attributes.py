"""Devices, owners, attributes, whiteouts and times that a layer would mislead with. Each test says
what a naive unpacker would do, and fails when the guard it is about is taken away."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from podrun.errors import MechanismFailed, PodrunError
from podrun.image.types import BadArchive
from podrun.linux.trees import remove_tree
from tests import tarforge as tf
from tests.integration import image_lab as lab
from tests.integration.hostile_lab import Attack


@pytest.fixture
def attack(tmp_path: Path) -> Iterator[Attack]:
    made = Attack(tmp_path)
    yield made
    remove_tree(made.layer)  # pytest's own removal recurses: a deep tree ends it


# Devices and attributes ──────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("major", "minor"),
    [(0, 0), (4096, 0), (0, 1 << 20), (tf.base256(1 << 40, 8), 0), (tf.base256(-1, 8), 0)],
)
def test_a_device_that_means_whiteout_is_refused(
    attack: Attack, major: tf.Field, minor: tf.Field
) -> None:
    """Naive: mknod(2) cuts 4096:0 to 0:0, which hides a lower file without being a whiteout."""
    with pytest.raises(BadArchive, match=r"0/0|impossible device"):
        attack.unpack(tf.archive(tf.entry("x", kind=tf.CHAR, major=major, minor=minor)))


def test_other_devices_are_kept(attack: Attack) -> None:
    """What may be done with them is decided where containers run, by the device cgroup."""
    out = attack.unpack(
        tf.archive(
            tf.entry("c", kind=tf.CHAR, major=4095, minor=(1 << 20) - 1),
            tf.entry("b", kind=tf.BLOCK_DEVICE, major=8, minor=0, mode=0o600),
        )
    )
    number = (out / "c").stat().st_rdev
    assert (os.major(number), os.minor(number)) == (4095, (1 << 20) - 1)
    assert stat.S_ISBLK((out / "b").stat().st_mode)


@pytest.mark.parametrize("key", ["uid", "gid"])
@pytest.mark.parametrize("value", [2**32 - 1, 2**32, -1, 2**70])
def test_an_owner_that_is_none_is_refused(attack: Attack, key: str, value: int) -> None:
    """Naive: chown(-1) leaves the file root's; 2^32 is cut to 0, root, too."""
    field = tf.base256(min(value, 2**60), 8)
    plain = tf.entry("x", uid=field) if key == "uid" else tf.entry("x", gid=field)
    for header in (tf.pax({key: str(value)}) + tf.entry("x"), plain):
        with pytest.raises(BadArchive, match=r"impossible owner|damaged"):
            attack.unpack(tf.archive(header))


def test_attributes_that_steer_overlayfs_or_the_host_are_dropped(attack: Attack) -> None:
    """Naive: trusted.overlay.redirect shows any directory of a lower layer under this name."""
    dropped = {
        "trusted.overlay.redirect": "/etc", "trusted.overlay.metacopy": "",
        "trusted.overlay.opaque": "y", "trusted.overlay.whiteout": "", "trusted.any": "x",
        "trusted.overlay.overlay.opaque": "y", "user.overlay.opaque": "y",
        "user.overlay.redirect": "/etc", "security.selinux": "x", "security.ima": "x",
        "security.evm": "x", "system.nfs4_acl": "x", "btrfs.compression": "zlib",
    }  # fmt: skip
    headers = tf.pax({f"SCHILY.xattr.{key}": value for key, value in dropped.items()})
    kept = tf.pax({"SCHILY.xattr.user.overlays": "yes"})
    out = attack.unpack(tf.archive(headers + tf.folder("d"), headers + tf.entry("f"), kept + tf.entry("k")))  # fmt: skip  # noqa: E501
    assert lab.xattrs(out / "d") == lab.xattrs(out / "f") == {}
    assert lab.xattrs(out / "k") == {"user.overlays": b"yes"}


@pytest.mark.parametrize("length", [20, 24])
def test_capabilities_and_set_user_id_outlive_the_change_of_owner(
    attack: Attack, length: int
) -> None:
    """Naive: chown() or write() after them takes them away again."""
    value = bytes.fromhex("0100000200200000000000000000000000000000")
    if length == 24:  # version 3: of a user namespace whose root is 1000
        value = b"\1\0\0\3" + value[4:] + (1000).to_bytes(4, "little")
    header = tf.pax({"SCHILY.xattr.security.capability": value})
    out = attack.unpack(tf.archive(header + tf.entry("f", b"x" * 3000, mode=0o6755, uid=7, gid=8)))
    assert lab.xattrs(out / "f") == {"security.capability": value}
    status = (out / "f").stat()
    assert (stat.S_IMODE(status.st_mode), status.st_uid, status.st_gid) == (0o6755, 7, 8)


@pytest.mark.parametrize("value", [b"", b"x", bytes(20), bytes(24), b"\xff" * 24])
def test_capabilities_that_are_none_are_refused(attack: Attack, value: bytes) -> None:
    """Naive: drops them silently, and the program does not work."""
    with pytest.raises(MechanismFailed, match="unpack 'f'"):
        headers = tf.pax({"SCHILY.xattr.security.capability": value or b"\0"})
        attack.unpack(tf.archive(headers + tf.entry("f")))


@pytest.mark.parametrize("key", ["user.a\0b", "user.", "user." + "n" * 251])
def test_impossible_names_of_attributes_are_refused(attack: Attack, key: str) -> None:
    """Naive: an exception of the language, not of the program."""
    with pytest.raises(PodrunError, match=r"unpack 'f'|not allowed"):
        attack.unpack(tf.archive(tf.pax({f"SCHILY.xattr.{key}": "x"}) + tf.entry("f")))


def test_nothing_is_inherited_from_a_directory_of_the_layer(attack: Attack) -> None:
    """Naive: a default ACL or the set-group-ID bit of the directory changes each file in it."""
    entries = [(1, 7, 0xFFFFFFFF), (2, 7, 1000), (4, 5, 0xFFFFFFFF), (16, 7, 0xFFFFFFFF), (32, 5, 0xFFFFFFFF)]  # fmt: skip  # noqa: E501
    acl = (2).to_bytes(4, "little") + b"".join(
        tag.to_bytes(2, "little") + rights.to_bytes(2, "little") + who.to_bytes(4, "little")
        for tag, rights, who in entries
    )
    header = tf.pax({"SCHILY.xattr.system.posix_acl_default": acl})
    out = attack.unpack(
        tf.archive(
            header + tf.folder("d", mode=0o2777, gid=5), tf.entry("d/f", mode=0o640),
            tf.folder("d/sub", mode=0o750), tf.entry("d/sub/f", mode=0o604),
            tf.entry("d/fifo", kind=tf.FIFO, mode=0o622), tf.link("d/s", "f"),
        )
    )  # fmt: skip
    assert lab.xattrs(out / "d") == {"system.posix_acl_default": acl}
    wanted = {"d/f": 0o640, "d/sub": 0o750, "d/sub/f": 0o604, "d/fifo": 0o622, "d/s": 0o777}
    for name, mode in wanted.items():
        status = (out / name).lstat()
        assert (stat.S_IMODE(status.st_mode), status.st_gid) == (mode, 0), name
        assert lab.xattrs(out / name) == {}, name


def test_an_entry_that_comes_twice_has_the_attributes_of_the_last(attack: Attack) -> None:
    """Naive: what the first gave the directory stays on it."""
    out = attack.unpack(
        tf.archive(
            tf.pax({"SCHILY.xattr.user.first": "1"}) + tf.folder("d", mode=0o777, uid=5),
            tf.entry("d/f"), tf.folder("d", mode=0o700, mtime=77), tf.entry("d/g"),
        )
    )  # fmt: skip
    status = (out / "d").stat()
    assert (status.st_uid, stat.S_IMODE(status.st_mode), status.st_mtime) == (0, 0o700, 77)
    assert lab.xattrs(out / "d") == {}
    assert sorted(os.listdir(out / "d")) == ["f", "g"]


def test_entries_that_change_their_type(attack: Attack) -> None:
    """Naive: EISDIR, ENOTDIR, or what was below the directory shows through."""
    things = [
        tf.entry("x", b"1"), tf.folder("x"), tf.named("x/below"), tf.link("x", attack.host),
        tf.named("x/new"), tf.entry("x", kind=tf.FIFO), tf.named("y"), tf.hardlink("x", "y"),
        tf.folder("x"), tf.named("x/below"),
        tf.entry("x", kind=tf.CHAR, major=1, minor=3), tf.entry("x", b"last"),
    ]  # fmt: skip
    for end in range(1, len(things) + 1):
        attack.unpack(tf.archive(*things[:end]))
    assert (attack.layer / "x").read_bytes() == b"last"
    assert (attack.layer / "y").stat().st_nlink == 1


# Whiteouts ───────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("name", [".wh.", ".wh..", ".wh...", "d/.wh.", "d/.wh..", "d/.wh..."])
def test_a_whiteout_of_no_name_is_refused(attack: Attack, name: str) -> None:
    """Naive: strips the prefix of ".wh..." and removes "..": the layer's parent."""
    low = attack.lower("low", tf.archive(tf.folder("d"), tf.named("d/x")))
    with pytest.raises(BadArchive, match="hides nothing"):
        attack.unpack(tf.archive(tf.entry(name)), [low])


@pytest.mark.parametrize("name", [".wh.d/x", ".wh./x", ".wh.../host", "d/.wh.x/.wh.y"])
def test_a_whiteout_is_no_directory(attack: Attack, name: str) -> None:
    """Naive: makes ".wh.d" a directory, which other tools then read as a whiteout."""
    with pytest.raises(BadArchive, match="below a whiteout"):
        attack.unpack(tf.archive(tf.named(name)))


def test_book_keeping_of_aufs_is_ignored_with_all_below_it(attack: Attack) -> None:
    """Naive: hides ".wh.plnk", or unpacks what belongs to the builder's file system."""
    out = attack.unpack(
        tf.archive(
            tf.named(".wh..wh.plnk/1.2"), tf.folder(".wh..wh.orph/"), tf.entry(".wh..wh.aufs")
        )
    )
    assert os.listdir(out) == []


def test_a_whiteout_of_a_link_hides_the_link_and_nothing_else(attack: Attack) -> None:
    """Naive: removes what the link leads to."""
    low = attack.lower(
        "low", tf.archive(tf.link("s", attack.host / "secret"), tf.link("d", attack.host))
    )
    whiteouts = [
        tf.entry(".wh.s"),
        tf.entry(".wh.d"),
        tf.folder(".wh.no"),
        tf.link("d/.wh.secret", "x"),
    ]
    out = attack.unpack(tf.archive(*whiteouts[:2]), [low])
    assert lab.is_whiteout(out / "s") and lab.is_whiteout(out / "d")
    assert os.listdir(attack.unpack(tf.archive(*whiteouts[2:]), [low]) / "d") == []


def test_a_whiteout_through_a_link_of_its_layer_stays_inside(attack: Attack) -> None:
    """Naive: removes ROOT/door/secret, which is the host's."""
    low = attack.lower("low", tf.archive(tf.folder("door"), tf.named("door/secret")))
    data = tf.archive(tf.link("door", attack.host), tf.entry("door/.wh.secret"), tf.entry("door/.wh..wh..opq"))  # fmt: skip  # noqa: E501
    attack.unpack(data, [low])


# Times ───────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("253402300799.999999999", None),  # 9999-12-31; ext4 ends in 2446
        ("-9999999999", None),
        ("-0.000000001", -1),
        ("1e5", BadArchive), ("nan", BadArchive), ("1_0", BadArchive), ("٣", BadArchive),
        (str(2**62), BadArchive), ("-" + str(2**63), BadArchive), ("9" * 5000, BadArchive),
    ],
)  # fmt: skip
def test_times_of_any_size(attack: Attack, text: str, seconds: object) -> None:
    """Naive: an overflow that is no error of the archive, or int(str) of 5,000 digits."""
    data = tf.archive(
        tf.pax({"mtime": text}) + tf.entry("f"), tf.pax({"mtime": text}) + tf.folder("d"),
        tf.pax({"mtime": text}) + tf.entry("s", kind=tf.SYMLINK, link="f"),
    )  # fmt: skip
    if seconds is BadArchive:
        with pytest.raises(BadArchive, match=r"damaged pax|impossible time"):
            attack.unpack(data)
        return
    out = attack.unpack(data)
    assert seconds is None or (out / "f").stat().st_mtime_ns == -1
    assert (out / "f").stat().st_mtime_ns == (out / "d").stat().st_mtime_ns
