"""A resize, carried out: refused, by a restart, or in place by other figures for the cgroups."""

from __future__ import annotations

import time

from podrun.agent.node import Node
from podrun.agent.podstore import StoredPod
from podrun.agent.translate import pod_cgroup
from podrun.api.pod import Container, Pod
from podrun.cgroup.group import Group
from podrun.cgroup.limits import UNLIMITED, Limits
from podrun.cgroup.usage import usage
from podrun.errors import MechanismFailed, PodrunError
from podrun.node.config import Config
from podrun.pod import resizing, resources
from podrun.pod.facts import Run


def carry_out(
    node: Node, stored: StoredPod, container: Container, run: Run, taken: resources.Amounts
) -> None:
    """Changes the facts of ``run``: it has the resources, or is to be restarted, or a trouble.

    ``taken`` is what the other pods of the node request.
    """
    pod, facts, now = stored.pod, stored.facts, time.time()
    if not resizing.begin(pod, facts, container, run, node.allocatable, taken, now):
        return
    try:
        resize(node.config, pod, container, run.cgroup)
    except PodrunError as error:
        resizing.failed(run, resizing.ERROR, error.text, now)
        return
    resizing.done(container, run)


def resize(config: Config, pod: Pod, container: Container, cgroup: str) -> None:
    """Raises MechanismFailed when less memory is wanted than is in use, or the kernel refuses.

    v1 refuses a child more CPU time than its parent has, so growing begins at the pod and
    shrinking at the container: whichever order the kernel takes.
    """
    steps = [
        (Group(pod_cgroup(config, pod)), _limits(resources.pod_figures(pod))),
        (Group(cgroup), _limits(resources.container_figures(container))),
    ]
    for group, limits in steps:
        _check_use(group, limits)
    try:
        _write(steps)
    except MechanismFailed:
        _write(steps[::-1])


def _check_use(group: Group, limits: Limits) -> None:
    """v2 would kill rather than refuse. What grows meanwhile is the kernel's affair."""
    found = usage(group)
    most = limits.memory_bytes
    if most in (None, UNLIMITED) or found is None or found.memory is None:
        return
    if found.memory > most:
        raise MechanismFailed(
            f"attempting to set memory limit ({most}) below current usage ({found.memory})"
        )


def _write(steps: list[tuple[Group, Limits]]) -> None:
    for group, limits in steps:
        group.set_limits(limits)


def _limits(figures: resources.Figures) -> Limits:
    """All of them: a limit that was taken out of the spec is lifted."""
    return Limits(
        cpu_shares=figures.cpu_shares,
        cpu_quota_us=UNLIMITED if figures.cpu_quota_us is None else figures.cpu_quota_us,
        memory_bytes=UNLIMITED if figures.memory_limit is None else figures.memory_limit,
    )
