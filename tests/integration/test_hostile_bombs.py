"""Layers of kilobytes that would be gigabytes: of memory, of disk, of patience."""

from __future__ import annotations

import gzip
import random
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import zstandard

from tests import tarforge as tf

MEASURED = """
import sys
from pathlib import Path
from podrun.image.streams import plain, sniff
from podrun.image.unpack import unpack

with open(sys.argv[1], "rb", buffering=0) as file:
    source, kind = sniff(file)
    try:
        unpack(plain(source, kind), Path(sys.argv[2]))
    except Exception as error:
        print(error, file=sys.stderr)
with open("/proc/self/status") as status:
    print(next(line.split()[1] for line in status if line.startswith("VmHWM")))
"""


def peak_mib(data: Path, out: Path) -> tuple[int, str]:
    """The most memory that a process of its own took for it, and what it said."""
    out.mkdir()
    command = [sys.executable, "-c", MEASURED, str(data), str(out)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return int(done.stdout) >> 10, done.stderr


@pytest.mark.parametrize("kind", ["gzip", "zstd"])
def test_ten_gigabytes_of_zeros_cost_neither_memory_nor_disk(tmp_path: Path, kind: str) -> None:
    """Naive: decompresses a whole piece of the input at once, and writes every zero."""
    pack = gzip.compress if kind == "gzip" else zstandard.ZstdCompressor().compress
    header = tf.entry("zeros", size=tf.base256(10 << 30))
    with open(tmp_path / "bomb", "wb") as file:
        file.write(pack(header))
        file.write(pack(bytes(64 << 20)) * 160)
        file.write(pack(tf.END))
    assert (tmp_path / "bomb").stat().st_size < 12 << 20
    peak, said = peak_mib(tmp_path / "bomb", tmp_path / "out")
    assert said == ""
    assert (tmp_path / "out/zeros").stat().st_size == 10 << 30
    assert (tmp_path / "out/zeros").stat().st_blocks < 1000
    assert peak <= 60


GREEDY: dict[str, Callable[[], bytes]] = {
    "a pax header full of records": lambda: tf.archive(
        tf.pax((f"SCHILY.xattr.user.{n}", b"") for n in range(30_000)), tf.entry()
    ),
    "a pax header of short records": lambda: tf.archive(
        tf.extension(b"x", b"6 a=b\n" * 170_000), tf.entry()
    ),
    "a sparse map of a megabyte": lambda: tf.archive(
        tf.pax({"GNU.sparse.map": ",".join(f"{n},0" for n in range(100, 100_000)),
                "GNU.sparse.size": "999999"}) + tf.entry("f")
    ),
    "a window of 32 MiB": lambda: zstandard.ZstdCompressor(
        compression_params=zstandard.ZstdCompressionParameters.from_level(1, window_log=25)
    ).compress(tf.archive(tf.entry("f", random.Random(1).randbytes(40 << 20)))),
    "directories, each with a long name": lambda: gzip.compress(
        tf.archive(*(tf.folder(f"{n:05}" + "d" * 90) for n in range(15_000))), 1
    ),
    "streams without end": lambda: gzip.compress(tf.archive(tf.entry()))
    + gzip.compress(b"") * 200_000,
    "skipped frames": lambda: zstandard.ZstdCompressor().compress(tf.archive(tf.entry()))
    + b"\x50\x2a\x4d\x18" + (50 << 20).to_bytes(4, "little") + bytes(50 << 20),
}  # fmt: skip


@pytest.mark.parametrize("what", GREEDY)
def test_memory_is_bounded_whatever_the_layer(tmp_path: Path, what: str) -> None:
    (tmp_path / "layer").write_bytes(GREEDY[what]())
    peak, said = peak_mib(tmp_path / "layer", tmp_path / "out")
    assert peak <= 60, said
