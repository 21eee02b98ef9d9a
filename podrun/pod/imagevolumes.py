"""Image volumes are pulled as the images of containers are, but each once in a pod's life.

    container to be started ─┬─► its image ──────────┬─ all there ─► start
                             └─► its image volumes ──┘
                                    └─ one that fails holds up every container that mounts it

To pulling a volume is one more container: ``puller``, whose name no real one can have. Its facts
(``ContainerFacts.pull`` and ``trouble``, never a run) stand beside those of the containers.
"""

from __future__ import annotations

from podrun.api.pod import Container, Pod, Volume
from podrun.pod.facts import Facts, Trouble
from podrun.pod.startup import wanted

_PREFIX = "volume/"


def puller_name(volume_name: str) -> str:
    return f"{_PREFIX}{volume_name}"


def pullers(pod: Pod) -> tuple[Container, ...]:
    """One for each image volume."""
    return tuple(_puller(volume) for volume in pod.spec.volumes if volume.image is not None)


def pullers_for(pod: Pod, container: Container) -> tuple[Container, ...]:
    """Those of the image volumes that ``container`` mounts."""
    names = {puller_name(mount.name) for mount in container.volume_mounts}
    return tuple(puller for puller in pullers(pod) if puller.name in names)


def find(pod: Pod, name: str) -> Container | None:
    """The container, or the puller, of that name."""
    everything = (*pod.spec.all_containers, *pullers(pod))
    return next((each for each in everything if each.name == name), None)


def trouble_of(pod: Pod, facts: Facts, container: Container) -> Trouble | None:
    """Why ``container`` cannot be started: its own trouble, else that of a volume it mounts, once
    it is its turn to start."""
    own = facts.of(container.name).trouble
    mounted = [facts.of(each.name) for each in pullers_for(pod, container)]
    if own is not None or not mounted:
        return own
    missing = [each.trouble for each in mounted if each.pull is None or each.pull.done_at is None]
    held_up = any(each.name == container.name for each in wanted(pod, facts))
    return next((trouble for trouble in missing if held_up and trouble is not None), None)


def forget_pulls(pod: Pod, facts: Facts, container: Container) -> None:
    """What was found for its volumes may be what is wrong: it is looked for again."""
    for puller in pullers_for(pod, container):
        known = facts.containers.get(puller.name)
        if known is not None and known.pull is not None and known.pull.done_at is not None:
            known.pull = None


def _puller(volume: Volume) -> Container:
    assert volume.image is not None
    return Container(
        name=puller_name(volume.name),
        image=volume.image.reference,
        image_pull_policy=volume.image.pull_policy,
    )
