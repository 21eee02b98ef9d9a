"""Which containers ought to run next (semantics §1).

    sandbox ready ─► init 1 ─exit 0─► init 2 ─exit 0─► … ─► app 1 ─postStart─► app 2 ─► …
                       └ a sidecar opens the way as soon as it has started (its process runs, its
                         postStart hook and its startup probe have succeeded), and runs on

The furthest init container with a run in the present sandbox is the frontier: everything before it
has once succeeded (or started), so only sidecars are looked after there.
"""

from __future__ import annotations

from collections.abc import Iterator

from podrun.api.change import spec_hash
from podrun.api.pod import Container, Pod
from podrun.pod.backoff import Settings, container_retry_at, restart_at
from podrun.pod.facts import Facts, Run
from podrun.pod.restarts import runs_again
from podrun.pod.runs import (
    has_initialised,
    init_succeeded,
    is_live,
    is_sidecar,
    is_started,
    run_here,
)


def wanted(pod: Pod, facts: Facts) -> Iterator[Container]:
    """Containers without a live run that ought to have one, first things first."""
    if not has_initialised(pod, facts):
        yield from _wanted_inits(pod, facts)
        if not init_complete(pod, facts):
            return
    else:  # §1.6: what has initialised once is not initialised again
        for container in pod.spec.init_containers:
            if is_sidecar(pod, container) and not is_live(run_here(facts, container.name)):
                yield container
    for container in pod.spec.containers:
        if _wants_run(pod, facts, container):
            yield container


def init_complete(pod: Pod, facts: Facts) -> bool:
    """The way to the app containers is open, or was once in this sandbox."""
    if has_initialised(pod, facts) or not pod.spec.init_containers:
        return True
    last = pod.spec.init_containers[-1]
    return _passed(pod, last, run_here(facts, last.name))


def due_at(facts: Facts, container: Container, settings: Settings) -> float:
    """When the next run of ``container`` may be started: back-off and retries; 0 means at once."""
    known = facts.of(container.name)
    after_exit = restart_at(known, settings, spec_hash(container)) or 0.0
    return max(after_exit, container_retry_at(known.trouble))


def _wanted_inits(pod: Pod, facts: Facts) -> Iterator[Container]:
    frontier = _frontier(pod, facts)
    for index, container in enumerate(pod.spec.init_containers):
        run = run_here(facts, container.name)
        if is_sidecar(pod, container):
            if not is_live(run):
                yield container
        elif index >= frontier and not is_live(run) and not _passed(pod, container, run):
            yield container
        if index >= frontier and not _passed(pod, container, run):
            return


def _frontier(pod: Pod, facts: Facts) -> int:
    inits = enumerate(pod.spec.init_containers)
    return max((index for index, container in inits if run_here(facts, container.name)), default=0)


def _passed(pod: Pod, container: Container, run: Run | None) -> bool:
    """The container after this one may be started."""
    if is_sidecar(pod, container):
        return is_started(container, run)
    return run is not None and init_succeeded(run.exit)


def _wants_run(pod: Pod, facts: Facts, container: Container) -> bool:
    run = facts.of(container.name).current
    if run is None:
        return True
    return run.exit is not None and runs_again(pod, facts, container, run)
