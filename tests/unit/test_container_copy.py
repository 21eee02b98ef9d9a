"""Copying between two roots: what goes where, and what a hostile tree cannot make it do."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from podrun.container import copyfile
from podrun.container.copy import copy
from podrun.container.copyfile import Owner, transfer
from podrun.container.place import Place
from podrun.errors import MechanismFailed, PodrunError


class Lab:
    """``inside`` and ``outside`` are the roots of two places; ``secret`` lies in neither."""

    def __init__(self, path: Path) -> None:
        self.inside, self.outside, self.secret = path / "in", path / "out", path / "secret"
        for each in (self.inside, self.outside, self.secret):
            each.mkdir()
        (self.secret / "key").write_text("secret")
        self.notes: list[str] = []
        self._owner = Owner(os.geteuid(), os.getegid())
        self._fds = [os.open(each, os.O_PATH) for each in (self.inside, self.outside)]

    def place(self, number: int) -> Place:
        label = "web:" if number == 0 else ""
        return Place(self._fds[number], "/", self._owner, label, frozenset())

    def take(self, source: str, target: str) -> None:
        copy((self.place(0), source), (self.place(1), target), self.notes.append, merge=True)

    def give(self, source: str, target: str) -> None:
        copy((self.place(1), source), (self.place(0), target), self.notes.append)

    def close(self) -> None:
        for fd in self._fds:
            os.close(fd)


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[Lab]:
    found = Lab(tmp_path)
    yield found
    found.close()


def tree(root: Path) -> dict[str, str]:
    """Path → contents, "/" of a directory, "-> target" of a link."""
    found = {}
    for path in sorted(root.rglob("*")):
        if path.is_symlink():
            text = f"-> {path.readlink()}"
        else:
            text = "/" if path.is_dir() else path.read_text()
        found[str(path.relative_to(root))] = text
    return found


# ── what goes where ─────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("target", "where"),
    [("/new", "new"), ("/dir", "dir/f"), ("/dir/", "dir/f"), ("dir/x", "dir/x")],
)
def test_a_file(lab: Lab, target: str, where: str) -> None:
    for root, copies in ((lab.outside, lab.give), (lab.inside, lab.take)):
        (root / "f").write_text("data")
        (lab.inside / "dir").mkdir(exist_ok=True)
        (lab.outside / "dir").mkdir(exist_ok=True)
        copies("/f", target)
    assert (lab.inside / where).read_text() == "data" == (lab.outside / where).read_text()


def test_a_directory_goes_under_its_name_into_one_that_is_there(lab: Lab) -> None:
    (lab.outside / "d" / "e").mkdir(parents=True)
    (lab.outside / "d" / "f").write_text("1")
    lab.give("/d", "/new")
    lab.give("/d", "/new")
    assert tree(lab.inside) == {
        "new": "/", "new/e": "/", "new/f": "1", "new/d": "/", "new/d/e": "/", "new/d/f": "1",
    }  # fmt: skip


def test_only_its_contents_go_when_it_ends_in_a_dot_or_comes_out(lab: Lab) -> None:
    for root in (lab.outside, lab.inside):
        (root / "d").mkdir()
        (root / "d" / root.name).write_text("1")
        (root / "there").mkdir()
    lab.give("/d/.", "/there")
    lab.take("/d", "there")
    assert tree(lab.inside / "there") == {"out": "1"}
    assert tree(lab.outside / "there") == {"in": "1"}


def test_modes_times_and_links(lab: Lab) -> None:
    (lab.outside / "d").mkdir()
    (lab.outside / "d" / "run").write_text("#!")
    (lab.outside / "d" / "run").chmod(0o4751)
    (lab.outside / "d" / "link").symlink_to("/absolute/nowhere")
    (lab.outside / "d" / "\udcff\n").write_text("odd")
    os.utime(lab.outside / "d" / "run", ns=(10**18, 10**18 + 7))
    (lab.outside / "d").chmod(0o1570)
    os.utime(lab.outside / "d", ns=(10**18, 10**18 + 9))
    lab.give("/d", "/d")
    for name, mode, time in (("d", 0o1570, 9), ("d/run", 0o751, 7)):
        looks = (lab.inside / name).stat()
        assert stat.S_IMODE(looks.st_mode) == mode
        assert looks.st_mtime_ns == 10**18 + time
    assert os.readlink(lab.inside / "d" / "link") == "/absolute/nowhere"
    assert (lab.inside / "d" / "\udcff\n").read_text() == "odd"
    for root in (lab.inside, lab.outside):
        (root / "d").chmod(0o700)


def test_what_was_there_is_replaced_not_opened(lab: Lab) -> None:
    (lab.outside / "f").write_text("new")
    os.mkfifo(lab.inside / "fifo")
    (lab.inside / "link").symlink_to("other")
    (lab.inside / "other").write_text("old")
    for name in ("fifo", "link"):
        lab.give("/f", f"/{name}")
        assert not (lab.inside / name).is_symlink() and (lab.inside / name).read_text() == "new"
    assert (lab.inside / "other").read_text() == "old"


def test_sockets_fifos_and_devices_are_left_out(lab: Lab) -> None:
    (lab.inside / "d").mkdir()
    os.mkfifo(lab.inside / "d" / "fifo")
    os.mkfifo(lab.inside / "d" / "\x1b[2J")
    with contextlib.chdir(lab.inside / "d"), socket.socket(socket.AF_UNIX) as server:
        server.bind("socket")
    (lab.inside / "d" / "f").write_text("1")
    lab.take("/d", "/d")
    assert tree(lab.outside) == {"d": "/", "d/f": "1"}
    assert lab.notes == [
        "skipped web:/d/\\x1b[2J: a FIFO",
        "skipped web:/d/fifo: a FIFO",
        "skipped web:/d/socket: a socket",
    ]
    with pytest.raises(PodrunError, match="neither a file nor a directory"):
        lab.take("/d/fifo", "/x")


@pytest.mark.parametrize(
    ("source", "target", "text"),
    [
        ("/none", "/x", "read /none: No such file"),
        ("/f", "/none/x", "write web:/none/x: No such file"),
        ("/f", "/none/", "write web:/none/: No such file"),
        ("/f", "/file/", "write web:/file/: Not a directory"),
        ("/f", "/file/x", "write web:/file/x: Not a directory"),
        ("/d", "/file", "make the directory web:/file: Not a directory"),
        ("/dangling", "/x", "read /dangling: No such file"),
        ("/loop", "/x", "read /loop: Too many levels"),
        ("/f", "/over/", "copy /f to web:/over/f: Is a directory"),
    ],
)
def test_wrong_paths(lab: Lab, source: str, target: str, text: str) -> None:
    (lab.outside / "f").write_text("1")
    (lab.outside / "d").mkdir()
    (lab.outside / "dangling").symlink_to("/nowhere")
    (lab.outside / "loop").symlink_to("loop")
    (lab.inside / "file").write_text("old")
    (lab.inside / "over" / "f").mkdir(parents=True)
    with pytest.raises(MechanismFailed, match=text):
        lab.give(source, target)
    assert tree(lab.inside) == {"file": "old", "over": "/", "over/f": "/"}


# ── hostile trees ───────────────────────────────────────────────────────────────────────────────


def test_named_links_end_at_the_root(lab: Lab) -> None:
    (lab.inside / "etc").mkdir()
    (lab.inside / "etc" / "key").write_text("own")
    (lab.inside / "absolute").symlink_to("/etc")
    (lab.inside / "up").symlink_to("../../../../etc")
    (lab.inside / "host").symlink_to(lab.secret)
    for name in ("absolute", "up"):
        lab.take(f"/{name}/key", f"/{name}")
        assert (lab.outside / name).read_text() == "own"
    lab.take("/../../etc/key", "/dots")
    assert (lab.outside / "dots").read_text() == "own"
    with pytest.raises(MechanismFailed):
        lab.take("/host/key", "/x")
    (lab.outside / "f").write_text("new")
    lab.give("/f", "/up/f")
    assert (lab.inside / "etc" / "f").read_text() == "new"
    with pytest.raises(MechanismFailed):
        lab.give("/f", "/host/f")
    assert tree(lab.secret) == {"key": "secret"}


def test_links_of_an_earlier_copy_are_not_followed(lab: Lab) -> None:
    """First a link comes out, then a directory of that name with something in it."""
    (lab.inside / "d").mkdir()
    (lab.inside / "d" / "sub").symlink_to(lab.secret)
    lab.take("/d", "/d")
    (lab.inside / "d" / "sub").unlink()
    (lab.inside / "d" / "sub").mkdir()
    (lab.inside / "d" / "sub" / "key").write_text("hostile")
    with pytest.raises(MechanismFailed, match="make the directory /d/sub") as caught:
        lab.take("/d", "/d")
    assert caught.value.hint
    assert tree(lab.secret) == {"key": "secret"}


def test_a_tree_without_end(lab: Lab) -> None:
    fd = os.open(lab.inside, os.O_RDONLY)
    for _ in range(1500):
        os.mkdir("d", dir_fd=fd)
        below = os.open("d", os.O_RDONLY, dir_fd=fd)
        os.close(fd)
        fd = below
    os.close(fd)
    with pytest.raises(PodrunError, match="more than 200 levels deep"):
        lab.take("/d", "/d")
    for root in (lab.inside, lab.outside):
        subprocess.run(["rm", "-rf", root / "d"], check=True)


def test_a_directory_into_itself(lab: Lab) -> None:
    (lab.inside / "d").mkdir()
    (lab.inside / "d" / "f").write_text("1")
    places = lab.place(0), lab.place(0)
    copy((places[0], "/d"), (places[1], "/d"), lab.notes.append)
    assert tree(lab.inside) == {"d": "/", "d/f": "1", "d/d": "/", "d/d/f": "1"}
    assert lab.notes == ["skipped web:/d/d: made by this very copy"]


RACER = """
import ctypes, os, sys
os.chdir(sys.argv[1])
exchange = lambda a, b: ctypes.CDLL(None).renameat2(-100, a, -100, b, 2)
print("racing", flush=True)
while True:
    exchange(b"d", b"link")
    exchange(b"f", b"flink")
