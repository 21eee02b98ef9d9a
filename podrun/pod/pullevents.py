"""Events about images, in the kubelet's words."""

from __future__ import annotations

from collections.abc import Iterator

from podrun.api.pod import Container
from podrun.pod.facts import Pull, Trouble
from podrun.pod.pulling import (
    BACK_OFF,
    FAILED,
    INSPECT_ERROR,
    INVALID_NAME,
    NEVER_PULL,
    backing_off,
)
from podrun.pod.when import go_milliseconds

NORMAL, WARNING = "Normal", "Warning"

# type, reason, message, time
Told = tuple[str, str, str, float]


def pulled(old: Pull | None, new: Pull | None) -> Iterator[Told]:
    """What happened between two states of a container's pull."""
    if new is None or new == old:
        return
    same = old is not None and old.began_at == new.began_at
    if (new.fetched or new.done_at is None) and not same:
        yield NORMAL, "Pulling", f'Pulling image "{new.image}"', new.began_at
    if new.done_at is not None:
        yield NORMAL, "Pulled", _pulled(new, new.done_at), new.done_at


def _pulled(pull: Pull, done_at: float) -> str:
    if not pull.fetched:
        return f'Container image "{pull.image}" already present on machine'
    waited = max(done_at - pull.began_at, pull.seconds)
    return (
        f'Successfully pulled image "{pull.image}" in {go_milliseconds(pull.seconds)} '
        f"({go_milliseconds(waited)} including waiting). Image size: {pull.size} bytes."
    )


def troubled(container: Container, trouble: Trouble) -> Iterator[Told] | None:
    """A trouble that is about the image; None: it is about something else."""
    words = _words(container, trouble)
    if words is None:
        return None
    return iter((
        (*words, trouble.at),
        (WARNING, "Failed", f"Error: {trouble.reason}", trouble.at),
    ))  # fmt: skip


def _words(container: Container, trouble: Trouble) -> tuple[str, str, str] | None:
    if trouble.reason in FAILED:
        message = f'Failed to pull image "{container.image}": {trouble.message}'
        return WARNING, "Failed", message
    if trouble.reason == BACK_OFF:
        return NORMAL, "BackOff", backing_off(container)
    if trouble.reason == NEVER_PULL:
        return WARNING, NEVER_PULL, trouble.message
    if trouble.reason in (INVALID_NAME, INSPECT_ERROR):
        return WARNING, "InspectFailed", trouble.message
    return None
