"""Questions about one container and its run, asked by every rule of policy."""

from __future__ import annotations

from collections.abc import Iterator

from podrun.api.pod import Container, Pod
from podrun.pod.facts import Exit, Facts, Run

# ``Run.stop_reason`` of a container that is ended because its definition changed.
SPEC_CHANGED = "SpecChanged"


def is_sidecar(container: Container) -> bool:
    """An init container with ``restartPolicy: Always`` (semantics §1.3)."""
    return container.restart_policy == "Always"


def is_live(run: Run | None) -> bool:
    """Created and not ended: it has, or may be about to have, a process."""
    return run is not None and run.exit is None


def is_running(run: Run | None) -> bool:
    return run is not None and run.exit is None and run.started_at is not None


def is_started(container: Container, run: Run | None) -> bool:
    """The gate that opens the way for the next container (semantics §1.3).

    Today: the process runs. A startup probe or a postStart hook would close it until they succeed.
    """
    return is_running(run)


def is_container_ready(container: Container, run: Run | None) -> bool:
    """Of a sidecar or an app container; today: started. A readiness probe would decide."""
    return is_started(container, run)


def init_succeeded(exit: Exit | None) -> bool:
    """Code 0, and nothing of it was killed for memory (semantics §1.2)."""
    return exit is not None and exit.code == 0 and not exit.oom_killed


def run_here(facts: Facts, name: str) -> Run | None:
    """The newest run of ``name`` if it belongs to the present sandbox (semantics §1.6)."""
    run = facts.of(name).current
    if run is None or facts.sandbox is None or run.sandbox_attempt != facts.sandbox.attempt:
        return None
    return run


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


def restarts_after(pod: Pod, container: Container, run: Run) -> bool:
    """Whether policy gives the ended ``run`` a successor, were the pod to go on (§1.2, §1.4, §1.8).

    A regular init container treats Always as OnFailure; it also runs anew in a new sandbox, which
    is not asked here.
    """
    assert run.exit is not None
    if run.stop_reason == SPEC_CHANGED or is_sidecar(container):
        return True
    policy = pod.spec.restart_policy or "Always"
    if policy == "Never":
        return False
    if container in pod.spec.init_containers:
        return not init_succeeded(run.exit)
    return policy == "Always" or run.exit.code != 0
