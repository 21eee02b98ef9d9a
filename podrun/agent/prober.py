"""The probes of one pod: when they are due, policy says; here they are tried.

    look ──► agenda (pure) ──► timer for the first that is not under way ──┐
     ▲                                                                     ▼
     └── facts, event ◄── observe, apply_result (pure) ◄── try ◄── turn ◄──┘

Nothing is polled: without probes there is no timer, and a probe that is due every ten seconds wakes
the agent every ten seconds.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable

from podrun.agent.handlers import Handlers
from podrun.agent.podstore import StoredPod
from podrun.agent.turns import Turns
from podrun.pod import probes
from podrun.pod.events import Event
from podrun.pod.facts import Run
from podrun.pod.probes import Due, ProbeState
from podrun.probe.outcome import ERROR, Outcome

log = logging.getLogger(__name__)

#: the same words about the same probe are told no more often: each telling writes a file
_TELL_AGAIN_SECONDS = 10.0
#: pause after what should not happen: a full disk, or a defect of ours
_RETRY_SECONDS = 1.0


class Prober:
    """``changed`` is called when a result has changed the facts, ``tell`` with what the user
    should know besides. Call ``look`` after every change of pod or facts."""

    def __init__(
        self,
        stored: StoredPod,
        handlers: Handlers,
        turns: Turns,
        changed: Callable[[], None],
        tell: Callable[[Event], None],
    ) -> None:
        self._stored = stored
        self._handlers = handlers
        self._turns = turns
        self._changed = changed
        self._tell = tell
        self._states: dict[probes.Key, ProbeState] = {}
        self._told: dict[probes.Key, tuple[str, float]] = {}
        self._under_way: dict[probes.Key, tuple[str, asyncio.Task[None]]] = {}
        self._timer: asyncio.TimerHandle | None = None

    def look(self) -> None:
        """Begin what is due, and set the timer for what will be."""
        self._stop_timer()
        self._abandon()
        now = time.time()
        for due in probes.agenda(self._stored.pod, self._stored.facts, self._states):
            if (due.name, due.kind) in self._under_way:
                continue
            if due.at > now:
                loop = asyncio.get_running_loop()
                self._timer = loop.call_later(due.at - now, self.look)
                return
            self._begin(due)

    def _abandon(self) -> None:
        """Tries for runs that are over: what they came to would mean nothing."""
        for key, (run_id, task) in list(self._under_way.items()):
            if self._live_run(key[0], run_id) is None:
                task.cancel()
                del self._under_way[key]

    def _begin(self, due: Due) -> None:
        key = (due.name, due.kind)
        task = asyncio.get_running_loop().create_task(self._try(due))
        self._under_way[key] = (due.run_id, task)

    async def _try(self, due: Due) -> None:
        key = (due.name, due.kind)
        try:
            async with self._turns.taken():
                outcome = await self._outcome(due)
            self._take(due, outcome, time.time())
        except Exception:  # this probe's trouble is not the others'
            log.exception("%s probe of %s", due.kind, due.name)
            await asyncio.sleep(_RETRY_SECONDS)
        finally:
            if self._under_way.get(key, ("",))[0] == due.run_id:
                del self._under_way[key]
        self.look()

    async def _outcome(self, due: Due) -> Outcome:
        """An error is tried again at once, a few times."""
        outcome = Outcome(ERROR, "the container has ended")
        for _ in range(probes.ERROR_TRIES):
            run = self._live_run(due.name, due.run_id)
            if run is None:
                break
            seconds = probes.timeout(due.probe)
            outcome = await self._handlers.probe(due.name, run, due.probe, seconds)
            if outcome.kind != ERROR:
                break
        return outcome

    def _take(self, due: Due, outcome: Outcome, now: float) -> None:
        key, pod, facts = (due.name, due.kind), self._stored.pod, self._stored.facts
        if self._live_run(due.name, due.run_id) is None:
            return
        state = self._states.get(key)
        if state is None or state.run_id != due.run_id:
            state = ProbeState(due.run_id)
        state = probes.observe(due.probe, due.kind, state, outcome.kind, outcome.message, now)
        self._states[key] = state
        changed = probes.apply_result(pod, facts, due.name, due.kind, state, now)
        event = probes.probe_event(pod, facts, due, outcome.kind, outcome.message, now)
        if event is not None and self._is_news(key, event, now):
            self._tell(event)
        if changed:
            self._changed()

    def _is_news(self, key: probes.Key, event: Event, now: float) -> bool:
        words, told_at = self._told.get(key, ("", 0.0))
        if event.message == words and 0 <= now - told_at < _TELL_AGAIN_SECONDS:
            return False
        self._told[key] = (event.message, now)
        return True

    def _live_run(self, name: str, run_id: str) -> Run | None:
        run = self._stored.facts.of(name).current
        return run if run is not None and run.id == run_id and run.exit is None else None

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def close(self) -> None:
        """Give up what is under way; nothing is tried any more."""
        self._stop_timer()
        for _, task in self._under_way.values():
            task.cancel()
        self._under_way.clear()
