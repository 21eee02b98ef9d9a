"""Questions about one container and its run, asked by every rule of policy.

process runs ─► postStart done ─┐
process runs ─► startup probe ──┴─► started ─► readiness probe ─► ready
"""

from __future__ import annotations

from collections.abc import Iterator

from podrun.api.pod import Container, Pod
from podrun.pod.facts import Exit, Facts, Hook, Run

# ``Run.stop_reason``: why policy ended the run.
SPEC_CHANGED = "SpecChanged"
RESIZED = "Resized"
RESTART_REQUESTED = "RestartRequested"
RESTARTING_ALL = "RestartingAllContainers"
UNHEALTHY = "Unhealthy"
POST_START_FAILED = "FailedPostStartHook"


def is_init(pod: Pod, container: Container) -> bool:
    """An entry of ``spec.initContainers``, sidecars included."""
    return any(init.name == container.name for init in pod.spec.init_containers)


def is_sidecar(pod: Pod, container: Container) -> bool:
    """An init container with ``restartPolicy: Always`` (semantics §1.3)."""
    return container.restart_policy == "Always" and is_init(pod, container)


def is_live(run: Run | None) -> bool:
    """Created and not ended: it has, or may be about to have, a process."""
    return run is not None and run.exit is None


def is_running(run: Run | None) -> bool:
    return run is not None and run.exit is None and run.started_at is not None


def is_ending(run: Run) -> bool:
    """Policy has begun to end it: no hook or signal of that is taken back."""
    return ending_began_at(run) is not None


def ending_began_at(run: Run) -> float | None:
    """When its preStop hook began, or the first signal was sent."""
    if run.pre_stop is not None:
        return run.pre_stop.began_at
    return run.kill_sent_at if run.stop_sent_at is None else run.stop_sent_at


def has_post_start(container: Container) -> bool:
    return container.lifecycle is not None and container.lifecycle.post_start is not None


def has_pre_stop(container: Container) -> bool:
    return container.lifecycle is not None and container.lifecycle.pre_stop is not None


def went_well(hook: Hook | None) -> bool:
    return hook is not None and hook.done_at is not None and not hook.error


def is_started(container: Container, run: Run | None) -> bool:
    """The gate that opens the way for the next container, and for the other probes (§1.3, §6)."""
    return is_running(run) and started_since(container, run) is not None


def started_since(container: Container, run: Run | None) -> float | None:
    """When the run became started, whether or not it has ended since; None if it never did."""
    if run is None or run.started_at is None:
        return None
    times = [run.started_at]
    if has_post_start(container):
        if not went_well(run.post_start):
            return None
        assert run.post_start is not None and run.post_start.done_at is not None
        times.append(run.post_start.done_at)
    if container.startup_probe is not None:
        if run.startup_at is None:
            return None
        times.append(run.startup_at)
    return max(times)


def is_container_ready(container: Container, run: Run | None) -> bool:
    """Of a sidecar or an app container: started, and the readiness probe says so, if any."""
    if not is_started(container, run):
        return False
    return container.readiness_probe is None or (run is not None and run.ready is True)


def ready_since(container: Container, run: Run | None) -> float | None:
    """When the run became ready; None while it is not."""
    if run is None or not is_container_ready(container, run):
        return None
    since = started_since(container, run)
    if container.readiness_probe is None or run.ready_changed_at is None or since is None:
        return since
    return max(since, run.ready_changed_at)


def init_succeeded(exit: Exit | None) -> bool:
    """Code 0, and nothing of it was killed for memory (semantics §1.2)."""
    return exit is not None and exit.code == 0 and not exit.oom_killed


def is_outdated(facts: Facts, run: Run) -> bool:
    """Of an earlier round: it is ended, and what has ended runs anew."""
    return run.round != facts.round.number


def run_here(facts: Facts, name: str) -> Run | None:
    """The newest run of ``name`` if it belongs to the present sandbox and round (§1.6)."""
    run = facts.of(name).current
    if run is None or facts.sandbox is None or run.sandbox_attempt != facts.sandbox.attempt:
        return None
    return None if is_outdated(facts, run) else run


def live_containers(pod: Pod, facts: Facts) -> Iterator[tuple[Container, Run]]:
    """Containers with a live run, in the order of the spec, init containers first."""
    for container in pod.spec.all_containers:
        run = facts.of(container.name).current
        if run is not None and run.exit is None:
            yield container, run


def any_live(pod: Pod, facts: Facts) -> bool:
    return any(True for _ in live_containers(pod, facts))


def any_run(pod: Pod, facts: Facts) -> bool:
    """Some container of the pod was created at least once."""
    return any(facts.of(container.name).current for container in pod.spec.all_containers)


def has_initialised(pod: Pod, facts: Facts) -> bool:
    """An app container was created in the present sandbox, so all init ended well (§1.6)."""
    return any(run_here(facts, container.name) for container in pod.spec.containers)
