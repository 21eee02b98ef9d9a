"""The monitor's log: the CRI format byte by byte, rotation, and what a full disk costs."""

from __future__ import annotations

import contextlib
import fcntl
import gzip
import os
import random
import re
import sys
import termios
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from podrun.linux import mount, namespace
from tests.integration.monitor_harness import Entry, entries, joined, monitor
from tests.node import wait_until

LINE_MAX = 16384
ROTATED = re.compile(r"0\.log\.\d{8}-\d{6}(-\d{4,})?(\.gz)?")


def logged(binary: Path, root: Path, code: str, data: bytes = b"") -> list[Entry]:
    """What a Python program, with ``data`` and ``write(fd, bytes)`` at hand, leaves in the log."""
    root.mkdir(exist_ok=True)
    source = root / "data"
    source.write_bytes(data)
    program = f"""
import os
data = open({str(source)!r}, "rb").read()
def write(fd, data):
    while data:
        data = data[os.write(fd, data):]
{code}
"""
    with monitor(binary, root, [sys.executable, "-ISc", program]) as m:
        assert m.wait()["droppedLines"] == 0
        return m.entries()


def of(found: list[Entry]) -> list[tuple[str, str, bytes]]:
    return [(entry.stream, entry.tag, entry.content) for entry in found]


# ── the format ───────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"", []),
        (b"\n", [("F", b"")]),
        (b"one\ntwo\n", [("F", b"one"), ("F", b"two")]),
        (b"one\r\ntwo\n", [("F", b"one"), ("F", b"two")]),
        (b"a\rb\r\r\n\r\n", [("F", b"a\rb\r"), ("F", b"")]),
        (b"no end", [("P", b"no end")]),
        (b"no end\r", [("P", b"no end\r")]),
        (b"\x00\xff\xfe\x1b[0m\n", [("F", b"\x00\xff\xfe\x1b[0m")]),
        (b"x" * LINE_MAX + b"\n", [("F", b"x" * LINE_MAX)]),
        (b"x" * LINE_MAX + b"\r\n", [("F", b"x" * LINE_MAX)]),
        (b"x" * LINE_MAX + b"y\n", [("P", b"x" * LINE_MAX), ("F", b"y")]),
        (b"x" * LINE_MAX + b"yz\r\n", [("P", b"x" * LINE_MAX), ("F", b"yz")]),
        (b"x" * LINE_MAX + b"y", [("P", b"x" * LINE_MAX), ("P", b"y")]),
        (b"x" * (3 * LINE_MAX) + b"\n", [*[("P", b"x" * LINE_MAX)] * 2, ("F", b"x" * LINE_MAX)]),
    ],
    ids=range(14),
)
def test_lines(
    binary: Path, tmp_path: Path, data: bytes, expected: list[tuple[str, bytes]]
) -> None:
    for piece in (1 << 20, 4096, 1000):
        code = f"for i in range(0, len(data), {piece}): write(1, data[i:i+{piece}])"
        found = of(logged(binary, tmp_path / str(piece), code, data))
        assert found == [("stdout", tag, content) for tag, content in expected], piece


def test_a_line_that_comes_byte_by_byte(binary: Path, tmp_path: Path) -> None:
    code = "for byte in data: os.write(2, bytes([byte]))"
    found = of(logged(binary, tmp_path, code, b"slowly\r\nbut surely\n"))
    assert found == [("stderr", "F", b"slowly"), ("stderr", "F", b"but surely")]


def test_two_streams_do_not_mix(binary: Path, tmp_path: Path) -> None:
    code = """
for i in range(200):
    write(1, b"out %d, fir" % i); write(2, b"err %d, fir" % i)
    write(2, b"st half\\n"); write(1, b"st half\\n")
"""
    found = logged(binary, tmp_path, code)
    assert joined(found, "stdout") == [b"out %d, first half" % i for i in range(200)]
    assert joined(found, "stderr") == [b"err %d, first half" % i for i in range(200)]


@pytest.mark.parametrize("seed", range(4))
def test_any_bytes_in_any_pieces(binary: Path, tmp_path: Path, seed: int) -> None:
    chance = random.Random(seed)
    words = [b"\n", b"\r", b"\r\n", b"word ", b"\0", b"x" * 16383, b"y" * 700, b"\n\n"]
    data = b"".join(chance.choices(words, k=2000))
    code = f"""
import random
chance = random.Random({seed})
while data:
    size = chance.choice([1, 10, 1000, 16384, 16385, 65536])
    write(1, data[:size])
    data = data[size:]
"""
    found = logged(binary, tmp_path, code, data)
    lines = data.split(b"\n")
    last = [lines.pop()]
    expected = [line.removesuffix(b"\r") for line in lines] + [line for line in last if line]
    assert joined(found, "stdout") == expected
    assert all(len(e.content) == LINE_MAX for e in found[:-2] if e.tag == "P")
    assert max(len(e.content) for e in found) <= LINE_MAX


