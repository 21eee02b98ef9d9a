"""The same image unpacked by umoci and mounted by podrun, compared entry by entry."""

from __future__ import annotations

import json
import os
import stat
from pathlib import Path

import pytest

from podrun.image.rootfs import prepare
from podrun.linux import mount
from tests import tarforge as tf
from tests.integration import image_lab as lab
from tests.integration.test_image_rootfs import in_child

# cap_net_raw permitted and effective; the second belongs to a user namespace whose root is 1000
CAPABILITY_2 = bytes.fromhex("0100000200200000000000000000000000000000")
CAPABILITY_3 = bytes.fromhex("0100000300200000000000000000000000000000e8030000")


def xattr(**values: bytes) -> bytes:
    named = {f"SCHILY.xattr.{key.replace('__', '.')}": value for key, value in values.items()}
    return tf.pax(named)


BASE = tf.archive(
    tf.folder("./", mode=0o751, mtime=1_111),
    tf.folder("etc/", mtime=2_222, uid=3, gid=4),
    tf.entry("etc/passwd", b"root:x:0:0::/:/bin/sh\n", uid=1, gid=2, mode=0o640),
    tf.entry("etc/gone", b"soon"),
    tf.pax({"mtime": "1234567890.123456789"}) + tf.entry("etc/nanoseconds", b"x"),
    tf.pax({"mtime": "-86400.5"}) + tf.entry("etc/before-1970"),
    tf.folder("bin/"),
    xattr(security__capability=CAPABILITY_2) + tf.entry("bin/ping", b"\x7fELF", mode=0o755),
    xattr(security__capability=CAPABILITY_3) + tf.entry("bin/ping3", b"\x7fELF", mode=0o755),
    tf.entry("bin/su", b"\x7fELFsu", mode=0o4755, uid=0, gid=5),
    tf.entry("bin/wall", b"\x7fELFwall", mode=0o2755, gid=5),
    tf.entry("bin/one", b"of three", mode=0o755),
    tf.entry("bin/two", kind=tf.HARDLINK, link="bin/one"),
    tf.entry("bin/three", kind=tf.HARDLINK, link="bin/two"),
    tf.link("bin/sh", "su"), tf.link("absolute", "/etc/passwd"),
    tf.link("dangling", "no/such/file"), tf.link("out", "../../../../../../etc"),
    tf.link("goes", "etc"),
    tf.entry("hardlinked-link", kind=tf.HARDLINK, link="dangling"),
    tf.folder("dev/"),
    tf.entry("dev/null", kind=tf.CHAR, mode=0o666, major=1, minor=3),
    tf.entry("dev/loop", kind=tf.BLOCK_DEVICE, mode=0o660, gid=6, major=7, minor=300),
    tf.entry("dev/fifo", kind=tf.FIFO, mode=0o620, uid=9),
    tf.folder("tmp/", mode=0o1777), tf.folder("shared/", mode=0o2775, gid=50),
    tf.entry("shared/file", b"of group 0 in a set-group-ID directory"),
    tf.folder("shared/sub/"),
    tf.folder("opaque/", mtime=3_333), tf.entry("opaque/old", b"1"), tf.folder("opaque/olddir/"),
    tf.folder("deleted/"), tf.entry("deleted/file", b"1"), tf.folder("deleted/again/"),
    tf.entry("becomes-dir", b"file"), tf.folder("becomes-file/"), tf.entry("becomes-file/x", b"x"),
    tf.link("becomes-real", "etc"),
    tf.folder("Case/"), tf.entry("Case/a", b"small"), tf.entry("Case/A", b"large"),
    tf.entry("Case/new\nline", b"1"), tf.entry("Case/\x01\x1b[31m\x7f", b"2"),
    tf.entry(b"Case/\xff\xfe", b"not UTF-8"),
    tf.pax({"path": "Case/Grüße-" + "n" * 200}) + tf.entry("short", b"long name"),
    xattr(user__a=b"\0binary=\n\xff") + tf.entry("Case/attributes", b"3"),
    xattr(user__dir=b"1") + tf.folder("Case/dir/"),
)  # fmt: skip
MIDDLE = tf.archive(
    tf.entry("etc/.wh.gone"), tf.entry(".wh.goes"), tf.entry(".wh.deleted"),
    tf.entry("bin/.wh.sh"), tf.entry("bin/.wh.never-was"),
    tf.folder("opaque/", mode=0o700, mtime=4_444), tf.entry("opaque/.wh..wh..opq"),
    tf.entry("opaque/new", b"2"),
    tf.folder("becomes-dir/"), tf.entry("becomes-dir/x", b"y"),
    tf.entry("becomes-file", b"file"), tf.entry("becomes-real", b"a file, not through the link"),
    tf.entry("copied-up", kind=tf.HARDLINK, link="etc/passwd"),
    tf.folder("Case/dir/", mode=0o711, mtime=5_555),
)  # fmt: skip
TOP = tf.archive(
    tf.folder("deleted/", mode=0o700), tf.entry("deleted/anew", b"3"),
    tf.entry(".wh.opaque"), tf.folder("opaque/"), tf.entry("opaque/third", b"3"),
    tf.entry("etc/gone", b"is back"), tf.entry("etc/late", b"its parent is not listed"),
    tf.folder("quite/"), tf.folder("quite/new/"), tf.entry("quite/new/file", b"x"),
    tf.entry("bin/one", b"alone now"),
)  # fmt: skip


