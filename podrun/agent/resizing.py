"""In-place resize: other figures for the cgroups of what runs, without a restart."""

from __future__ import annotations

from podrun.agent.translate import pod_cgroup
from podrun.api.pod import Container, Pod
from podrun.cgroup.group import Group
from podrun.cgroup.limits import UNLIMITED, Limits
from podrun.errors import MechanismFailed
from podrun.node.config import Config
from podrun.pod import resources


def resize(config: Config, pod: Pod, container: Container, cgroup: str) -> None:
    """Raises MechanismFailed when the kernel refuses, e.g. less memory than is in use.

    v1 refuses a child more CPU time than its parent has, so growing begins at the pod and
    shrinking at the container: whichever order the kernel takes.
    """
    steps = [
        (Group(pod_cgroup(config, pod)), _limits(resources.pod_figures(pod))),
        (Group(cgroup), _limits(resources.container_figures(container))),
    ]
    try:
        _write(steps)
    except MechanismFailed:
        _write(steps[::-1])


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
