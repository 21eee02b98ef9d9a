"""The images of one pod: looked for, pulled beside the pod's loop, given up with their purpose.

PullImage ──► here already ─────────────────────────────► pull_done ──► plan again
   ├──► cannot be had: policy Never, a bad name ────────► pull_failed
   └──► pull_began ──► Pulls (shared by all pods) ──┬───► pull_done
                            └─ cancelled by look    └───► pull_failed
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable
from typing import Any

from podrun.agent import localimages, pullsecrets
from podrun.agent.node import Node
from podrun.agent.podstore import StoredPod
from podrun.agent.pulls import Layers, Pulled, Pulls
from podrun.api.pod import Container
from podrun.errors import PodrunError
from podrun.pod import imagevolumes, pulling
from podrun.pod.actions import PullImage
from podrun.pod.backoff import settings_for
from podrun.pod.events import Event
from podrun.pod.facts import Facts
from podrun.pod.pulling import Found

#: told how a pull goes on: {"image": …, "layers": […]}, and at its end {"image": …, "over": true}
Progress = Callable[[dict[str, Any]], None]


class PodPulls:
    """``changed`` is called when a pull has ended, ``tell`` with what the user should know besides,
    ``progress`` while it goes on. Call ``look`` after every change of pod or facts."""

    def __init__(
        self,
        node: Node,
        stored: StoredPod,
        pulls: Pulls,
        changed: Callable[[], None],
        tell: Callable[[Event], None],
        progress: Progress,
    ) -> None:
        self._node = node
        self._stored = stored
        self._pulls = pulls
        self._changed = changed
        self._tell = tell
        self._progress = progress
        self._under_way: dict[str, asyncio.Task[None]] = {}

    @property
    def _facts(self) -> Facts:
        return self._stored.facts

    def begin(self, action: PullImage) -> None:
        """Returns at once; asked for twice, the pull of a container is begun once."""
        container = imagevolumes.find(self._stored.pod, action.name)
        if container is None or action.name in self._under_way:
            return
        try:
            found = localimages.find(self._node, container.image)
            pullable = localimages.is_pullable(container.image)
        except (PodrunError, OSError) as error:
            self._cannot_tell(container, error)
            return
        match pulling.way(
            container.image_pull_policy, present=found is not None, pullable=pullable
        ):
            case pulling.USE if found is not None:
                now = time.time()
                pulling.pull_began(self._facts, container, now)
                pulling.pull_done(self._facts, container.name, found, now)
            case pulling.FORBIDDEN:
                message = (
                    f'Container image "{container.image}" is not present with pull policy of Never'
                )
                self._failed(container, pulling.NEVER_PULL, message)
            case pulling.LOCAL:
                message = (
                    f"{container.image} is a local name, which no registry has, and it is not in "
                    "the store (`podrun image import`, `load` and `tag` make such names)"
                )
                self._failed(container, pulling.ERR_PULL, message)
            case _:
                self._fetch(container)

    def _cannot_tell(self, container: Container, error: PodrunError | OSError) -> None:
        """The name is none, or the store cannot be read."""
        if isinstance(error, PodrunError) and error.reason == pulling.INVALID_NAME:
            message = f'Failed to apply default image tag "{container.image}": {error.message}'
            self._failed(container, pulling.INVALID_NAME, message)
            return
        text = error.text if isinstance(error, PodrunError) else str(error)
        message = f'Failed to inspect image "{container.image}": {text}'
        self._failed(container, pulling.INSPECT_ERROR, message)

    # ── from a registry ─────────────────────────────────────────────────────────────────────────

    def _fetch(self, container: Container) -> None:
        missing = pullsecrets.missing_event(self._node.paths, self._stored.pod)
        if missing is not None:
            self._tell(missing)
        pulling.pull_began(self._facts, container, time.time())
        task = asyncio.get_running_loop().create_task(self._pull(container))
        self._under_way[container.name] = task
        task.add_done_callback(lambda task: self._over(container, task))

    async def _pull(self, container: Container) -> None:
        """The end is a fact only while it is still waited for."""
        try:
            pulled = await self._pulled(container)
        except PodrunError as error:
            reason = error.reason if error.reason in pulling.FAILED else pulling.ERR_PULL
            if pulling.is_needed(self._stored.pod, self._facts, container.name):
                self._failed(container, reason, error.text)
        else:
            if pulling.is_needed(self._stored.pod, self._facts, container.name):
                self._done(container, pulled.found, pulled.seconds)

    async def _pulled(self, container: Container) -> Pulled:
        """Raises PodrunError; not of a login that was replaced while it was tried."""

        def heard(layers: Layers) -> None:
            self._progress({"image": container.image, "layers": layers})

        while True:
            secrets = self._secrets()
            try:
                return await self._pulls.pull(container.image, secrets, heard)
            except PodrunError:
                if self._secrets() == secrets:
                    raise

    def _secrets(self) -> tuple[pullsecrets.Reference, ...]:
        return pullsecrets.references(self._node.paths, self._stored.pod)

    def _over(self, container: Container, task: asyncio.Task[None]) -> None:
        if self._under_way.get(container.name) is not task:
            return  # it was given up
        del self._under_way[container.name]
        if not task.cancelled() and task.exception() is not None:
            self._failed(container, pulling.ERR_PULL, f"internal error: {task.exception()!r}")
        self._progress({"image": container.image, "over": True})
        with contextlib.suppress(OSError):  # a full disk: the pod's task saves it again
            self._changed()

    def _done(self, container: Container, found: Found, seconds: float) -> None:
        pulling.pull_done(self._facts, container.name, found, time.time(), seconds=seconds)

    def _failed(self, container: Container, reason: str, message: str) -> None:
        settings = settings_for(self._stored.pod, self._node.settings)
        pulling.pull_failed(self._facts, container.name, reason, message, time.time(), settings)

    # ── the end ─────────────────────────────────────────────────────────────────────────────────

    def look(self) -> None:
        """Give up what serves no purpose any more: the pod is going, the image is another."""
        for name, task in tuple(self._under_way.items()):
            if not pulling.is_needed(self._stored.pod, self._facts, name):
                del self._under_way[name]
                task.cancel()
                pulling.forget_pull(self._facts, name)

    def close(self) -> None:
        for task in self._under_way.values():
            task.cancel()
        self._under_way.clear()
