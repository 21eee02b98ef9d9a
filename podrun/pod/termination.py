"""How containers are ended (semantics §2).

one container

    began_at ──► preStop ──it is done, or──► stop signal ──► SIGKILL
       │         the grace is over ▲             │             ▲
       └──────────── grace ────────┴─────────────┴── or 2 s ───┘  whichever is later

all containers of a pod

    preStop hooks of all at once ─► stop signal to app and init containers
    these are gone ─► sidecars, last first, each once the one after it is gone
    began_at + grace ─► stop signal to all that are left, SIGKILL 2 s later

A sidecar that dies by itself before its turn is started again: whoever still runs may need it
(KEP-4438). It has its postStart hook then, and its preStop hook only when its turn has come.
"""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from podrun.api.pod import Container, Pod
from podrun.pod.actions import Action, KillContainer, RunHook, SignalContainer, StartContainer
from podrun.pod.backoff import Settings, next_attempt
from podrun.pod.facts import Facts, Run
from podrun.pod.hooks import POST_START, is_starting, wants_post_start
from podrun.pod.outcome import ended_at, outcome
from podrun.pod.runs import (
    RESTARTING_ALL,
    has_pre_stop,
    is_ending,
    is_outdated,
    is_running,
    is_sidecar,
    live_containers,
    run_here,
)
from podrun.pod.startup import due_at

DEFAULT_GRACE = 30
EVICTED = "Evicted"
FLOOR = 2  # nobody is killed sooner after his stop signal
KILL_AGAIN = 5  # a kill that did not end the container is repeated


class Stop(msgspec.Struct, frozen=True):
    """Why a container, or all of them, must end, since when, and how long they may take."""

    why: str  # Deleted, SandboxChanged, Finished, the reason of a verdict, ``runs.SPEC_CHANGED``…
    began_at: float
    grace_seconds: int
    at_once: bool = False
    hooks: bool = True  # False: there is nothing a preStop hook could talk to
    sidecars: bool = False  # those that die before their turn start again, unless ``at_once``

    @property
    def deadline(self) -> float:
        """No hook runs longer, no stop signal is put off longer."""
        return self.began_at + self.grace_seconds


class Steps(msgspec.Struct):
    """What is due now and the next time at which something becomes due."""

    actions: list[Action] = []
    wakes: list[float] = []


def stop_reason(pod: Pod, facts: Facts) -> Stop | None:
    """The reason to end every container, None while the pod may run."""
    if facts.deletion is not None:
        began_at, seconds = facts.deletion.began_at, facts.deletion.grace_seconds
        return Stop("Deleted", began_at, seconds, at_once=seconds == 0, sidecars=True)
    if outcome(pod, facts):
        why = facts.verdict.reason if facts.verdict is not None else "Finished"
        at_once = why == EVICTED  # what uses too much of the disk gets no time to use more
        return Stop(why, ended_at(pod, facts), grace(pod), at_once, sidecars=True)
    sandbox = facts.sandbox
    if sandbox is not None and not sandbox.ready:
        lost_at = sandbox.created_at if sandbox.lost_at is None else sandbox.lost_at
        return Stop("SandboxChanged", lost_at, grace(pod), hooks=False)
    if any(is_outdated(facts, run) for _, run in live_containers(pod, facts)):
        why, at_once = facts.round.why, facts.round.why == RESTARTING_ALL
        return Stop(why, facts.round.began_at, grace(pod), at_once)
    return None


def stop_all(pod: Pod, facts: Facts, stop: Stop, now: float, settings: Settings) -> Steps:
    """The steps towards no live container; empty when there is none."""
    steps = Steps()
    live = list(live_containers(pod, facts))
    turn = _turn(pod, live)
    for container, run in live:
        if stop.at_once or container.name in turn or now >= stop.deadline:
            end(container, run, stop, now, steps)
        elif not (stop.sidecars and run.created_at > stop.began_at):
            _prepare(container, run, stop, now, steps)
        else:  # started again since
            steps.wakes.append(stop.deadline)
            if wants_post_start(container, run):
                steps.actions.append(RunHook(name=container.name, hook=POST_START))
    if stop.sidecars and not stop.at_once and now < stop.deadline:
        _start_again(pod, facts, now, settings, steps)
    return steps