def test_times_never_go_back(binary: Path, tmp_path: Path) -> None:
    found = logged(binary, tmp_path, "for i in range(1000): write(1 + i % 2, b'x' * 999 + b'\\n')")
    for stream in ("stdout", "stderr"):
        times = [entry.time for entry in found if entry.stream == stream]
        assert times == sorted(times)
        assert len(set(times)) > 1, "one clock reading for each read"


def test_much_output_arrives_whole(binary: Path, tmp_path: Path) -> None:
    code = """
for i in range(300):
    write(1, b"".join(b"%099d\\n" % (i * 1000 + j) for j in range(1000)))
"""
    found = logged(binary, tmp_path, code)
    assert [int(entry.content) for entry in found] == list(range(300_000))
    assert {entry.tag for entry in found} == {"F"}


# ── rotation ─────────────────────────────────────────────────────────────────────────────────────


def rotated(root: Path) -> list[Path]:
    """The rotated logs, the oldest first."""
    names = sorted(name for name in os.listdir(root) if ROTATED.fullmatch(name))
    return [root / name for name in names]


def test_rotates_and_keeps_so_many(binary: Path, tmp_path: Path) -> None:
    script = "i=0; while [ $i -lt 2000 ]; do echo line $i; i=$((i+1)); done"
    with monitor(binary, tmp_path, script, log_max=4096, log_files=3) as m:
        m.wait()
    files = [*rotated(tmp_path), m.log]
    assert len(files) == 3
    assert all(file.stat().st_size <= 4096 for file in files)
    assert all(file.stat().st_mode & 0o777 == 0o640 for file in files)
    contents = [entry.content for file in files for entry in entries(file.read_bytes())]
    assert contents == [b"line %d" % i for i in range(2000 - len(contents), 2000)]


def test_rotation_splits_no_line_and_loses_none(binary: Path, tmp_path: Path) -> None:
    script = f"{sys.executable} -ISc 'for i in range(40): print(i, chr(120) * i * 700)'"
    with monitor(binary, tmp_path, script, log_max=20_000, log_files=1000) as m:
        m.wait()
    found = [e for file in [*rotated(tmp_path), m.log] for e in entries(file.read_bytes())]
    assert joined(found, "stdout") == [b"%d %s" % (i, b"x" * i * 700) for i in range(40)]


def test_an_entry_larger_than_the_limit_gets_a_file_of_its_own(
    binary: Path, tmp_path: Path
) -> None:
    script = "echo a; printf '%05000d\\n' 0; echo b"
    with monitor(binary, tmp_path, script, log_max=100, log_files=9) as m:
        m.wait()
    assert [len(entries(file.read_bytes())) for file in rotated(tmp_path)] == [1, 1]


def test_prunes_compressed_and_leaves_strangers(binary: Path, tmp_path: Path) -> None:
    old = ["0.log.20200101-000000.gz", "0.log.20200101-000001-0002.gz", "0.log.20200101-000001.gz"]
    strangers = ["10.log.20200101-000000", "0.log.bak", "0.log.20200101", "0.logx", "1.log"]
    for name in old:
        (tmp_path / name).write_bytes(gzip.compress(b""))
    for name in strangers:
        (tmp_path / name).touch()
    with monitor(binary, tmp_path, "echo a; exec sleep 1000", log_files=4) as m:
        wait_until(lambda: m.log.exists() and m.entries())
        assert m.ask(b"rotate\n") == b"ok\n"
        left = {path.name for path in rotated(tmp_path)}
        assert left >= {old[1], old[2]}
        assert old[0] not in left
        assert m.ask(b"rotate\n") == b"ok\n"
        left = {path.name for path in rotated(tmp_path)}
        assert left >= {old[1]}
        assert old[2] not in left
        assert len(left) == 3
        assert all((tmp_path / name).exists() for name in strangers)


def test_rotates_on_request_and_goes_on(binary: Path, tmp_path: Path) -> None:
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    script = f"echo before; read x <{fifo}; echo after"
    with monitor(binary, tmp_path, script) as m:
        wait_until(lambda: m.log.exists() and m.entries())
        assert m.ask(b"rotate\n") == b"ok\n"
        (away,) = rotated(tmp_path)
        assert [entry.content for entry in entries(away.read_bytes())] == [b"before"]
        assert m.entries() == []
        fifo.write_text("go\n")
        m.wait()
        assert [entry.content for entry in m.entries()] == [b"after"]


def test_opens_its_log_again_after_others_moved_it(binary: Path, tmp_path: Path) -> None:
    with monitor(binary, tmp_path, "exec sleep 1000") as m:
        m.report()
        m.log.rename(tmp_path / "moved")
        assert m.ask(b"reopen\n") == b"ok\n"
        assert m.log.read_bytes() == b""
        assert m.ask(b"reopen\n") == b"ok\n"


def test_survives_the_loss_of_its_directory(binary: Path, tmp_path: Path) -> None:
    logs = tmp_path / "logs"
    logs.mkdir()
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    script = f"read x <{fifo}; echo into the void; exit 2"
    with monitor(binary, tmp_path, script, log=logs / "0.log", log_max=1) as m:
        m.report()
        m.log.unlink()
        logs.rmdir()
        assert m.ask(b"reopen\n").startswith(b"error No such file")
        assert m.ask(b"rotate\n").startswith(b"error No such file")
        fifo.write_text("go\n")
        assert m.wait()["code"] == 2


