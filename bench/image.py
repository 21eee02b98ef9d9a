"""The image both sides run: a static busybox, and a file of 100-byte lines to write to logs."""

from __future__ import annotations

import shutil
import tarfile
from pathlib import Path

from scripts.demo_images import add_file, sample_tar

NAME = "localhost/bench:1"
LINE = b"0123456789" * 9 + b"012345678\n"
LINES_BYTES = 10_000_000


def bench_tar(directory: Path) -> Path:
    tar = directory / "bench.tar"
    shutil.move(sample_tar(directory), tar)
    with tarfile.open(tar, "a") as archive:
        add_file(archive, "lines", LINE * (LINES_BYTES // len(LINE)), 0o644)
    return tar
