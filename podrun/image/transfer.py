"""The layers of one image, on their way from a registry into staging, several at once.

    layer 1   fetch ▒▒▒▒▒▒▒▒▒▒
              unpack  ▒▒▒▒▒▒▒▒▒▒▒                   each row of ▒ is a process
    layer 2   fetch ▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒
              unpack  ▒▒▒▒▒▒ ⋯ ▒▒▒▒▒▒▒▒▒            ⋯ waits for the layers below, when a hard link,
    layer 3             fetch ▒▒▒▒▒▒▒▒▒▒▒▒            a whiteout or an unlisted directory needs them
              unpack            ▒▒▒▒▒▒▒▒▒▒▒▒▒

Both start from the bottom up, so the lowest layer never waits for another and all come to an end.
What goes wrong in one ends all: every child is killed and reaped before ``run`` returns.

    waiting ─► downloading ─► unpacking ─► done           exists: was in the store already
                    ▲              │ bytes from an earlier pull or a mirror were wrong
                    └──────────────┘ (the file is begun anew, the next place is asked)
"""

from __future__ import annotations

import contextlib
import functools
import mmap
import os
import select
from collections.abc import Sequence
from pathlib import Path

from podrun.errors import MechanismFailed
from podrun.image import oci
from podrun.image.child import Child
from podrun.image.fetch import fetch
from podrun.image.layerwork import Download, Layer, Lowers, unpack_layer
from podrun.image.layout import Layout
from podrun.image.partial import Partial
from podrun.image.progress import LayerProgress, PullProgress, State
from podrun.image.staging import Staging
from podrun.image.types import BadArchive, Limits
from podrun.registry.client import Repository

_TICK = 0.1  # seconds between two looks at how far the children are


