"""What is known of each layer and each blob while they are brought in (podrun.image.transfer)."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from podrun.image import oci
from podrun.image.child import Child
from podrun.image.layers import check_digest, cut_at_opaque_root, take_in
from podrun.image.partial import Following, Partial, Starved
from podrun.image.progress import LayerProgress
from podrun.image.streams import Readable
from podrun.image.types import BadArchive, Limits


class Lowers(Sequence[Path]):
    """The trees below a layer, topmost first; looking at them waits until they are complete.

    ``complete`` is the reading end of a pipe, closed when the last layer below is done.
    """

    def __init__(self, trees: Sequence[Path], complete: int) -> None:
        self._trees = list(trees)
        self._complete = complete
        self._waited = False

    def _ready(self) -> list[Path]:
        if not self._waited:
            os.read(self._complete, 1)
            self._trees = cut_at_opaque_root(self._trees)
            self._waited = True
        return self._trees

    def __len__(self) -> int:
        return len(self._ready())

    def __getitem__(self, index: Any) -> Any:
        return self._ready()[index]

    def __iter__(self) -> Iterator[Path]:
        return iter(self._ready())


class Download:
    """One blob, for all the layers that are made of it. ``wake``: see podrun.image.partial."""

    def __init__(self, partial: Partial) -> None:
        self.partial = partial
        self.resumed = partial.present() > 0
        self.child: Child | None = None
        self.wake = -1

    @property
    def begun(self) -> bool:
        return self.child is not None or self.partial.complete

    def close(self) -> None:
        """What has come of the blob stays for the next pull."""
        if self.child is not None:
            self.child.kill()
        if self.wake >= 0:
            os.close(self.wake)
        self.wake = -1
        self.partial.close()


class Layer:
    """``tree`` and ``blob``: where it is unpacked to in staging, and its bytes are kept."""

    def __init__(self, number: int, descriptor: oci.Descriptor, diff_id: str, chain: str) -> None:
        self.number = number
        self.descriptor = descriptor
        self.diff_id = diff_id
        self.chain = chain
        self.tree: Path | None = None
        self.blob: Path | None = None
        self.child: Child | None = None
        self.complete = -1  # the writing end of the pipe of Lowers
        self.done = False
        self.exists = False
        self.told: LayerProgress | None = None

    @property
    def short(self) -> str:
        return self.descriptor.digest[7:19]

    def close(self) -> None:
        if self.child is not None:
            self.child.kill()
            self.child = None
        self.lowers_complete()

    def lowers_complete(self) -> None:
        if self.complete >= 0:
            os.close(self.complete)
            self.complete = -1


def unpack_layer(
    layer: Layer,
    source: Readable | None,
    download: Download | None,
    lowers: Sequence[Path],
    limits: Limits,
    count: Callable[[int], None],
) -> bool:
    """The body of a child: ``layer.tree`` is filled from what ``download`` brings, or ``source``.

    ``count`` is told the bytes of the blob read so far. False: the download has ended too early.
    BadArchive when the layer is not what the image promises.
    """
    assert layer.tree is not None
    if download is None:
        assert source is not None
        _take_in(layer, source, lowers, limits, count)
        return True
    with contextlib.closing(Following(download.partial, download.wake)) as following:
        try:
            _take_in(layer, following, lowers, limits, count)
        except Starved:
            return False
    assert layer.blob is not None
    download.partial.keep_as(layer.blob)
    return True


def _take_in(
    layer: Layer,
    source: Readable,
    lowers: Sequence[Path],
    limits: Limits,
    count: Callable[[int], None],
) -> None:
    assert layer.tree is not None
    try:
        taken = take_in(source, layer.tree / "fs", lowers, limits, tell=count)
    except BadArchive as error:
        raise BadArchive(f"layer {layer.short}: {error.message}", hint=error.hint) from None
    check_digest(f"layer {layer.short}: its digest", taken.digest, layer.descriptor.digest)
    check_digest(f"layer {layer.short}: its diff ID", taken.diff_id, layer.diff_id)
