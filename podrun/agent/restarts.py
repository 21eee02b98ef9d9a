"""One pod's restart that somebody asked for: begun, watched, and when it cannot be.

ask ──► ended or going: refused
  └───► policy ends the old runs, gracefully, and starts new ones ──► all started ──► restarted
                                              └──► cannot go on ──► obstacle
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from podrun.errors import NotFound, PodrunError
from podrun.pod.outcome import outcome
from podrun.pod.progress import obstacle
from podrun.pod.rounds import request_restart
from podrun.pod.runs import has_post_start, went_well
from podrun.pod.startup import wanted

if TYPE_CHECKING:
    from podrun.agent.podtask import PodTask


class Restart:
    """``container`` "" is the whole pod, init containers too."""

    def __init__(self, task: PodTask, container: str) -> None:
        self.task = task
        self._container = container
        self._before: dict[str, int] = {}  # container → the attempt that must be exceeded

    def check(self) -> None:
        """Raises PodrunError when the pod has ended or is going."""
        name = f"pod/{self.task.stored.key[1]}"
        if self.task.facts.deletion is not None:
            raise PodrunError(f"{name} is being deleted")
        ended = outcome(self.task.stored.pod, self.task.facts)
        if ended:
            raise PodrunError(
                f"{name} has ended: {ended}",
                hint="what has ended stays so: delete the pod and apply it again",
            )

    def ask(self) -> None:
        """Durable on return. Raises NotFound when there is nothing to restart."""
        pod, facts = self.task.stored.pod, self.task.facts
        attempts = {name: self._attempt(name) for name in facts.containers}
        names = (self._container,) if self._container else ()
        asked = request_restart(pod, facts, names, time.time())
        if not asked:
            raise NotFound(
                f'container "{self._container}" of pod/{self.task.stored.key[1]} has not run yet, '
                "or has done its work",
                hint="init containers run again when the whole pod is restarted",
            )
        self._before = {name: attempts.get(name, -1) for name in asked}
        self.task.changed(durable=True)
        self.task.wake()

    def is_over(self) -> bool:
        return self.is_done() or bool(self.obstacle())

    def is_done(self) -> bool:
        """Every container asked for has been started anew, its postStart hook included."""
        return all(self._started_anew(name) for name in self._before)

    def obstacle(self) -> str:
        """Why it does not come to that until somebody acts; "" while it may by itself."""
        pod, facts = self.task.stored.pod, self.task.facts
        if self.task.released or facts.deletion is not None:
            return "it was deleted"
        ended = outcome(pod, facts)
        if ended:
            return f"it has ended: {ended}"
        if facts.sandbox_trouble is None and any(self._is_due(c.name) for c in wanted(pod, facts)):
            return ""  # how the old run ended is no obstacle to the new one
        return obstacle(pod, facts)

    def _attempt(self, name: str) -> int:
        known = self.task.facts.of(name)
        return -1 if known.current is None else known.current.attempt

    def _is_due(self, name: str) -> bool:
        known = self.task.facts.of(name)
        old = name in self._before and self._attempt(name) <= self._before[name]
        return old and known.trouble is None

    def _started_anew(self, name: str) -> bool:
        run = self.task.facts.of(name).current
        if run is None or run.attempt <= self._before[name]:
            return False
        if run.exit is not None:
            return True
        container = next(c for c in self.task.stored.pod.spec.all_containers if c.name == name)
        started = run.started_at is not None
        return started and (not has_post_start(container) or went_well(run.post_start))
