"""The limits of the configuration hold where a layer is taken in, and their errors name them."""

from __future__ import annotations

import io
import lzma
import os
from pathlib import Path

import pytest
from msgspec.structs import replace

from podrun.image.archive import DirectoryArchive, document
from podrun.image.layers import take_in
from podrun.image.types import DEFAULT_LIMITS, BadArchive


def test_the_window_that_is_configured_holds_for_a_layer(tmp_path: Path) -> None:
    packed = lzma.compress(bytes(10240), preset=9)  # needs 65 MiB
    limits = replace(DEFAULT_LIMITS, window_bytes=1 << 20)
    with pytest.raises(BadArchive, match=r"imageLimits\.windowBytes"):
        take_in(io.BytesIO(packed), tmp_path, (), limits)


def test_a_long_document_names_the_key(tmp_path: Path) -> None:
    (tmp_path / "index.json").write_bytes(b"x" * 11)
    fd = os.open(tmp_path, os.O_PATH | os.O_DIRECTORY)
    try:
        with pytest.raises(BadArchive, match=r"imageLimits\.documentBytes"):
            document(DirectoryArchive(fd), "index.json", 10)
    finally:
        os.close(fd)
