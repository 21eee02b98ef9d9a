"""The heart of policy: what is due now for one pod (semantics §1–§4).

    deletion ──► stop all ──► StopSandbox ──► ReleasePod
    replaces ──► nothing                 unfit ──► nothing
    too old  ──► PassVerdict
    a sysctl that is not allowed ──► PassVerdict
    ended    ──► stop all ──► StopSandbox ──► nothing, for ever
    sandbox lost ► stop all ► StopSandbox ──► CreateSandbox (attempt + 1) ──► init from the start
    new round ─► stop all ──► init from the start
    else     ──► CreateSandbox, end what must end, pull and start what ought to run, in order

Pure: equal arguments give equal plans. Every action may be carried out twice, and nothing is
planned on the strength of an earlier plan, only of what the facts say was done.
"""

from __future__ import annotations

from podrun.api.pod import Container, Pod
from podrun.pod.actions import (
    Action,
    CreateSandbox,
    PassVerdict,
    Plan,
    ReleasePod,
    ResizeContainer,
    RestartAll,
    RunHook,
    StartContainer,
    StopSandbox,
)
from podrun.pod.backoff import (
    SANDBOX_RETRY_MAX,
    Settings,
    container_retry_at,
    next_attempt,
    sandbox_retry_at,
    settings_for,
)
from podrun.pod.endings import own_ending
from podrun.pod.facts import ContainerFacts, Facts, Run, Trouble
from podrun.pod.hooks import POST_START, is_starting, wants_post_start
from podrun.pod.imagevolumes import pullers_for
from podrun.pod.outcome import outcome
from podrun.pod.pulling import due_back_off, is_there, next_pull
from podrun.pod.resources import resources_hash
from podrun.pod.restarts import NEVER, restarts_when_failed
from podrun.pod.rounds import restart_all_due
from podrun.pod.runs import (
    RESTARTING_ALL,
    any_live,
    any_run,
    has_post_start,
    is_running,
    live_containers,
    run_here,
)
from podrun.pod.startup import due_at, wanted
from podrun.pod.sysctls import FORBIDDEN, forbidden
from podrun.pod.termination import Steps, Stop, end, stop_all, stop_reason

__all__ = ["Plan", "Settings", "plan"]

DEADLINE_EXCEEDED = "DeadlineExceeded"
DEADLINE_MESSAGE = "Pod was active on the node longer than the specified deadline"
SANDBOX_LOST = "SandboxLost"
SANDBOX_LOST_MESSAGE = "The pod's sandbox was lost and restartPolicy Never forbids another one"


def plan(pod: Pod, facts: Facts, now: float, settings: Settings | None = None) -> Plan:
    """Actions due at ``now`` and the time, later than ``now``, of the next look."""
    settings = settings_for(pod, settings)
    if facts.deletion is None and (facts.replaces or facts.unfit):
        return Plan()
    deadline = _active_deadline(pod, facts)
    if deadline is not None and now >= deadline:
        return Plan((PassVerdict(reason=DEADLINE_EXCEEDED, message=DEADLINE_MESSAGE),))
    stop = stop_reason(pod, facts)
    if stop is None:
        steps = _run(pod, facts, now, settings)
    else:
        steps = _stop(pod, facts, stop, now, settings)
    if deadline is not None:
        steps.wakes.append(deadline)
    return Plan(tuple(steps.actions), min(steps.wakes, default=None))


def _active_deadline(pod: Pod, facts: Facts) -> float | None:
    # Counted from status.startTime, initialisation included (§3).
    seconds = pod.spec.active_deadline_seconds
    if seconds is None or facts.deletion is not None or outcome(pod, facts):
        return None
    return facts.accepted_at + seconds


def _run(pod: Pod, facts: Facts, now: float, settings: Settings) -> Steps:
    if facts.sandbox is None:
        why = forbidden(pod, settings.allowed_unsafe_sysctls)
        if why:
            return Steps([PassVerdict(reason=FORBIDDEN, message=why)])
        return _create_sandbox(facts, now)
    if restart_all_due(pod, facts):
        number = facts.round.number + 1
        return Steps([RestartAll(why=RESTARTING_ALL, number=number)])
    steps = _tend(pod, facts, now)
    if any(is_starting(container, run) for container, run in live_containers(pod, facts)):
        return steps  # one at a time, its hook included (§1.5)
    held_up = False
    for container in wanted(pod, facts):
        known, is_init = facts.of(container.name), container in pod.spec.init_containers
        due = due_at(facts, container, settings)
        if due > now:
            _wait(container, known.trouble, due, now, steps)
            continue
        missing = [
            each for each in pullers_for(pod, container) if not is_there(facts.of(each.name), each)
        ]
        if _pull_volumes(facts, missing, now, steps):
            continue
        if not missing and is_there(known, container):
            if held_up and run_here(facts, container.name) is None:
                continue
            attempt = next_attempt(known)
            steps.actions.append(StartContainer(name=container.name, attempt=attempt))
            if is_init or has_post_start(container):
                break  # the next one waits for more than this one's start
        else:
            _pull(container, known, steps)
            if run_here(facts, container.name) is None:
                held_up = True  # first starts keep their order; images may come in any
                if is_init:
                    break
    return steps


