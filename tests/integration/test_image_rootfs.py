"""Root file systems really mounted, in a mount namespace of a child's own."""

from __future__ import annotations

import io
import os
import stat
import traceback
from collections.abc import Callable
from pathlib import Path

import pytest

from podrun.errors import Unavailable
from podrun.image import host, overlay
from podrun.image.rootfs import How, RootFs, discard, prepare
from podrun.linux import mount, namespace
from tests.integration import image_lab as lab
from tests.integration.image_lab import directory, member, unpacked

WAYS: list[How] = ["overlay", "tmpfs", "copy"]


def in_child(body: Callable[[], None]) -> None:
    """Run ``body`` in a child with a private mount namespace; its failures are ours."""
    reader, writer = os.pipe()
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            namespace.unshare(namespace.CLONE_NEWNS)
            mount.mount("none", "/", "", mount.MS_REC | mount.MS_PRIVATE)
            body()
            code = 0
        except BaseException:
            os.write(writer, traceback.format_exc().encode()[-60_000:])
        finally:
            os._exit(code)
    os.close(writer)
    with open(reader) as pipe:
        said = pipe.read()
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0, said


def mounted(rootfs: RootFs, at: Path) -> Path:
    at.mkdir(exist_ok=True)
    target = os.open(at, os.O_PATH | os.O_DIRECTORY)
    mount.attach(rootfs.fd, target, str(at))
    os.close(target)
    os.close(rootfs.fd)
    return at


@pytest.fixture
def layers(tmp_path: Path) -> list[Path]:
    """Three layers, topmost first; the merged tree is what ``check`` says."""
    low = unpacked(
        tmp_path / "low", directory("./", mode=0o751, uid=5), directory("d"),
        member("d/gone", b"1"), member("d/stays", b"2"), directory("opaque/x"),
        member("opaque/x/y", b"3"), member("replaced", b"4"), directory("dir"), member("dir/f"),
    )  # fmt: skip
    mid = unpacked(
        tmp_path / "mid", member("d/.wh.gone"), member("opaque/.wh..wh..opq"),
        member("opaque/new", b"5"), member("replaced", b"new", mode=0o4711, uid=9), lowers=[low],
    )  # fmt: skip
    top = unpacked(
        tmp_path / "top", member(".wh.dir"), member("dir2/.wh.x"), lowers=[mid, low]
    )  # fmt: skip
    return [top, mid, low]


def check(root: Path) -> None:
    assert sorted(os.listdir(root)) == ["d", "dir2", "opaque", "replaced"]
    assert os.listdir(root / "d") == ["stays"]
    assert os.listdir(root / "opaque") == ["new"]
    assert os.listdir(root / "dir2") == []
    assert (root / "replaced").read_bytes() == b"new"
    status = (root / "replaced").stat()
    assert (status.st_uid, stat.S_IMODE(status.st_mode)) == (9, 0o4711)
    assert (root.stat().st_uid, stat.S_IMODE(root.stat().st_mode)) == (5, 0o751)


@pytest.mark.parametrize("how", WAYS)
def test_whiteouts_really_hide_and_writes_stay_above(
    tmp_path: Path, layers: list[Path], how: How
) -> None:
    upper = tmp_path / "attempt/upper"
    before = [lab.tree(layer) for layer in layers]

    def body() -> None:
        rootfs = prepare(layers, upper, ways=[how])
        assert rootfs.how == how
        assert bool(rootfs.note) == (how != "overlay")
        root = mounted(rootfs, tmp_path / "root")
        check(root)
        (root / "d/stays").write_bytes(b"changed")
        (root / "replaced").unlink()
        (root / "fresh").mkdir()

    in_child(body)
    assert [lab.tree(layer) for layer in layers] == before
    discard(upper)
    discard(upper)
    assert os.listdir(upper.parent) == []