def test_counts_what_it_cannot_write_at_all(binary: Path, tmp_path: Path) -> None:
    with monitor(binary, tmp_path, "echo a; echo b", log=tmp_path / "none" / "0.log") as m:
        assert m.wait()["droppedLines"] == 2


# ── a full disk ──────────────────────────────────────────────────────────────────────────────────


def tiny_disk(point: Path, size: str = "64k") -> Callable[[int], None]:
    """A tmpfs at ``point`` in a mount namespace of the monitor's own: the host never sees it."""

    def starter(_: int) -> None:
        namespace.unshare(namespace.CLONE_NEWNS)
        mount.mount("none", "/", "", mount.MS_REC | mount.MS_PRIVATE)
        mount.mount("none", str(point), "tmpfs", 0, f"size={size}")

    return starter


@contextlib.contextmanager
def through(pid: int, path: Path) -> Iterator[Path]:
    """``path`` as the monitor sees it, for as long as the context, even if the monitor ends."""
    fd = os.open(f"/proc/{pid}/root{path}", os.O_RDONLY | os.O_DIRECTORY)
    try:
        yield Path(f"/proc/self/fd/{fd}")
    finally:
        os.close(fd)


@pytest.fixture
def disk(tmp_path: Path) -> Path:
    point = tmp_path / "disk"
    point.mkdir()
    return point


def test_a_full_disk_costs_whole_lines_and_counts_them(
    binary: Path, tmp_path: Path, disk: Path
) -> None:
    total = 5000
    script = f"i=0; while [ $i -lt {total} ]; do echo number $i; i=$((i+1)); done; exec sleep 1000"
    with monitor(binary, tmp_path, script, log=disk / "0.log", starter=tiny_disk(disk)) as m:
        m.report()
        with through(m.pid, disk) as inside:
            wait_until(lambda: waits_for_nothing(m.children()[0]))
            assert m.ask(b"ping\n") == b"ok\n"
            os.kill(m.children()[0], 9)
            dropped = m.wait()["droppedLines"]
            found = entries((inside / "0.log").read_bytes())  # no torn line anywhere
    assert dropped > 0
    assert len(found) + dropped == total
    numbers = [int(entry.content.split()[1]) for entry in found]
    assert numbers == sorted(set(numbers))
    assert numbers[:500] == list(range(500))


def waits_for_nothing(pid: int) -> bool:
    return Path(f"/proc/{pid}/comm").read_text() == "sleep\n"


def test_goes_on_when_there_is_room_again(binary: Path, tmp_path: Path, disk: Path) -> None:
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    script = f"yes | head -c 50000; read x <{fifo}; echo at last; exec sleep 1000"
    with monitor(
        binary, tmp_path, script, log=disk / "0.log", starter=tiny_disk(disk), log_files=1
    ) as m:
        m.report()
        with through(m.pid, disk) as inside, fifo.open("w") as go:
            wait_until(lambda: b"\n" in (inside / "0.log").read_bytes())  # it writes meanwhile
            wait_until(lambda: not unread(m.children()[0]))  # or the rest would fill it again
            assert m.ask(b"rotate\n") == b"ok\n"  # which also prunes: room
            go.write("go\n")
            go.flush()
            wait_until(lambda: b"at last" in (inside / "0.log").read_bytes())
            assert entries((inside / "0.log").read_bytes())[-1].content == b"at last"


def unread(pid: int) -> int:
    """Bytes in the pipe that is its standard output."""
    fd = os.open(f"/proc/{pid}/fd/1", os.O_WRONLY)
    try:
        return int.from_bytes(fcntl.ioctl(fd, termios.FIONREAD, bytes(4)), sys.byteorder)
    finally:
        os.close(fd)


def test_waits_for_room_for_the_exit_record(binary: Path, tmp_path: Path, disk: Path) -> None:
    with monitor(
        binary, tmp_path, "exec sleep 1000", records=disk, starter=tiny_disk(disk, "8k")
    ) as m:
        m.report()
        with through(m.pid, disk) as inside:
            (inside / "filler").write_bytes(b"x" * 4096)
            (child,) = m.children()
            os.kill(child, 15)
            wait_until(lambda: Path(f"/proc/{child}/stat").read_text().split()[2] == "Z")
            assert m.running()
            assert not (inside / "exit.json").exists()
            (inside / "filler").unlink()
            wait_until(lambda: not m.running())
            assert b'"code":143,"signal":15' in (inside / "exit.json").read_bytes()
            assert sorted(os.listdir(inside)) == ["exit.json", "started.json"]


def test_gives_a_removed_directory_of_records_up(binary: Path, tmp_path: Path) -> None:
    records = tmp_path / "records"
    records.mkdir()
    with monitor(binary, tmp_path, "exec sleep 1000", records=records) as m:
        m.report()
        (records / "started.json").unlink()
        records.rmdir()
        os.kill(m.children()[0], 9)
        wait_until(lambda: not m.running())
        assert m.status == 0