def _pull(container: Container, known: ContainerFacts, steps: Steps) -> None:
    action = next_pull(known, container)
    if action is not None and action not in steps.actions:
        steps.actions.append(action)


def _pull_volumes(facts: Facts, missing: list[Container], now: float, steps: Steps) -> bool:
    """Pull those that may be; whether one has failed, and is waited with."""
    failed = False
    for puller in missing:
        known = facts.of(puller.name)
        due = container_retry_at(known.trouble)
        if due > now:
            failed = True
            _wait(puller, known.trouble, due, now, steps)
        else:
            _pull(puller, known, steps)
    return failed


def _wait(
    container: Container, trouble: Trouble | None, due: float, now: float, steps: Steps
) -> None:
    steps.wakes.append(due)
    _back_off(container, trouble, now, steps)


def _back_off(container: Container, trouble: Trouble | None, now: float, steps: Steps) -> None:
    due = due_back_off(container, trouble, now)
    if isinstance(due, Action):
        steps.actions += [due] if due not in steps.actions else []
    elif due is not None:
        steps.wakes.append(due)


def _tend(pod: Pod, facts: Facts, now: float) -> Steps:
    """What each running container needs: its end, its postStart hook, other resources."""
    steps = Steps()
    for container, run in live_containers(pod, facts):
        if not is_running(run):
            continue
        stop = own_ending(pod, container, run, now)
        if stop is not None:
            end(container, run, stop, now, steps)
        elif wants_post_start(container, run):
            steps.actions.append(RunHook(name=container.name, hook=POST_START))
        elif run.resources_hash not in ("", resources_hash(container)):
            _resize(container, run, now, steps)
    return steps


def _resize(container: Container, run: Run, now: float, steps: Steps) -> None:
    due = container_retry_at(run.resize_trouble)
    if due > now:
        steps.wakes.append(due)
    else:
        steps.actions.append(ResizeContainer(name=container.name))


def _stop(pod: Pod, facts: Facts, stop: Stop, now: float, settings: Settings) -> Steps:
    if any_live(pod, facts):
        return stop_all(pod, facts, stop, now, settings)
    sandbox = facts.sandbox
    if sandbox is not None and sandbox.stopped_at is None:
        return _at(sandbox_retry_at(facts.sandbox_trouble), StopSandbox(), now)
    if facts.deletion is not None:
        return _at(_release_at(facts.sandbox_trouble, stop), ReleasePod(), now)
    if outcome(pod, facts):
        return Steps()
    if _ends_with_its_sandbox(pod) and any_run(pod, facts):
        return Steps([PassVerdict(reason=SANDBOX_LOST, message=SANDBOX_LOST_MESSAGE)])
    return _create_sandbox(facts, now)


def _ends_with_its_sandbox(pod: Pod) -> bool:
    """With Never no container would run again in a new sandbox, unless its own policy differs."""
    if pod.spec.restart_policy != NEVER:
        return False
    return not any(restarts_when_failed(pod, container) for container in pod.spec.containers)


def _create_sandbox(facts: Facts, now: float) -> Steps:
    attempt = 0 if facts.sandbox is None else facts.sandbox.attempt + 1
    return _at(sandbox_retry_at(facts.sandbox_trouble), CreateSandbox(attempt=attempt), now)


def _release_at(trouble: Trouble | None, stop: Stop) -> float:
    """0, or when to repeat a release that failed: first after 1 s, at last every 10 s.

    The trouble may also be that of a sandbox whose creation the deletion overtook. That is no
    reason to wait, and where the two cannot be told apart it costs a second.
    """
    if trouble is None or trouble.at <= stop.began_at:
        return 0.0
    return trouble.at + min(max(trouble.at - stop.began_at, 1.0), SANDBOX_RETRY_MAX)


def _at(due: float, action: Action, now: float) -> Steps:
    return Steps(wakes=[due]) if due > now else Steps([action])