def test_the_way_of_old_kernels_gives_the_same(tmp_path: Path, layers: list[Path]) -> None:
    def body() -> None:
        upper, work = tmp_path / "a/upper", tmp_path / "a/work"
        upper.mkdir(parents=True)
        work.mkdir()
        os.chdir(tmp_path)
        inode = namespace.inode("self", "mnt")
        fd = overlay.mount_by_namespace(layers, upper, work)
        assert namespace.inode("self", "mnt") == inode
        assert Path.cwd() == tmp_path
        assert os.listdir(work) == ["work"]
        assert not os.path.ismount(upper.parent)
        os.chown(upper, 5, 0)
        upper.chmod(0o751)
        check(mounted(RootFs(fd, "overlay"), tmp_path / "root"))

    in_child(body)


def test_a_kernel_without_lowerdir_plus_mounts_the_old_way(
    tmp_path: Path, layers: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before 6.5 the unknown option is noticed only when the mount is created."""
    real = mount.fsconfig_string

    def old(fs_fd: int, key: str, value: str) -> None:
        if key != "lowerdir+":
            real(fs_fd, key, value)

    monkeypatch.setattr(mount, "fsconfig_string", old)

    def body() -> None:
        rootfs = prepare(layers, tmp_path / "a/upper")
        assert rootfs.how == "overlay"
        check(mounted(rootfs, tmp_path / "root"))

    in_child(body)


@pytest.mark.parametrize("old_kernel", [False, True])
def test_127_layers(tmp_path: Path, old_kernel: bool) -> None:
    deep = tmp_path / "a name: with, odd\\characters "
    deep.mkdir()
    lowers = []
    for number in range(127):
        layer = deep / f"{number:064d}"
        layer.mkdir()
        (layer / f"f{number}").touch()
        lowers.append(layer)
    upper, work = deep / "upper", deep / "work"

    def body() -> None:
        if old_kernel:
            upper.mkdir()
            work.mkdir()
            fd = overlay.mount_by_namespace(lowers, upper, work)
        else:
            fd = prepare(lowers, upper, ways=["overlay"]).fd
        assert len(os.listdir(f"/proc/self/fd/{fd}")) == 127
        os.close(fd)

    in_child(body)


def test_long_paths_are_named_by_descriptor(tmp_path: Path, layers: list[Path]) -> None:
    deep = tmp_path / "x" / ("d" * 200) / ("e" * 200)
    deep.mkdir(parents=True)
    in_child(
        lambda: check(mounted(prepare(layers, deep / "upper", ways=["overlay"]), tmp_path / "root"))
    )


def test_where_the_state_lies_on_overlayfs_the_upper_layer_is_in_memory(
    tmp_path: Path, layers: list[Path]
) -> None:
    def body() -> None:
        below = mounted(prepare(layers, tmp_path / "one/upper"), tmp_path / "state")
        rootfs = prepare(layers, below / "attempt/upper")
        assert rootfs.how == "tmpfs"
        assert str(below / "attempt") in rootfs.note
        root = mounted(rootfs, tmp_path / "root")
        check(root)
        (root / "fresh").write_text("in memory")
        assert os.listdir(below / "attempt/upper") == []
        discard(below / "attempt/upper")

    in_child(body)


def test_readonly(tmp_path: Path, layers: list[Path]) -> None:
    def body() -> None:
        root = mounted(prepare(layers, tmp_path / "a/upper", readonly=True), tmp_path / "root")
        with pytest.raises(OSError, match="Read-only"):
            (root / "x").touch()

    in_child(body)


def test_the_host_is_below_and_stays_as_it_is(tmp_path: Path) -> None:
    upper = tmp_path / "attempt/upper"
    word = f"podrun-test-{os.getpid()}"

    def body() -> None:
        root = mounted(prepare([host.ROOT], upper), tmp_path / "root")
        assert (root / "etc/passwd").read_bytes() == Path("/etc/passwd").read_bytes()
        (root / "etc" / word).write_text("above")

    in_child(body)
    assert (upper / "etc" / word).read_text() == "above"
    assert not Path("/etc", word).exists()


def test_the_host_is_never_copied(tmp_path: Path) -> None:
    with pytest.raises(Unavailable, match="never copied"):
        prepare([host.ROOT], tmp_path / "attempt/upper", ways=["copy"])


def test_nothing_works_and_the_message_says_what_to_do(tmp_path: Path, layers: list[Path]) -> None:
    def body() -> None:
        below = mounted(prepare(layers, tmp_path / "one/upper"), tmp_path / "state")
        with pytest.raises(Unavailable) as caught:
            prepare(layers, below / "attempt/upper", ways=["overlay"])
        assert "overlay: Invalid argument" in caught.value.message
        assert "stateRoot" in caught.value.hint

    in_child(body)


def test_a_prepared_root_file_system_may_be_prepared_again(
    tmp_path: Path, layers: list[Path]
) -> None:
    upper = tmp_path / "attempt/upper"

    def body() -> None:
        first = mounted(prepare(layers, upper), tmp_path / "root")
        (first / "written").touch()

    in_child(body)
    in_child(lambda: (mounted(prepare(layers, upper), tmp_path / "root") / "written").unlink())


def test_a_copy_killed_half_way_is_begun_anew(tmp_path: Path, layers: list[Path]) -> None:
    partial = tmp_path / "attempt/copy.partial"
    partial.mkdir(parents=True)
    (partial / "half").touch()
    rootfs = prepare(layers, tmp_path / "attempt/upper", ways=["copy"])
    check(Path(f"/proc/self/fd/{rootfs.fd}"))
    os.close(rootfs.fd)
    assert os.listdir(tmp_path / "attempt") == ["copy"]


def test_a_copy_keeps_everything(tmp_path: Path) -> None:
    source = lab.rootfs_tree(tmp_path / "source")
    rootfs = prepare([source], tmp_path / "attempt/upper", ways=["copy"])
    os.close(rootfs.fd)
    assert lab.tree(tmp_path / "attempt/copy") == lab.tree(source)


def test_an_opaque_root_ends_the_stack(tmp_path: Path) -> None:
    """overlayfs itself does not look at the mark on a layer's root: the store cuts there."""
    store = lab.new_store(tmp_path / "state")
    documents = [
        lab.tar_of(member("old", b"1")),
        lab.tar_of(member(".wh..wh..opq"), member("new", b"2")),
    ]
    archive = tmp_path / "docker.tar"
    archive.write_bytes(_docker_archive(documents))
    [image] = store.load(archive)
    lowers = store.lowers(image)
    assert [os.listdir(layer) for layer in lowers] == [["new"]]


def _docker_archive(layers: list[bytes]) -> bytes:
    import hashlib
    import json

    digests = ["sha256:" + hashlib.sha256(layer).hexdigest() for layer in layers]
    config = {
        "architecture": "", "os": "linux", "config": None,
        "rootfs": {"type": "layers", "diff_ids": digests},
    }  # fmt: skip
    names = [f"layer{n}.tar" for n in range(len(layers))]
    manifest = [{"Config": "config.json", "RepoTags": None, "Layers": names}]
    return lab.tar_of(
        *(member(name, data) for name, data in zip(names, layers, strict=True)),
        member("config.json", json.dumps(config).encode()),
        member("manifest.json", json.dumps(manifest).encode()),
    )


def test_an_image_of_three_layers_is_merged_by_the_kernel(tmp_path: Path) -> None:
    store = lab.new_store(tmp_path / "state")
    steps = [
        lab.tar_of(directory("a"), member("a/one", b"1"), member("a/two", b"2")),
        lab.tar_of(member("a/.wh.one"), member("b", b"3")),
        lab.tar_of(member("a/one", b"again")),
    ]
    [image] = store.load(io.BytesIO(_docker_archive(steps)), "three")

    def body() -> None:
        root = mounted(prepare(store.lowers(image), tmp_path / "a/upper"), tmp_path / "root")
        assert sorted(os.listdir(root)) == ["a", "b"]
        assert sorted(os.listdir(root / "a")) == ["one", "two"]
        assert (root / "a/one").read_bytes() == b"again"

    in_child(body)
