"""The DaemonSet: one pod on each node, which here is one pod, wherever its selectors would put it.

RollingUpdate, maxUnavailable 1 (default): the old pod is deleted, and once it is gone the new
               one is created
RollingUpdate, maxSurge 1: the new pod is created beside it; once it is available, or as soon as
               the old one is not ready any more, the old one is deleted
OnDelete:      the next pod is of the new template
"""

from __future__ import annotations

from collections.abc import Sequence

from podrun.api.workload import DaemonSet, DaemonSetStatus, RollingUpdate
from podrun.workload.model import PodView, Step, Suffix
from podrun.workload.pods import (
    available_at,
    created,
    deleted,
    earliest,
    is_active,
    is_available,
    is_finished,
    removal_order,
    replace_at,
    surplus,
)
from podrun.workload.rollout import scaled
from podrun.workload.templates import HASH_LABEL, hash_of, new_names, new_pods, template_hash

_NODES = 1


def step(
    daemon_set: DaemonSet, pods: Sequence[PodView], now: float, suffix: Suffix
) -> Step[DaemonSetStatus]:
    """What is due for ``daemon_set``, whose pods are ``pods``."""
    seconds = daemon_set.spec.min_ready_seconds
    mark = template_hash(daemon_set.spec.template)
    due = replace_at(view for view in pods if hash_of(view) == mark)
    delete = _to_go(daemon_set, pods, mark, now)
    count = int(due <= now and _is_missing(daemon_set, pods, mark))
    names = tuple(new_names(daemon_set.metadata.name, count, pods, suffix))
    live = [view for view in pods if is_active(view)]
    return Step(
        status=_status(daemon_set, live, mark, now),
        create=new_pods(daemon_set, names, {HASH_LABEL: mark}),
        delete=tuple(view.uid for view in (*delete, *surplus(pods))),
        wake_at=earliest(now, (due, *(available_at(view, seconds) for view in live))),
        events=(*deleted(delete), *created(names)),
    )


def _to_go(
    daemon_set: DaemonSet, pods: Sequence[PodView], mark: str, now: float
) -> tuple[PodView, ...]:
    live = [view for view in pods if is_active(view)]
    new = [view for view in live if hash_of(view) == mark]
    old = [view for view in live if hash_of(view) != mark]
    extra = removal_order(new)[:-_NODES]
    if _on_delete(daemon_set):
        return (*extra, *(old if new else removal_order(old)[:-_NODES]))
    seconds = daemon_set.spec.min_ready_seconds
    relieved = not _surges(daemon_set) or any(is_available(view, seconds, now) for view in new)
    return (*extra, *(view for view in old if relieved or (new and view.ready_since is None)))


def _is_missing(daemon_set: DaemonSet, pods: Sequence[PodView], mark: str) -> bool:
    """Whether to create one. Beside another, ending ones included, it may run only as a surge."""
    running = [view for view in pods if not is_finished(view)]
    if _surges(daemon_set):
        return not any(hash_of(view) == mark for view in running)
    return not running


def _on_delete(daemon_set: DaemonSet) -> bool:
    strategy = daemon_set.spec.update_strategy
    return strategy is not None and strategy.type == "OnDelete"


def _surges(daemon_set: DaemonSet) -> bool:
    strategy = daemon_set.spec.update_strategy
    rolling = (strategy.rolling_update if strategy else None) or RollingUpdate()
    return not _on_delete(daemon_set) and scaled(rolling.max_surge, _NODES, up=True) > 0


def _status(
    daemon_set: DaemonSet, live: Sequence[PodView], mark: str, now: float
) -> DaemonSetStatus:
    seconds = daemon_set.spec.min_ready_seconds
    available = any(is_available(view, seconds, now) for view in live)
    return DaemonSetStatus(
        observed_generation=daemon_set.metadata.generation,
        desired_number_scheduled=_NODES,
        current_number_scheduled=int(bool(live)),
        updated_number_scheduled=int(any(hash_of(view) == mark for view in live)),
        number_ready=int(any(view.ready_since is not None for view in live)),
        number_available=int(available),
        number_unavailable=_NODES - int(available),
    )
