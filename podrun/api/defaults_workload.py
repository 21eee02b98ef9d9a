"""The defaults Kubernetes fills in when it accepts a Job, a Deployment or a DaemonSet."""

from __future__ import annotations

from msgspec.structs import replace

from podrun.api import defaults
from podrun.api.pod import Pod
from podrun.api.workload import (
    DaemonSet,
    Deployment,
    Job,
    PodTemplateSpec,
    RollingUpdate,
    Strategy,
)

BACKOFF_LIMIT = 6
PROGRESS_DEADLINE_SECONDS = 600

_UID_LABELS = ("batch.kubernetes.io/controller-uid", "controller-uid")
NAME_LABELS = ("batch.kubernetes.io/job-name", "job-name")


def job(job: Job) -> Job:
    """Without completions and with parallelism the pods share a queue of work: no default then."""
    spec = job.spec
    alone = spec.completions is None and spec.parallelism is None
    return replace(
        job,
        spec=replace(
            spec,
            completions=1 if alone else spec.completions,
            parallelism=1 if spec.parallelism is None else spec.parallelism,
            backoff_limit=BACKOFF_LIMIT if spec.backoff_limit is None else spec.backoff_limit,
            completion_mode=spec.completion_mode or "NonIndexed",
            suspend=bool(spec.suspend),
            template=_template(_without_marks(spec.template, job.metadata.name)),
        ),
    )


def deployment(deployment: Deployment) -> Deployment:
    spec = deployment.spec
    deadline = spec.progress_deadline_seconds
    return replace(
        deployment,
        spec=replace(
            spec,
            replicas=1 if spec.replicas is None else spec.replicas,
            strategy=_strategy(spec.strategy, surge="25%", unavailable="25%"),
            progress_deadline_seconds=PROGRESS_DEADLINE_SECONDS if deadline is None else deadline,
            template=_template(spec.template),
        ),
    )


def daemon_set(daemon_set: DaemonSet) -> DaemonSet:
    spec = daemon_set.spec
    strategy = _strategy(spec.update_strategy, surge=0, unavailable=1)
    return replace(
        daemon_set,
        spec=replace(spec, update_strategy=strategy, template=_template(spec.template)),
    )


def _strategy(strategy: Strategy | None, *, surge: int | str, unavailable: int | str) -> Strategy:
    strategy = strategy or Strategy()
    strategy = replace(strategy, type=strategy.type or "RollingUpdate")
    if strategy.type != "RollingUpdate":
        return strategy
    given = strategy.rolling_update or RollingUpdate()
    rolling = RollingUpdate(
        max_surge=surge if given.max_surge is None else given.max_surge,
        max_unavailable=unavailable if given.max_unavailable is None else given.max_unavailable,
    )
    return replace(strategy, rolling_update=rolling)


def _template(template: PodTemplateSpec) -> PodTemplateSpec:
    return replace(template, spec=defaults.with_defaults(Pod(spec=template.spec)).spec)


def _without_marks(template: PodTemplateSpec, name: str) -> PodTemplateSpec:
    """Without the labels that an API server puts into a Job's template: podrun's pods have them of
    its own. Another Job's name stays, to be refused."""
    labels = {
        key: value
        for key, value in template.metadata.labels.items()
        if key not in _UID_LABELS and not (key in NAME_LABELS and value == name)
    }
    return replace(template, metadata=replace(template.metadata, labels=labels))
