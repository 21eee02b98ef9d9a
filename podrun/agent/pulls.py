"""The pulls of an agent: one for all who wait for the same image, a few at once, in order.

    wait ─┐                      ┌─ a turn ──► worker ──► image, or error, to all who wait
    wait ─┼─ same name, secrets ─┤                │
    wait ─┘                      └─ nobody waits ─┴─► killed, with all it has started

A worker dies with its agent. What it had fetched is used again by the next pull, and nobody sees
half an image (``podrun.image.pull``).
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any

import msgspec

from podrun.agent import pullworker, worker
from podrun.agent.node import Node
from podrun.agent.pullsecrets import Reference
from podrun.pod.pulling import Found
from podrun.probe.ready import readable

Layers = list[dict[str, Any]]
#: told of the layers that have changed: digest, state, done, total (bytes)
Heard = Callable[[Layers], None]


class Pulled(msgspec.Struct, frozen=True):
    """``seconds`` is what the pull took once it had its turn."""

    found: Found
    seconds: float


class Pulls:
    """Of one agent, which runs at most ``max_parallel_image_pulls`` of them."""

    def __init__(self, node: Node) -> None:
        self._node = node
        self._turns = asyncio.Semaphore(max(node.config.max_parallel_image_pulls, 1))
        self._downloads: dict[tuple[str, tuple[Reference, ...]], _Download] = {}

    async def pull(self, name: str, secrets: Sequence[Reference], heard: Heard) -> Pulled:
        """Raises PodrunError. Cancelled, it leaves the others who wait alone."""
        key = (name, tuple(secrets))
        download = self._downloads.get(key)
        if download is None:
            download = _Download(self._node, name, secrets, self._turns)
            self._downloads[key] = download
            download.task.add_done_callback(lambda _: self._over(key, download))
        try:
            with download.heard_by(heard):
                return await asyncio.shield(download.task)
        finally:
            if download.is_unwanted():
                self._over(key, download)
                download.task.cancel()

    def _over(self, key: tuple[str, tuple[Reference, ...]], download: _Download) -> None:
        if self._downloads.get(key) is download:
            del self._downloads[key]


class _Download:
    """One pull and all who wait for it."""

    def __init__(
        self, node: Node, name: str, secrets: Sequence[Reference], turns: asyncio.Semaphore
    ) -> None:
        self._body = partial(pullworker.pull_image, node, name, tuple(secrets))
        self._turns = turns
        self._waiting: list[Heard] = []
        self._layers: dict[str, dict[str, Any]] = {}
        self.task = asyncio.get_running_loop().create_task(self._run())
        self.task.add_done_callback(lambda task: task.cancelled() or task.exception())

    def is_unwanted(self) -> bool:
        return not self._waiting and not self.task.done()

    @contextlib.contextmanager
    def heard_by(self, heard: Heard) -> Iterator[None]:
        self._waiting.append(heard)
        try:
            if self._layers:
                heard(list(self._layers.values()))
            yield
        finally:
            self._waiting.remove(heard)

    async def _run(self) -> Pulled:
        async with self._turns:
            began = time.monotonic()
            answer = await self._carry_out()
        ok = worker.unpack(answer, "pull the image")
        return Pulled(msgspec.convert(ok, Found), time.monotonic() - began)

    async def _carry_out(self) -> dict[str, Any] | None:
        forked = worker.Forked(self._body)
        try:
            while (answer := await forked.lines.next()) is not None and "layers" in answer:
                self._tell(answer["layers"])
            await readable(forked.pidfd)
        except BaseException:
            _kill(forked)
            raise
        finally:
            forked.close()
            worker.reap_later(forked.pidfd)
        return answer

    def _tell(self, layers: Layers) -> None:
        self._layers.update((layer["digest"], layer) for layer in layers)
        for heard in tuple(self._waiting):
            heard(layers)


def _kill(forked: worker.Forked) -> None:
    """The worker and, since it leads a session, all that it has forked."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(forked.pid, signal.SIGKILL)
    with contextlib.suppress(ProcessLookupError):  # it did not come to lead one
        signal.pidfd_send_signal(forked.pidfd, signal.SIGKILL)
