"""What ``apply`` and ``restart`` show of the pulls of pods: a bar for each layer.

Pods that wait for the same image share its lines. Anywhere but on a terminal a pull is told of when
it begins, for each layer that is there, and when it has ended.
"""

from __future__ import annotations

from podrun.cli.live import Live
from podrun.errors import TYPE_CHECKING

if TYPE_CHECKING:
    from typing import Any

    from podrun.cli.layerbars import LayerBars

_TOLD = ("Pulling image ", "Successfully pulled image ")


class PullProgress:
    """Is given every progress message of the agent, and takes what is about pulls."""

    def __init__(self, live: Live) -> None:
        self._live = live
        self._bars: LayerBars | None = None
        self._layers: dict[str, set[str]] = {}  # by image

    def __call__(self, progress: dict[str, Any]) -> None:
        if "pull" in progress:
            self._draw(progress["pull"])
        message = progress.get("event", {}).get("message", "")
        if message.startswith(_TOLD):
            self._live.note(f"{progress.get('object', '')}: {message}")

    def _draw(self, pull: dict[str, Any]) -> None:
        from podrun.cli.layerbars import LayerBars
        from podrun.image.progress import LayerProgress

        if self._bars is None:
            self._bars = LayerBars(self._live)
        image = pull["image"]
        if pull.get("over"):
            for layer in self._layers.pop(image, ()):
                self._live.done(layer)
            return
        for layer in pull.get("layers", ()):
            told = LayerProgress(layer["digest"], layer["state"], layer["done"], layer["total"])
            self._layers.setdefault(image, set()).add(told.digest[7:19])
            self._bars(told)