class Transfer:
    """``repositories`` are asked in their order; ``parallel`` bounds fetchers, and unpackers."""

    def __init__(
        self,
        layout: Layout,
        staging: Staging,
        limits: Limits,
        repositories: Sequence[Repository],
        parallel: int,
        tell: PullProgress,
    ) -> None:
        self._layout = layout
        self._staging = staging
        self._limits = limits
        self._repositories = list(repositories)
        self._parallel = max(parallel, 1)
        self._tell = tell
        self._layers: list[Layer] = []
        self._downloads: dict[str, Download] = {}

    def run(self, descriptors: Sequence[oci.Descriptor], diff_ids: Sequence[str]) -> None:
        """Stage every layer that the store has not. BadArchive, RegistryError, MechanismFailed."""
        chains = oci.chain_ids(tuple(diff_ids))
        self._layers = [
            Layer(number, *about)
            for number, about in enumerate(zip(descriptors, diff_ids, chains, strict=True))
        ]
        shared = mmap.mmap(-1, 16 * len(self._layers) + 16)
        self._counts = memoryview(shared).cast("Q")  # of each layer: bytes fetched, bytes unpacked
        with contextlib.ExitStack() as stack:
            stack.callback(self._close)
            self._look()
            while not all(layer.done for layer in self._layers):
                self._start()
                self._wait()

    def _close(self) -> None:
        for layer in self._layers:
            layer.close()
        for download in self._downloads.values():
            download.close()
        self._downloads.clear()

    def _look(self) -> None:
        for layer in self._layers:
            stored = self._layout.has_blob(layer.descriptor)
            if stored and self._layout.snapshot(layer.chain).exists():
                layer.done = layer.exists = True
            elif not stored and layer.descriptor.digest not in self._downloads:
                self._downloads[layer.descriptor.digest] = self._download(layer)
            self._say(layer)

    def _download(self, layer: Layer) -> Download:
        partial = Partial(self._layout, layer.descriptor)
        self._counts[2 * layer.number] = partial.present()
        return Download(partial)

    # Starting ─────────────────────────────────────────────────────────────────────────────────

    def _start(self) -> None:
        """What there is room for, strictly from the bottom up: a layer that waits for one that has
        no room would wait for ever."""
        for layer in self._layers:
            download = self._downloads.get(layer.descriptor.digest)
            if download and not download.begun and len(self._fetchers()) < self._parallel:
                self._start_fetch(layer, download)
        for layer in self._layers:
            download = self._downloads.get(layer.descriptor.digest)
            if layer.done or layer.child:
                continue
            if len(self._unpackers()) >= self._parallel or (download and not download.begun):
                break
            self._start_unpack(layer, download)

    def _fetchers(self) -> list[Child]:
        return [d.child for d in self._downloads.values() if d.child and d.child.running]

    def _unpackers(self) -> list[Child]:
        return [layer.child for layer in self._layers if layer.child]

    def _start_fetch(self, layer: Layer, download: Download) -> None:
        download.wake, more = os.pipe()
        os.set_blocking(more, False)
        digest, partial = layer.descriptor.digest, download.partial
        count = functools.partial(self._counts.__setitem__, 2 * layer.number)
        try:
            download.child = Child(
                f"download {digest[:19]}",
                lambda: fetch(self._repositories, digest, partial, more, count),
                (partial.fd, more, self._staging.lock),
            )
        finally:
            os.close(more)

    def _start_unpack(self, layer: Layer, download: Download | None) -> None:
        layer.tree = layer.tree or self._staging.new_tree()
        layer.blob = self._staging.new_path() if download else None
        count = functools.partial(self._counts.__setitem__, 2 * layer.number + 1)
        below = [self._tree(one) for one in reversed(self._layers[: layer.number])]
        with contextlib.ExitStack() as stack:
            complete, layer.complete = os.pipe()
            stack.callback(os.close, complete)
            keep = [complete, self._staging.lock]
            source = None
            if download:
                keep += [fd for fd in (download.partial.fd, download.wake) if fd >= 0]
            else:
                path = self._layout.blob_path(layer.descriptor.digest)
                source = stack.enter_context(open(path, "rb", buffering=0))
                keep.append(source.fileno())
            lowers = Lowers(below, complete)
            layer.child = Child(
                f"unpack layer {layer.short}",
                lambda: unpack_layer(layer, source, download, lowers, self._limits, count),
                keep,
            )
        self._tell_complete()

    def _tree(self, layer: Layer) -> Path:
        return layer.tree / "fs" if layer.tree else self._layout.snapshot(layer.chain)

    # Waiting ──────────────────────────────────────────────────────────────────────────────────

    def _wait(self) -> None:
        """Until a child ends, or for a moment; then what there is to say is said."""
        poll = select.poll()
        for child in (*self._fetchers(), *self._unpackers()):
            poll.register(child.pidfd, select.POLLIN)
        ended = {fd for fd, _ in poll.poll(_TICK * 1000)}
        for download in self._downloads.values():
            if download.child and download.child.pidfd in ended:
                download.child.result()
        for layer in self._layers:
            if layer.child and layer.child.pidfd in ended:
                self._unpacked(layer)
        for layer in self._layers:
            self._say(layer)

    def _unpacked(self, layer: Layer) -> None:
        assert layer.child is not None
        download = self._downloads.get(layer.descriptor.digest)
        child, layer.child = layer.child, None
        layer.lowers_complete()
        try:
            whole = child.result()
        except BadArchive:
            if download is None or not self._again(layer, download):
                raise
            return
        if not whole:
            if download and download.child and download.child.running:
                download.child.result()
            raise MechanismFailed(f"the download of {layer.short} has ended too early")
        layer.done = True
        if layer.blob:
            self._staging.blobs[layer.descriptor.digest] = layer.blob
        if layer.tree:  # another pull may be faster: the first to publish is the one that stays
            self._staging.trees[layer.chain] = layer.tree
        self._tell_complete()

    def _tell_complete(self) -> None:
        """Let those go on for whom all layers below are done."""
        for layer in self._layers:
            layer.lowers_complete()
            if not layer.done:
                break

    def _again(self, layer: Layer, download: Download) -> bool:
        """Whether to fetch the blob once more, because what came was no good."""
        partial = download.partial
        good = partial.complete and partial.digest() == layer.descriptor.digest
        partial.forget()
        if good or not (download.resumed or len(self._repositories) > 1):
            return False
        download.close()
        if not download.resumed:
            self._repositories.pop(0)
        assert layer.tree is not None
        self._staging.empty_tree(layer.tree)  # in its place: the layers above know it
        self._counts[2 * layer.number + 1] = 0
        self._downloads[layer.descriptor.digest] = self._download(layer)
        return True

    # Telling ──────────────────────────────────────────────────────────────────────────────────

    def _say(self, layer: Layer) -> None:
        now = self._progress(layer)
        if now != layer.told:
            layer.told = now
            self._tell(now)

    def _progress(self, layer: Layer) -> LayerProgress:
        digest, total = layer.descriptor.digest, layer.descriptor.size
        fetched, unpacked = self._counts[2 * layer.number], self._counts[2 * layer.number + 1]
        if layer.done:
            return LayerProgress(digest, "exists" if layer.exists else "done", total, total)
        download = self._downloads.get(digest)
        if download is None or download.partial.complete:
            state: State = "unpacking" if layer.child else "waiting"
            return LayerProgress(digest, state, unpacked, total)
        state = "downloading" if download.child else "waiting"
        return LayerProgress(digest, state, fetched, total)
