"""What all controllers ask of pods: which run, which may be counted on, which go first."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Sequence
from itertools import pairwise, takewhile

from podrun.workload.model import PodView

#: pods that one step creates at the most: the next step goes on, and the machine breathes
BURST = 50

#: finished pods of a Deployment or DaemonSet that are kept, to be looked at
KEPT = 10

FIRST_DELAY = 10
LONGEST_DELAY = 360
_CALM = 1200  # seconds without a failure that forgive those before; more than any delay

_COST_ANNOTATION = "controller.kubernetes.io/pod-deletion-cost"


def is_finished(view: PodView) -> bool:
    return view.phase in ("Succeeded", "Failed")


def is_active(view: PodView) -> bool:
    """It runs or will, and nobody has asked it to go."""
    return not view.deleting and not is_finished(view)


def available_at(view: PodView, min_ready_seconds: int) -> float | None:
    """When it has been ready for that long, if it stays so; None: it is not ready."""
    return None if view.ready_since is None else view.ready_since + min_ready_seconds


def is_available(view: PodView, min_ready_seconds: int, now: float) -> bool:
    at = available_at(view, min_ready_seconds)
    return at is not None and at <= now


def removal_order(views: Iterable[PodView]) -> list[PodView]:
    """Who goes first when there are too many, as a ReplicaSet decides it: pending before running,
    not ready before ready, of lower deletion cost, ready for less time, restarted more often,
    younger.
    """
    return sorted(views, key=_worth)


def _worth(view: PodView) -> tuple[object, ...]:
    ready = view.ready_since is not None
    return (
        view.phase == "Running",
        ready,
        _cost(view),
        -(view.ready_since or 0.0),
        -view.restarts,
        -view.created_at,
        view.uid,
    )


def _cost(view: PodView) -> int:
    with contextlib.suppress(ValueError):
        return int(view.pod.metadata.annotations.get(_COST_ANNOTATION, ""))
    return 0


def failure_delay(count: int) -> int:
    """Seconds to wait after ``count`` failures in a row: 0, 10, 20, 40, … 360."""
    return min(FIRST_DELAY << min(count - 1, 16), LONGEST_DELAY) if count > 0 else 0


def replace_at(views: Iterable[PodView]) -> float:
    """When another pod may take the place of those of its template that failed: at once after the
    first, then 10 s, 20 s, …

    A ReplicaSet does not wait at all, which with a pod that fails at once (a forbidden sysctl) is
    a loop that never rests.
    """
    times = sorted((view.finished_at or 0.0 for view in _ended(views)), reverse=True)
    if not times:
        return 0.0
    gaps = (later - sooner > _CALM for later, sooner in pairwise(times))
    in_a_row = 1 + sum(1 for _ in takewhile(lambda calm: not calm, gaps))
    return times[0] + failure_delay(in_a_row - 1)


def surplus(views: Iterable[PodView]) -> list[PodView]:
    """The finished ones that are too many to keep, the oldest."""
    ended = sorted(_ended(views), key=lambda view: (-(view.finished_at or 0.0), view.uid))
    return ended[KEPT:]


def _ended(views: Iterable[PodView]) -> list[PodView]:
    return [view for view in views if is_finished(view) and not view.deleting]


def earliest(now: float, times: Iterable[float | None]) -> float | None:
    """The first of ``times`` that is still to come."""
    return min((at for at in times if at is not None and at > now), default=None)


def created(names: Sequence[str]) -> tuple[tuple[str, str, str], ...]:
    """The events of pods that are created."""
    return tuple(("Normal", "SuccessfulCreate", f"Created pod: {name}") for name in names)


def deleted(views: Iterable[PodView]) -> tuple[tuple[str, str, str], ...]:
    """The events of pods that are deleted."""
    return tuple(
        ("Normal", "SuccessfulDelete", f"Deleted pod: {view.pod.metadata.name}") for view in views
    )
