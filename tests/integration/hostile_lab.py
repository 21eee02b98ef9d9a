"""What no archive may touch, and a look at whether it has."""

from __future__ import annotations

import contextlib
import io
import os
from collections.abc import Sequence
from pathlib import Path

from podrun.errors import MechanismFailed
from podrun.image.store import ImageStore
from podrun.image.types import DEFAULT_LIMITS, BadArchive, Limits
from podrun.image.unpack import unpack
from podrun.linux.trees import remove_tree
from tests import tarforge as tf
from tests.integration import image_lab as lab

REFUSED = (BadArchive, MechanismFailed)


class Attack:
    """A layer's directory, and beside it the host's files that archives are out for."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.host = directory / "host"
        self.layer = directory / "layer"
        self.host.mkdir()
        (self.host / "secret").write_text("untouched")
        (self.host / "empty").mkdir()
        self._before = lab.tree(self.host)
        self._beside = set(os.listdir(directory)) | {"layer"}

    def unpack(
        self, data: bytes, lowers: Sequence[Path] = (), limits: Limits = DEFAULT_LIMITS
    ) -> Path:
        """Into a fresh directory; whatever comes of it, the host must be as it was."""
        remove_tree(self.layer)
        self.layer.mkdir(mode=0o755)
        open_before = len(os.listdir("/proc/self/fd"))
        try:
            unpack(io.BytesIO(data), self.layer, lowers, limits)
        finally:
            self.check()
            assert len(os.listdir("/proc/self/fd")) == open_before, "a descriptor was left open"
        return self.layer

    def beside(self, *names: str) -> None:
        """What the test itself has beside the layer."""
        self._beside.update(names)

    def lower(self, name: str, data: bytes) -> Path:
        """One more layer, for those above."""
        path = self.directory / name
        path.mkdir(mode=0o755)
        self.beside(name)
        unpack(io.BytesIO(data), path)
        return path

    def tries(self, data: bytes, limits: Limits = DEFAULT_LIMITS) -> Path:
        """For archives that may be refused or not."""
        with contextlib.suppress(*REFUSED):
            self.unpack(data, limits=limits)
        return self.layer

    def check(self) -> None:
        assert lab.tree(self.host) == self._before, "the host was changed"
        assert set(os.listdir(self.directory)) <= self._beside, "something new beside the layer"


def is_empty(store: ImageStore) -> bool:
    """Nothing of an image is in the store, nor on its way."""
    images = store.layout.images
    places = (store.layout.blobs, images / ".staging", store.layout.snapshots)
    return not any(os.listdir(place) for place in places) and not store.layout.index().manifests


def sparse_of(size: int) -> dict[str, bytes]:
    """Files of ``size`` bytes without any data, in each way that tar has for it."""
    last = (b"%d" % size, b"%d" % size + b",0")
    sizes = tf.base256(size)
    block = tf.entry("f", kind=b"S", magic=tf.GNU)
    block = block[:386] + tf.base256(size) + tf.base256(0) + block[410:483] + sizes + block[495:]
    return {
        "old GNU": tf.checked(block),
        "pax 0.0": tf.pax([("GNU.sparse.size", last[0]), ("GNU.sparse.numblocks", b"1"), ("GNU.sparse.offset", last[0]), ("GNU.sparse.numbytes", b"0")]) + tf.entry("f"),  # noqa: E501
        "pax 0.1": tf.pax({"GNU.sparse.size": last[0], "GNU.sparse.map": last[1], "GNU.sparse.name": b"f"}) + tf.entry("x"),  # noqa: E501
        "pax 1.0": tf.pax({"GNU.sparse.major": b"1", "GNU.sparse.minor": b"0", "GNU.sparse.name": b"f", "GNU.sparse.realsize": last[0]}) + tf.entry("x", tf.padded(b"1\n" + last[0] + b"\n0\n")),  # noqa: E501
    }  # fmt: skip
