"""How the containers of a pod are ended (semantics §2).

began_at                                     deadline = began_at + max(grace, 2 s)
   │ stop signal to all app and init containers   │ SIGKILL
   ├──────────────────────────────────────────────┤
   └─ when these are gone: sidecars, last first,  │ stop signal to all sidecars left,
      each once the one after it is gone          │ SIGKILL 2 s later
"""

from __future__ import annotations

import msgspec

from podrun.api.pod import Container, Pod
from podrun.pod.actions import Action, KillContainer, SignalContainer
from podrun.pod.facts import Facts, Run
from podrun.pod.outcome import ended_at, outcome
from podrun.pod.runs import is_sidecar, live_containers

DEFAULT_GRACE = 30
FLOOR = 2  # nobody is killed sooner after his stop signal
KILL_AGAIN = 5  # a kill that did not end the container is repeated


class Stop(msgspec.Struct, frozen=True):
    """Why all containers of the pod must end, since when, and how long they may take."""

    why: str  # Deleted, SandboxChanged, Finished, or the reason of a verdict
    began_at: float
    grace_seconds: int
    at_once: bool = False

    @property
    def deadline(self) -> float:
        return self.began_at + max(self.grace_seconds, FLOOR)


class Steps(msgspec.Struct):
    """What is due now and the next time at which something becomes due."""

    actions: list[Action] = []
    wakes: list[float] = []


def stop_reason(pod: Pod, facts: Facts) -> Stop | None:
    """The reason to end every container, None while the pod may run."""
    if facts.deletion is not None:
        asked = facts.deletion
        return Stop("Deleted", asked.began_at, asked.grace_seconds, asked.grace_seconds == 0)
    if outcome(pod, facts):
        why = facts.verdict.reason if facts.verdict is not None else "Finished"
        return Stop(why, ended_at(pod, facts), grace(pod))
    sandbox = facts.sandbox
    if sandbox is not None and not sandbox.ready:
        lost_at = sandbox.created_at if sandbox.lost_at is None else sandbox.lost_at
        return Stop("SandboxChanged", lost_at, grace(pod))
    return None


def stop_all(pod: Pod, facts: Facts, stop: Stop, now: float) -> Steps:
    """The steps towards no live container; empty when there is none."""
    steps = Steps()
    live = list(live_containers(pod, facts))
    due = _due(live, past_deadline=now >= stop.deadline or stop.at_once)
    for container, run in due:
        if stop.at_once:
            kill(container, run, stop.why, now, steps)
        else:
            end(container, run, stop.why, stop.deadline, now, steps)
    if len(due) < len(live):
        steps.wakes.append(stop.deadline)
    return steps


def end(
    container: Container, run: Run, why: str, deadline: float, now: float, steps: Steps
) -> None:
    """One container's way out: the stop signal once, then SIGKILL at ``deadline`` or later."""
    if run.started_at is None:  # nothing runs yet that could be asked to stop
        return kill(container, run, why, now, steps)
    if run.stop_sent_at is None:
        steps.actions.append(SignalContainer(name=container.name, signal="", why=why))
        steps.wakes.append(max(deadline, now + FLOOR))
        return None
    kill_at = max(deadline, run.stop_sent_at + FLOOR)
    if now < kill_at:
        steps.wakes.append(kill_at)
        return None
    return kill(container, run, why, now, steps)


def kill(container: Container, run: Run, why: str, now: float, steps: Steps) -> None:
    again_at = 0.0 if run.kill_sent_at is None else run.kill_sent_at + KILL_AGAIN
    if now >= again_at:
        steps.actions.append(KillContainer(name=container.name, why=why))
        again_at = now + KILL_AGAIN
    steps.wakes.append(again_at)


def grace(pod: Pod) -> int:
    seconds = pod.spec.termination_grace_period_seconds
    return DEFAULT_GRACE if seconds is None else seconds


def _due(live: list[tuple[Container, Run]], *, past_deadline: bool) -> list[tuple[Container, Run]]:
    # Sidecars wait for everyone else, then for each other in reverse order (§2).
    if past_deadline:
        return live
    others = [(container, run) for container, run in live if not is_sidecar(container)]
    return others or live[-1:]
