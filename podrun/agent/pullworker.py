"""What the worker of one pull does, and what it says meanwhile.

{"layers": [{"digest", "state", "done", "total"}, …]} …      those that changed
{"ok": {"name", "image_id", "reference", "size"}} or {"error": …}
"""

from __future__ import annotations

import os
import signal
import time
from typing import TYPE_CHECKING, Any

import msgspec

from podrun.agent import pullsecrets
from podrun.agent.localimages import found_of
from podrun.agent.node import Node
from podrun.agent.pullsecrets import Reference
from podrun.pod.pulling import ERR_PULL

if TYPE_CHECKING:
    from podrun.image.pull import LayerProgress

#: seconds between two reports of the same state; changes of a layer's state are told at once
_PACE = 0.1


def pull_image(
    node: Node, name: str, secrets: tuple[Reference, ...], report: int, go: int
) -> dict[str, Any]:
    """Raises PodrunError. Killed at any moment, it leaves nothing that is visible."""
    signal.signal(signal.SIGPIPE, signal.SIG_IGN)  # who hangs up is an error like others
    from podrun.image.pull import pull
    from podrun.image.store import ImageStore
    from podrun.registry.config import Registries
    from podrun.registry.credentials import Chain, FileKeyring, SecretKeyring
    from podrun.registry.types import RegistryError

    helpers = Registries.load(node.config).credential_helpers
    own = SecretKeyring(pullsecrets.read(node.paths, secrets))
    keyring = Chain(own, FileKeyring(node.config, helpers=helpers))
    store = ImageStore.of(node.config)
    try:
        image = pull(store, node.config, name, keyring, _Report(report))
    except RegistryError as error:
        if not error.status:  # as with containerd: only who answers can say that he is unavailable
            error.reason = ERR_PULL
        raise
    return msgspec.structs.asdict(found_of(node, image))


class _Report:
    """Told of every chunk; says what has changed, some ten times a second."""

    def __init__(self, fd: int) -> None:
        self._fd = fd
        self._news: dict[str, dict[str, Any]] = {}
        self._states: dict[str, str] = {}
        self._said_at = 0.0

    def __call__(self, layer: LayerProgress) -> None:
        self._news[layer.digest] = {
            "digest": layer.digest,
            "state": layer.state,
            "done": layer.done,
            "total": layer.total,
        }
        changed = self._states.get(layer.digest) != layer.state
        self._states[layer.digest] = layer.state
        if changed or time.monotonic() - self._said_at >= _PACE:
            self._say()

    def _say(self) -> None:
        self._said_at = time.monotonic()
        line = msgspec.json.encode({"layers": list(self._news.values())}) + b"\n"
        self._news.clear()
        while line:
            line = line[os.write(self._fd, line) :]
