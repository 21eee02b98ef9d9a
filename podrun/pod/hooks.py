"""Lifecycle hooks as policy sees them.

started ──► postStart ──well──► started, and the next container may start
                 └─ failed ──► the container is ended, and restarted by its policy

A hook whose end nobody saw, because the agent was gone, runs again: they run at least once.
"""

from __future__ import annotations

import msgspec

from podrun.api.pod import Container
from podrun.pod.facts import Facts, Hook, Run
from podrun.pod.runs import has_post_start, is_ending, is_running

POST_START, PRE_STOP = "postStart", "preStop"
POST_START_ERROR = "PostStartHookError"


def wants_post_start(container: Container, run: Run) -> bool:
    """The hook is due: it has not begun in this run."""
    if not has_post_start(container) or run.post_start is not None:
        return False
    return is_running(run) and not is_ending(run)


def is_starting(container: Container, run: Run) -> bool:
    """Its start, of which postStart is a part, is on its way: the next one waits (§1.5)."""
    if run.exit is not None or is_ending(run):
        return False
    if run.started_at is None:
        return True
    began = run.post_start
    return has_post_start(container) and (began is None or began.done_at is None)


def hook_began(run: Run, hook: str, why: str, now: float) -> None:
    """What carrying out ``RunHook`` records first of all."""
    if hook == POST_START:
        run.post_start = Hook(began_at=now)
        return
    run.pre_stop = Hook(began_at=now)
    run.stop_reason = run.stop_reason or why


def hook_ended(run: Run, hook: str, error: str, now: float) -> None:
    """``error`` is "" when it went well. Of a run that has ended nothing is changed:
    a container that ends by itself in the middle of its hook leaves a hook without end.
    """
    if run.exit is not None:
        return
    if hook == POST_START and run.post_start is not None:
        run.post_start = msgspec.structs.replace(run.post_start, done_at=now, error=error)
    elif hook == PRE_STOP and run.pre_stop is not None:
        run.pre_stop = msgspec.structs.replace(run.pre_stop, done_at=now, error=error)


def forget_unfinished(facts: Facts) -> None:
    """For an agent that takes over: hooks that were under way begin again."""
    for known in facts.containers.values():
        run = known.current
        if run is None or run.exit is not None:
            continue
        if run.post_start is not None and run.post_start.done_at is None:
            run.post_start = None
        if run.pre_stop is not None and run.pre_stop.done_at is None:
            run.pre_stop = None