def listing(root: Path) -> dict[str, list[object]]:
    """Everything of each entry, in JSON's terms; names as Python's repr."""
    groups: dict[int, str] = {}
    found: dict[str, list[object]] = {}
    for path in [root, *sorted(root.rglob("*"))]:
        name, status = ascii(str(path.relative_to(root))), path.lstat()
        first = groups.setdefault(status.st_ino, name)
        attributes = {key: value.hex() for key, value in lab.xattrs(path).items()}
        attributes.pop("trusted.overlay.opaque", None)
        content = None
        if stat.S_ISREG(status.st_mode):
            content = path.read_bytes().hex()
        elif stat.S_ISLNK(status.st_mode):
            content = ascii(os.readlink(path))
        found[name] = [
            oct(status.st_mode), status.st_uid, status.st_gid, status.st_rdev, status.st_mtime_ns,
            content, attributes, None if stat.S_ISDIR(status.st_mode) else first,
        ]  # fmt: skip
    return found


def unpacked_by_umoci(tmp_path: Path, layers: list[bytes]) -> Path:
    lab.need("umoci")
    lab.run("umoci", "init", "--layout", tmp_path / "layout")
    image = f"{tmp_path / 'layout'}:tag"
    lab.run("umoci", "new", "--image", image)
    for number, layer in enumerate(layers):
        (tmp_path / f"{number}.tar").write_bytes(layer)
        lab.run("umoci", "raw", "add-layer", "--image", image, tmp_path / f"{number}.tar")
    lab.run("umoci", "unpack", "--image", image, tmp_path / "bundle")
    return tmp_path / "bundle/rootfs"


def mounted_by_podrun(tmp_path: Path) -> dict[str, list[object]]:
    store = lab.new_store(tmp_path / "state")
    [image] = store.load(tmp_path / "layout", "compared")
    lowers = store.lowers(image)
    seen = tmp_path / "seen.json"

    def body() -> None:
        rootfs = prepare(lowers, tmp_path / "attempt/upper", ways=["overlay"])
        (tmp_path / "root").mkdir()
        target = os.open(tmp_path / "root", os.O_PATH)
        mount.attach(rootfs.fd, target)
        seen.write_text(json.dumps(listing(tmp_path / "root")))

    in_child(body)
    found: dict[str, list[object]] = json.loads(seen.read_text())
    return found


@pytest.mark.parametrize("layers", [[BASE], [BASE, MIDDLE], [BASE, MIDDLE, TOP]])
def test_podrun_shows_what_umoci_unpacks(tmp_path: Path, layers: list[bytes]) -> None:
    theirs = listing(unpacked_by_umoci(tmp_path, layers))
    ours = mounted_by_podrun(tmp_path)
    assert ours.keys() == theirs.keys()
    different = {name: (ours[name], theirs[name]) for name in ours if ours[name] != theirs[name]}
    assert different == {}