"""


@contextlib.contextmanager
def racing(directory: Path, secret: Path) -> Iterator[None]:
    """A directory and a file that change places with links out of the root, all the time."""
    (directory / "d").mkdir(parents=True)
    (directory / "d" / "key").write_text("own")
    (directory / "f").write_text("own")
    (directory / "link").symlink_to(secret)
    (directory / "flink").symlink_to(secret / "key")
    command = [sys.executable, "-c", RACER, str(directory)]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None and process.stdout.readline()
        try:
            yield
        finally:
            process.kill()


def test_racing_links_read_nothing_outside(lab: Lab) -> None:
    with racing(lab.inside / "r", lab.secret):
        for number in range(100):
            with contextlib.suppress(MechanismFailed):
                lab.take("/r", f"/{number}")
    read = {text for text in tree(lab.outside).values() if not text.startswith(("->", "/"))}
    assert read == {"own"}


def test_racing_links_write_nothing_outside(lab: Lab) -> None:
    (lab.outside / "new" / "d").mkdir(parents=True)
    (lab.outside / "new" / "d" / "key").write_text("written")
    (lab.outside / "new" / "f").write_text("written")
    with racing(lab.inside / "r", lab.secret):
        for _ in range(100):
            for source, target in (("/new/.", "/r"), ("/new/f", "/r/link/x"), ("/new/f", "/r/f")):
                with contextlib.suppress(MechanismFailed):
                    lab.give(source, target)
    assert tree(lab.secret) == {"key": "secret"}


# ── bytes ───────────────────────────────────────────────────────────────────────────────────────


def transferred(source: Path, target: Path) -> bytes:
    with source.open("rb") as data, target.open("wb") as copied:
        transfer(data.fileno(), copied.fileno())
    return target.read_bytes()


def test_bytes(tmp_path: Path) -> None:
    source = tmp_path / "source"
    for data in (b"", b"x", os.urandom(3_000_000)):
        source.write_bytes(data)
        assert transferred(source, tmp_path / "target") == data


def test_holes_stay_holes(tmp_path: Path) -> None:
    source, target = tmp_path / "source", tmp_path / "target"
    with source.open("wb") as file:
        file.seek(1 << 30)
        file.write(b"in the middle")
        file.truncate(1 << 40)
    with source.open("rb") as data, target.open("wb") as copied:
        transfer(data.fileno(), copied.fileno())
    assert target.stat().st_size == 1 << 40
    assert target.stat().st_blocks * 512 < 1 << 20
    with target.open("rb") as file:
        file.seek(1 << 30)
        assert file.read(20) == b"in the middle" + bytes(7)


def test_the_kernels_files(tmp_path: Path) -> None:
    assert transferred(Path("/proc/version"), tmp_path / "a") == Path("/proc/version").read_bytes()
    sized = Path("/sys/kernel/mm/transparent_hugepage/enabled")  # says 4096, has fewer
    if sized.exists():
        assert transferred(sized, tmp_path / "b") == sized.read_bytes()


def test_a_file_that_cannot_be_written_leaves_no_trace(
    lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(source: int, target: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("podrun.container.copyfile.transfer", full)
    (lab.outside / "f").write_text("1")
    with pytest.raises(MechanismFailed, match="copy /f to web:/f: No space left"):
        lab.give("/f", "/f")
    assert tree(lab.inside) == {}


# ── killed in the middle ────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("nameless", [True, False])
def test_a_copy_that_is_killed_leaves_nothing_for_long(
    lab: Lab, monkeypatch: pytest.MonkeyPatch, nameless: bool
) -> None:
    if not nameless:  # as on a file system without O_TMPFILE
        monkeypatch.setattr(os, "O_TMPFILE", os.O_TMPFILE & ~os.O_DIRECTORY)  # EINVAL
    (lab.outside / "f").write_text("data")
    (lab.inside / "f").write_text("old")
    child = os.fork()
    if child == 0:

        def die(source: int, target: int) -> None:
            os.pwrite(target, b"da", 0)
            os.kill(os.getpid(), signal.SIGKILL)

        copyfile.transfer = die
        lab.give("/f", "/f")
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -signal.SIGKILL
    left = [path.name for path in lab.inside.iterdir() if path.name != "f"]
    assert len(left) == (0 if nameless else 1)
    assert (lab.inside / "f").read_text() == "old"
    lab.give("/f", "/f")
    assert tree(lab.inside) == {"f": "data"}


def test_only_what_dead_copies_left_is_swept(lab: Lab) -> None:
    child = os.fork()
    if child == 0:
        os._exit(0)
    os.waitpid(child, 0)
    (lab.outside / "d").mkdir()
    (lab.inside / "d").mkdir()
    hexadecimal = 12 * "a"
    stale, ours = f".podrun-cp-{child}-{hexadecimal}", f".podrun-cp-{os.getpid()}-{hexadecimal}"
    for name in (stale, ours, ".podrun-cp-notes", f".podrun-cp-{child}-x"):
        (lab.inside / "d" / name).write_text("")
    lab.give("/d/.", "/d")
    kept = {ours, ".podrun-cp-notes", f".podrun-cp-{child}-x"}
    assert {path.name for path in (lab.inside / "d").iterdir()} == kept
