"""How far a pull or a push is, layer by layer."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import msgspec

State = Literal["waiting", "downloading", "unpacking", "uploading", "done", "exists"]


class LayerProgress(msgspec.Struct, frozen=True):
    """How far one layer is; ``done`` and ``total`` are bytes as the registry has them.

    ``exists``: it was there already and nothing had to be moved.
    """

    digest: str
    state: State
    done: int
    total: int


PullProgress = Callable[[LayerProgress], None]


def no_progress(progress: LayerProgress) -> None:
    pass
