"""Getting images, as a kubelet does it: for every run of a container, by its imagePullPolicy.

    to be started ─► PullImage ──on the machine, and need not be asked for──► Pulled ─► start
                        ├─ Never ─────────────────────► ErrImageNeverPull       again in 10 s
                        └─► Pulling ─► the registry ──► Pulled ─► start
                               ▲          └─► ErrImagePull ─5 s─► ImagePullBackOff ─┐
                               └──────── 10, 20, 40 … 300 s after the failure ──────┘

A pull goes on beside everything else; only the containers after it wait for it that have not run
yet, so that all start in their order. ``ContainerFacts.pull`` is that of the next run, or of the
newest; ``ContainerFacts.trouble`` tells of one that failed, until a run is created.
"""

from __future__ import annotations

import msgspec

from podrun.api.pod import Container, Pod
from podrun.pod.actions import Action, BackOffPull, PullImage
from podrun.pod.backoff import Settings, next_attempt, next_trouble, pull_delay
from podrun.pod.facts import ContainerFacts, Facts, Pull, Trouble
from podrun.pod.imagevolumes import find
from podrun.pod.runs import is_live
from podrun.pod.termination import stop_reason

ERR_PULL, BACK_OFF, UNAVAILABLE = "ErrImagePull", "ImagePullBackOff", "RegistryUnavailable"
FAILED = (ERR_PULL, UNAVAILABLE)
NEVER_PULL, INVALID_NAME, INSPECT_ERROR = (
    "ErrImageNeverPull",
    "InvalidImageName",
    "ImageInspectError",
)
# How long a failed pull is shown as such before it is shown as waiting for the next try; about
# what it takes a kubelet to look at the pod again.
ERROR_SHOWN = 5.0

ALWAYS, IF_NOT_PRESENT, NEVER = "Always", "IfNotPresent", "Never"
USE, FETCH, FORBIDDEN, LOCAL = "use", "fetch", "forbidden", "local"


class Found(msgspec.Struct, frozen=True):
    """An image of the local store; the fields are those of ``facts.Pull``."""

    name: str
    image_id: str
    reference: str = ""
    size: int = 0


def way(policy: str, *, present: bool, pullable: bool) -> str:
    """USE what is there, FETCH it, or why not: FORBIDDEN by the policy, or only LOCAL.

    ``pullable`` is false of names that no registry has (``localhost/…``): with Always such an image
    is used as it is.
    """
    if present and (policy != ALWAYS or not pullable):
        return USE
    if policy == NEVER:
        return FORBIDDEN
    return FETCH if pullable else LOCAL


# ── what is due ─────────────────────────────────────────────────────────────────────────────────


def pull_of(known: ContainerFacts, container: Container) -> Pull | None:
    """The pull for the next run, None when it has not begun. Of another image it does not count."""
    pull = known.pull
    if pull is None or pull.attempt != next_attempt(known) or pull.image != container.image:
        return None
    return pull


def next_pull(known: ContainerFacts, container: Container) -> Action | None:
    """What begins the pull for the next run; None when it has begun."""
    if pull_of(known, container) is not None:
        return None
    return PullImage(name=container.name, attempt=next_attempt(known))


def is_there(known: ContainerFacts, container: Container) -> bool:
    pull = pull_of(known, container)
    return pull is not None and pull.done_at is not None


def shown_until(trouble: Trouble) -> float:
    """When a failed pull is no longer shown as an error, but as waiting."""
    assert trouble.retry_at is not None
    return trouble.at + min(ERROR_SHOWN, (trouble.retry_at - trouble.at) / 2)


def due_back_off(
    container: Container, trouble: Trouble | None, now: float
) -> Action | float | None:
    """The action that tells of the back-off, the time when it is due, or None."""
    if trouble is None or trouble.retry_at is None or trouble.reason not in FAILED:
        return None
    until = shown_until(trouble)
    return BackOffPull(name=container.name) if now >= until else until


def is_needed(pod: Pod, facts: Facts, name: str) -> bool:
    """Whether the pull that is under way for container ``name`` still serves a purpose."""
    known = facts.of(name)
    container = find(pod, name)
    if container is None or is_live(known.current) or stop_reason(pod, facts) is not None:
        return False
    pull = pull_of(known, container)
    return pull is not None and pull.done_at is None


# ── what happened: these change the facts ───────────────────────────────────────────────────────


def pull_began(facts: Facts, container: Container, now: float) -> Pull:
    known = facts.containers.setdefault(container.name, ContainerFacts())
    known.pull = Pull(attempt=next_attempt(known), image=container.image, began_at=now)
    return known.pull


def pull_done(
    facts: Facts, name: str, found: Found, now: float, *, seconds: float | None = None
) -> None:
    """The image is there: fetched in ``seconds``, or (None) without."""
    known = facts.containers[name]
    assert known.pull is not None
    known.pull = msgspec.structs.replace(
        known.pull,
        done_at=now,
        fetched=seconds is not None,
        seconds=seconds or 0.0,
        **msgspec.structs.asdict(found),
    )


def pull_failed(
    facts: Facts, name: str, reason: str, message: str, now: float, settings: Settings
) -> None:
    """``reason`` ErrImagePull or RegistryUnavailable begins the back-off, or doubles it."""
    known = facts.containers.setdefault(name, ContainerFacts())
    before = known.trouble
    known.pull = None
    if reason not in FAILED:
        known.trouble = next_trouble(before, reason, message, now)
        return
    again = before is not None and before.reason in (*FAILED, BACK_OFF)
    count = before.count + 1 if before is not None and again else 1
    retry_at = now + pull_delay(settings, count)
    known.trouble = Trouble(reason, message, now, count, retry_at)


def back_off(facts: Facts, container: Container, now: float) -> None:
    """What the action ``BackOffPull`` does."""
    known = facts.of(container.name)
    failed = known.trouble
    if failed is None or failed.reason not in FAILED:
        return
    message = f"{backing_off(container)}: {failed.reason}: {failed.message}"
    known.trouble = msgspec.structs.replace(failed, reason=BACK_OFF, message=message, at=now)


def backing_off(container: Container) -> str:
    return f'Back-off pulling image "{container.image}"'


def forget_pull(facts: Facts, name: str) -> None:
    """It was given up; a next one begins from nothing."""
    known = facts.containers.get(name)
    if known is not None and known.pull is not None and known.pull.done_at is None:
        known.pull = None


def forget_unfinished_pulls(facts: Facts) -> None:
    """For an agent that takes over: pulls died with the one before."""
    for name in facts.containers:
        forget_pull(facts, name)


# ── what must be kept ───────────────────────────────────────────────────────────────────────────


def image_ids(facts: Facts) -> set[str]:
    """Images that runs of the pod have, or are about to have."""
    found = set()
    for known in facts.containers.values():
        found |= {run.image_id for run in (known.current,) if run is not None}
        if known.pull is not None:
            found.add(known.pull.image_id)
    return found - {""}


def image_names(pod: Pod) -> set[str]:
    """Images that the pod will ask for, for containers and volumes, as the spec names them."""
    volumes = {volume.image.reference for volume in pod.spec.volumes if volume.image is not None}
    return {container.image for container in pod.spec.all_containers} | volumes
