"""The Deployment: as many pods of its template as ``replicas`` says, replaced when it changes.

There are no ReplicaSets in between: a Deployment owns its pods itself, and the label
``pod-template-hash`` tells which of them are of the present template (new) and which of another
(old). So there are no former revisions to go back to, and an old pod that ends while the new ones
come up is replaced by a new one.

    RollingUpdate                                    Recreate
    ─────────────                                    ────────
    create new, up to replicas + maxSurge in all     delete the old ones
    delete old that are not available, then others,  wait until they are gone
      while replicas - maxUnavailable are available  create the new ones

The arithmetic is that of Kubernetes' deployment controller, and so is the order in which pods go.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from podrun.api.pod import Pod
from podrun.api.workload import Deployment, DeploymentStatus
from podrun.workload.deploymentstatus import next_status, progress_deadline
from podrun.workload.fleet import Fleet
from podrun.workload.model import PodView, Step, Suffix
from podrun.workload.pods import (
    BURST,
    available_at,
    created,
    deleted,
    earliest,
    is_finished,
    removal_order,
    replace_at,
    surplus,
)
from podrun.workload.templates import HASH_LABEL, hash_of, new_names, new_pods, template_of


class _Change(NamedTuple):
    """``create`` of the present template, or of that of the pod ``like``."""

    create: int = 0
    delete: tuple[PodView, ...] = ()
    like: PodView | None = None


def step(
    deployment: Deployment, pods: Sequence[PodView], now: float, suffix: Suffix
) -> Step[DeploymentStatus]:
    """What is due for ``deployment``, whose pods are ``pods``."""
    fleet = Fleet.of(deployment, pods, now)
    change = _change(deployment, fleet)
    due = replace_at(view for view in pods if hash_of(view) == fleet.hash)
    if due > now:
        change = change._replace(create=0)
    create = _create(deployment, fleet, change, suffix)
    delete = (*change.delete, *surplus(pods))
    status = next_status(deployment, fleet, now)
    ready = (available_at(view, deployment.spec.min_ready_seconds) for view in fleet.live)
    return Step(
        status=status,
        create=create,
        delete=tuple(view.uid for view in delete),
        wake_at=earliest(now, (due, progress_deadline(deployment, status), *ready)),
        events=(*deleted(change.delete), *created([pod.metadata.name for pod in create])),
    )


def _create(
    deployment: Deployment, fleet: Fleet, change: _Change, suffix: Suffix
) -> tuple[Pod, ...]:
    like = change.like
    mark = hash_of(like) if like else fleet.hash
    base = f"{deployment.metadata.name}-{mark}"
    names = tuple(new_names(base, min(change.create, BURST), fleet.all, suffix))
    return new_pods(deployment, names, {HASH_LABEL: mark}, template_of(like) if like else None)


def _change(deployment: Deployment, fleet: Fleet) -> _Change:
    strategy = deployment.spec.strategy
    if deployment.spec.paused:
        return _paused(fleet)
    if strategy is not None and strategy.type == "Recreate":
        return _recreate(fleet)
    return _rolling(fleet)


def _paused(fleet: Fleet) -> _Change:
    """Only as many as there shall be; a template that was not begun with is left for later."""
    missing = fleet.replicas - len(fleet.live)
    if missing <= 0:
        return _Change(delete=tuple(removal_order(fleet.live)[:-missing]) if missing else ())
    if any(hash_of(view) == fleet.hash for view in fleet.all):
        return _Change(create=missing)
    youngest = max(fleet.all, key=lambda view: (view.created_at, view.uid), default=None)
    return _Change(create=missing, like=youngest) if youngest else _Change()


def _recreate(fleet: Fleet) -> _Change:
    """No pod of two templates at a time, those that are still ending included."""
    if fleet.old:
        return _Change(delete=fleet.old)
    if any(hash_of(view) != fleet.hash and not is_finished(view) for view in fleet.all):
        return _Change()
    missing = fleet.replicas - len(fleet.new)
    return _Change(max(missing, 0), tuple(removal_order(fleet.new)[: max(-missing, 0)]))


def _rolling(fleet: Fleet) -> _Change:
    extra = removal_order(fleet.new)[: max(len(fleet.new) - fleet.replicas, 0)]
    room = fleet.replicas + fleet.surge - len(fleet.live)
    create = min(room, fleet.replicas - len(fleet.new))
    return _Change(max(create, 0), (*extra, *_old_to_go(fleet, extra)))


def _old_to_go(fleet: Fleet, extra: Sequence[PodView]) -> list[PodView]:
    """First old pods that are not available, but not so many that the new ones alone must do; then
    as many of the others as are not needed for the least that must be available."""
    least = fleet.replicas - fleet.unavailable
    left = [view for view in fleet.new if view not in extra]
    unready_new = sum(not fleet.available(view) for view in left)
    spare = len(left) + len(fleet.old) - least - unready_new
    order = removal_order(fleet.old)
    broken = [view for view in order if not fleet.available(view)][: max(spare, 0)]
    sound = [view for view in order if fleet.available(view)]
    needless = sum(map(fleet.available, left)) + len(sound) - least
    return broken + sound[: max(needless, 0)]
