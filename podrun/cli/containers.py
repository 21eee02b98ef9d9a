"""Which container of a pod is meant."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from podrun.api.pod import Pod
from podrun.errors import NotFound, PodrunError

if TYPE_CHECKING:
    from podrun.agent.podstore import StoredPod
    from podrun.pod.facts import Run

# What kubectl looks at before it takes the first container.
_DEFAULT = "kubectl.kubernetes.io/default-container"


def chosen(pod: Pod, name: str) -> str:
    """``name``, else the pod's default container, and a note that says so. Raises NotFound."""
    if name:
        return checked(pod, name)
    apps = [container.name for container in pod.spec.containers]
    default = pod.metadata.annotations.get(_DEFAULT, "")
    if default in apps:
        return default
    if len(pod.spec.all_containers) > 1:
        inits = [f"{container.name} (init)" for container in pod.spec.init_containers]
        click.echo(f'Defaulted container "{apps[0]}" out of: {", ".join(apps + inits)}', err=True)
    return apps[0]


def checked(pod: Pod, name: str) -> str:
    """Raises NotFound when the pod has no container ``name``."""
    names = [container.name for container in pod.spec.all_containers]
    if name not in names:
        raise NotFound(
            f'pod "{pod.metadata.name}" has no container "{name}"',
            hint=f"it has {', '.join(names)}",
        )
    return name


def running(stored: StoredPod, name: str) -> tuple[str, Run]:
    """``chosen``, with its run. Raises PodrunError where there is no process to reach."""
    from podrun.pod.runs import is_running

    name = chosen(stored.pod, name)
    run = stored.facts.of(name).current
    if run is None or not is_running(run):
        raise PodrunError(
            f'container "{name}" of pod "{stored.key[1]}" is not running', hint="see `podrun ps -c`"
        )
    return name, run
