"""Start containers, in order; the file trees of two at once are built before and while they start.

    launch a ─► created ─► on record ─► its byte ─► started
    launch b ─► created ───────────────────────────────┴─► on record ─► its byte ─► started
                   └─► launch c ─► created …

Nothing of b runs before a is known to have started (semantics §1.5).
"""

from __future__ import annotations

import asyncio
import secrets
import time
from collections import deque
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import msgspec

from podrun.agent import operations, worker
from podrun.agent.node import Node
from podrun.agent.podstore import StoredPod
from podrun.agent.translate import container_cgroup
from podrun.agent.watch import Watch
from podrun.api.change import spec_hash
from podrun.api.pod import Container
from podrun.errors import MechanismFailed, PodrunError
from podrun.pod import backoff
from podrun.pod.actions import StartContainer
from podrun.pod.facts import ContainerFacts, Facts, Run
from podrun.pod.imagevolumes import forget_pulls
from podrun.pod.pulling import Found, pull_of
from podrun.pod.resources import resources_hash
from podrun.pod.termination import fallen_sidecars

#: more would not make the first one start sooner, which all others wait for
_SIDE_BY_SIDE = 2


class _Launched(msgspec.Struct):
    """A container that waits for its byte."""

    container: Container
    run: Run
    forked: worker.Forked


class Starter:
    """Of one pod's containers. ``save`` puts the facts on disk before anything may run."""

    def __init__(
        self, node: Node, stored: StoredPod, watch: Watch, save: Callable[[], None]
    ) -> None:
        self._node = node
        self._stored = stored
        self._watch = watch
        self._save = save

    @property
    def _facts(self) -> Facts:
        return self._stored.facts

    async def start(self, wanted: Sequence[StartContainer]) -> None:
        """What cannot be started is a Trouble, or the exit of a run, of the facts. OSError when a
        run cannot be recorded; then nothing of it ran."""
        coming = deque(wanted)
        launches: deque[asyncio.Task[_Launched | None]] = deque()
        try:
            while self._fill(launches, coming):
                launched = await launches.popleft()
                self._fill(launches, coming)
                if launched is not None:
                    await self._begin(launched)
        finally:
            for launch in launches:
                launch.add_done_callback(_abandon)

    def _fill(
        self, launches: deque[asyncio.Task[_Launched | None]], coming: deque[StartContainer]
    ) -> bool:
        """Keep some launches under way; whether there are any."""
        while coming and len(launches) < _SIDE_BY_SIDE:
            action = coming.popleft()
            if self._facts.deletion is not None and not self._still_needed(action.name):
                coming.clear()  # asked meanwhile: what waits is not begun
                break
            launches.append(asyncio.create_task(self._launch(action)))
        return bool(launches)

    def _still_needed(self, name: str) -> bool:
        """A sidecar, by those that end before it."""
        fallen = fallen_sidecars(self._stored.pod, self._facts)
        return any(container.name == name for container in fallen)

    async def _launch(self, action: StartContainer) -> _Launched | None:
        """Forked, with everything made, up to the point where it waits."""
        spec = self._stored.pod.spec
        container = next(c for c in spec.all_containers if c.name == action.name)
        run = self._new_run(container, action.attempt)
        body = partial(operations.launch_container, self._node, self._stored, container, run)
        forked = None
        try:
            forked = worker.Forked(body)
            _is_of(run, msgspec.convert((await _said(forked, "image"))["image"], Found))
            run.note = str((await _said(forked, "created"))["created"]["note"])
        except PodrunError as error:
            if forked is not None:
                _let_end(forked)
            self._trouble(action.name, error)
            return None
        return _Launched(container, run, forked)

    async def _begin(self, launched: _Launched) -> None:
        """On record, then its byte, then until it is known to have started."""
        run, forked = launched.run, launched.forked
        self._watch.monitor(launched.container.name, run, forked.pidfd, is_child=True)
        try:
            self._put_on_record(launched.container, run)
            forked.let_go()
            answer = await forked.lines.next()  # a failure shows as the monitor's exit record
            if answer is not None and "started" in answer and run.started_at is None:
                run.started_at = float(answer["started"])
        finally:
            forked.close()  # before its byte was sent, this ends the container

    def _new_run(self, container: Container, attempt: int) -> Run:
        assert self._facts.sandbox is not None
        return Run(
            id=secrets.token_hex(32),
            attempt=attempt,
            image=self._image(container),
            image_id="",
            spec_hash=spec_hash(container),
            resources_hash=resources_hash(container),
            resources=container.resources,
            sandbox_attempt=self._facts.sandbox.attempt,
            created_at=time.time(),
            round=self._facts.round.number,
            cgroup=container_cgroup(self._node.config, self._stored.pod, container.name, attempt),
        )

    def _image(self, container: Container) -> str:
        """Its name in the store: what the pull found; without one, what the run before had."""
        known = self._facts.of(container.name)
        pull = pull_of(known, container)
        if pull is not None and pull.name:
            return pull.name
        before = known.current
        if before is not None and before.spec_hash == spec_hash(container):
            return before.image
        return container.image

    def _put_on_record(self, container: Container, run: Run) -> None:
        """Durable on return. OSError (a full disk): then the run never was."""
        name = container.name
        before = self._facts.of(name)
        settings = backoff.settings_for(self._stored.pod, self._node.settings)
        self._facts.containers[name] = backoff.next_run(before, run, settings, container)
        try:
            self._save()
        except OSError as error:
            self._facts.containers[name] = before
            self._trouble(name, MechanismFailed.from_oserror("record the run", error))
            raise

    def _trouble(self, name: str, error: PodrunError) -> None:
        known = self._facts.containers.setdefault(name, ContainerFacts())
        known.pull = None  # what it found may be what is wrong now
        pod = self._stored.pod
        container = next(c for c in pod.spec.all_containers if c.name == name)
        forget_pulls(pod, self._facts, container)
        known.trouble = backoff.next_trouble(
            known.trouble, error.reason or "CreateContainerError", error.text, time.time()
        )


def _abandon(launch: asyncio.Task[_Launched | None]) -> None:
    """Of a launch that nobody waits for any more: without its byte the container ends."""
    if not launch.cancelled() and launch.exception() is None:
        launched = launch.result()
        if launched is not None:
            _let_end(launched.forked)


def _let_end(forked: worker.Forked) -> None:
    forked.close()
    worker.reap_later(forked.pidfd)


def _is_of(run: Run, found: Found) -> None:
    run.image, run.image_id, run.image_reference = found.name, found.image_id, found.reference


async def _said(forked: worker.Forked, key: str) -> dict[str, Any]:
    answer = await forked.lines.next()
    if answer is None or key not in answer:
        worker.unpack(answer, "start container")
        raise MechanismFailed(f"start container: the worker said {answer!r} before {key!r}")
    return answer