def fallen_sidecars(pod: Pod, facts: Facts) -> Iterator[Container]:
    """Sidecars that ended unasked while the pod ends and others than sidecars still run."""
    live = list(live_containers(pod, facts))
    if all(is_sidecar(pod, container) for container, _ in live):
        return
    for container in pod.spec.init_containers:
        run = run_here(facts, container.name)
        if is_sidecar(pod, container) and run is not None and run.exit and not is_ending(run):
            yield container


def _start_again(pod: Pod, facts: Facts, now: float, settings: Settings, steps: Steps) -> None:
    if any(is_starting(container, run) for container, run in live_containers(pod, facts)):
        return  # one at a time, as ever
    for container in fallen_sidecars(pod, facts):
        due = due_at(facts, container, settings)
        if due <= now:
            attempt = next_attempt(facts.of(container.name))
            steps.actions.append(StartContainer(name=container.name, attempt=attempt))
            return
        steps.wakes.append(due)


def end(container: Container, run: Run, stop: Stop, now: float, steps: Steps) -> None:
    """One container's way out: its hook, the stop signal once, then SIGKILL."""
    if stop.at_once or run.started_at is None:  # not started: nothing could be asked to stop
        return kill(container, run, stop.why, now, steps)
    if run.stop_sent_at is not None:
        return _follow_up(container, run, stop, now, steps)
    if _prepare(container, run, stop, now, steps):
        return None
    signal = container.lifecycle.stop_signal if container.lifecycle is not None else ""
    steps.actions.append(SignalContainer(name=container.name, signal=signal, why=stop.why))
    steps.wakes.append(max(stop.deadline, now + FLOOR))
    return None


def kill(container: Container, run: Run, why: str, now: float, steps: Steps) -> None:
    again_at = 0.0 if run.kill_sent_at is None else run.kill_sent_at + KILL_AGAIN
    if now >= again_at:
        steps.actions.append(KillContainer(name=container.name, why=why))
        again_at = now + KILL_AGAIN
    steps.wakes.append(again_at)


def grace(pod: Pod) -> int:
    seconds = pod.spec.termination_grace_period_seconds
    return DEFAULT_GRACE if seconds is None else seconds


def _prepare(container: Container, run: Run, stop: Stop, now: float, steps: Steps) -> bool:
    """Begin the preStop hook where there is one; whether the stop signal must wait for it."""
    if now >= stop.deadline:
        return False
    steps.wakes.append(stop.deadline)
    if run.pre_stop is not None:
        return run.pre_stop.done_at is None
    unasked = is_running(run) and run.stop_sent_at is None and run.kill_sent_at is None
    if not (stop.hooks and unasked and has_pre_stop(container)):
        return False
    left = stop.deadline - now
    hook = RunHook(name=container.name, hook="preStop", timeout=left, why=stop.why)
    steps.actions.append(hook)
    return True


def _follow_up(container: Container, run: Run, stop: Stop, now: float, steps: Steps) -> None:
    assert run.stop_sent_at is not None
    kill_at = max(stop.deadline, run.stop_sent_at + FLOOR)
    if now < kill_at:
        steps.wakes.append(kill_at)
    else:
        kill(container, run, stop.why, now, steps)


def _turn(pod: Pod, live: list[tuple[Container, Run]]) -> set[str]:
    """Sidecars wait for everyone else, then for each other in reverse order (§2)."""
    others = {container.name for container, _ in live if not is_sidecar(pod, container)}
    return others or {container.name for container, _ in live[-1:]}
