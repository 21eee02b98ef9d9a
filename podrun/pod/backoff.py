"""When a container may run again, and when a failed try may be repeated (semantics §4).

    run 0 ends ─0 s─► run 1 ends ─10 s─► run 2 ends ─20 s─► … 40, 80, 160, 300, 300 …
    a run longer than ten minutes, a changed definition, a restart asked for: from the start again

The delay counts from the end of the last run. ``ContainerFacts.backoff_seconds`` is the delay that
will follow the current run; ``next_run`` sets it, so no timer has to survive a restart.
"""

from __future__ import annotations

import contextlib

import msgspec

from podrun.api.pod import Container, Pod
from podrun.pod.facts import ContainerFacts, Exit, Run, Trouble
from podrun.pod.runs import RESIZED, started_since

FIRST_DELAY = 10
LONGEST_DELAY = 300
RESET_AFTER = 600  # a run that lasted longer forgives those before it, whatever the maximum
# Of a pod, the seconds that no back-off of its containers may exceed.
PERIOD_ANNOTATION = "podrun.io/max-container-restart-period"
SANDBOX_RETRY_MAX = 10  # the pace at which a failed sync is repeated
CONFIG_RETRY = 10
PULL_RETRY_FIRST = 10
PULL_RETRY_MAX = 300


class Settings(msgspec.Struct, frozen=True):
    """What the node's configuration says to policy; times in seconds."""

    max_restart_period: int = LONGEST_DELAY
    first_pull_delay: float = PULL_RETRY_FIRST
    allowed_unsafe_sysctls: tuple[str, ...] = ()


def settings_for(pod: Pod, settings: Settings | None) -> Settings:
    """The node's settings as the pod's annotation changes them (1 to 300 s; others are ignored)."""
    node = settings or Settings()
    with contextlib.suppress(ValueError):
        seconds = int(pod.metadata.annotations.get(PERIOD_ANNOTATION, ""))
        if 1 <= seconds <= LONGEST_DELAY:
            return msgspec.structs.replace(node, max_restart_period=seconds)
    return node


def restart_delay(container: ContainerFacts, settings: Settings, spec_hash: str) -> int:
    """Seconds between the end of the current run and the start of the next one."""
    run = container.current
    if run is None or run.exit is None or _starts_over(run, run.exit, spec_hash):
        return 0
    return min(container.backoff_seconds, settings.max_restart_period)


def restart_at(container: ContainerFacts, settings: Settings, spec_hash: str) -> float | None:
    """When the next run is due by the back-off alone; None when there is no ended run."""
    run = container.current
    if run is None or run.exit is None:
        return None
    return run.exit.finished_at + restart_delay(container, settings, spec_hash)


def next_run(
    container: ContainerFacts, run: Run, settings: Settings, spec: Container | None = None
) -> ContainerFacts:
    """The facts once ``run`` was created: the current one becomes the last, the back-off grows.

    ``settings`` are those of ``settings_for``. From ``spec`` follows whether the run before had
    been ready; without it, it had unless its readiness probe said otherwise.
    """
    previous = container.current
    if previous is not None and previous.id == run.id:
        return container
    return ContainerFacts(
        current=run,
        last=previous if previous is not None else container.last,
        restarts=max(container.restarts, run.attempt),
        backoff_seconds=_next_backoff(container, run, settings),
        unready_at=unready_at(container, spec),
        pull=container.pull,
    )


def next_attempt(container: ContainerFacts) -> int:
    """The number of the next run: 0 for the first, else one more than ever before."""
    if container.current is None and container.last is None:
        return 0
    return container.restarts + 1


def _next_backoff(container: ContainerFacts, run: Run, settings: Settings) -> int:
    previous = container.current
    if previous is None or previous.exit is None:
        return 0  # the first crash is restarted at once
    first = min(FIRST_DELAY, settings.max_restart_period)
    if _starts_over(previous, previous.exit, run.spec_hash):
        return first
    return min(max(first, container.backoff_seconds * 2), settings.max_restart_period)


def unready_at(container: ContainerFacts, spec: Container | None) -> float | None:
    """When it last ceased to be ready, an end that was not yet followed by a run included."""
    run = container.current
    if run is None or run.exit is None or not _was_ready(run, spec):
        return container.unready_at
    return run.exit.finished_at


def _was_ready(run: Run, spec: Container | None) -> bool:
    """Up to its end."""
    if spec is None:
        return run.started_at is not None and run.ready is not False
    probed = spec.readiness_probe is not None
    return started_since(spec, run) is not None and (not probed or run.ready is True)


def _starts_over(run: Run, exit: Exit, spec_hash: str) -> bool:
    # The back-off is kept per definition of the container: a new one is a clean slate.
    if run.restart_requested_at is not None or run.stop_reason == RESIZED:
        return True
    return exit.finished_at - run.created_at > RESET_AFTER or run.spec_hash != spec_hash


def next_trouble(before: Trouble | None, reason: str, message: str, now: float) -> Trouble:
    """The trouble after one more failed try; equal reasons are counted, a new one starts at 1."""
    count = before.count + 1 if before is not None and before.reason == reason else 1
    return Trouble(reason=reason, message=message, at=now, count=count)


def container_retry_at(trouble: Trouble | None) -> float:
    """When a container that could not even be created is tried again; 0 without trouble."""
    if trouble is None:
        return 0.0
    return trouble.at + CONFIG_RETRY if trouble.retry_at is None else trouble.retry_at


def pull_delay(settings: Settings, count: int) -> float:
    """Seconds from the end of the ``count``-th failed pull in a row to the next one."""
    return min(settings.first_pull_delay * (1 << min(count - 1, 16)), float(PULL_RETRY_MAX))


def sandbox_retry_at(trouble: Trouble | None) -> float:
    """1, 2, 4, 8, then every 10 s: a passing shortage should not cost ten seconds. 0: at once."""
    if trouble is None:
        return 0.0
    return trouble.at + _doubled(1, trouble.count, SANDBOX_RETRY_MAX)


def _doubled(first: int, count: int, most: int) -> int:
    return min(first << min(count - 1, 16), most)


def without_run(container: ContainerFacts) -> ContainerFacts:
    """``next_run`` taken back: the current run was created but never let go, so it never was."""
    last = container.last
    return ContainerFacts(
        current=last,
        restarts=last.attempt if last is not None else 0,
        backoff_seconds=container.backoff_seconds // 2,
        unready_at=container.unready_at,
        pull=container.pull,
    )
