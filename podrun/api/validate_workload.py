"""The API server's rules for Job, Deployment and DaemonSet, and for their changes."""

from __future__ import annotations

from collections.abc import Iterator

from msgspec.structs import replace

from podrun.api import names, validate
from podrun.api.defaults_workload import NAME_LABELS
from podrun.api.labelselector import matches, well_formed
from podrun.api.meta import LabelSelector, ObjectMeta
from podrun.api.pod import Pod, PodSpec
from podrun.api.problem import Problem
from podrun.api.validate_rules import (
    check,
    choice,
    forbidden,
    invalid,
    not_negative,
    not_yet,
    required,
)
from podrun.api.workload import (
    DaemonSet,
    Deployment,
    Job,
    PodTemplateSpec,
    RollingUpdate,
    Strategy,
)

_TEMPLATE = "spec.template"


def job(job: Job) -> list[Problem]:
    """Every problem of ``job`` (with defaults), with its path."""
    spec = job.spec
    counts = {
        "parallelism": spec.parallelism,
        "completions": spec.completions,
        "activeDeadlineSeconds": spec.active_deadline_seconds,
        "backoffLimit": spec.backoff_limit,
        "ttlSecondsAfterFinished": spec.ttl_seconds_after_finished,
    }
    return [
        *validate.metadata(job.metadata),
        *_job_name(job),
        *_counts(counts),
        *_completion_mode(spec.completion_mode),
        *_template(job.metadata, spec.template),
        *_ending_policy(spec.template.spec),
    ]


def deployment(deployment: Deployment) -> list[Problem]:
    """Every problem of ``deployment`` (with defaults), with its path."""
    spec = deployment.spec
    counts = {
        "replicas": spec.replicas,
        "minReadySeconds": spec.min_ready_seconds,
        "revisionHistoryLimit": spec.revision_history_limit,
        "progressDeadlineSeconds": spec.progress_deadline_seconds,
    }
    return [
        *validate.metadata(deployment.metadata),
        *_counts(counts),
        *_progress_deadline(spec.progress_deadline_seconds, spec.min_ready_seconds),
        *_selector(spec.selector, spec.template, "deployment"),
        *_strategy("spec.strategy", spec.strategy or Strategy(), "Recreate", surges=True),
        *_template(deployment.metadata, spec.template),
        *_lasting(spec.template.spec, "ReplicaSet"),
    ]


def daemon_set(daemon_set: DaemonSet) -> list[Problem]:
    """Every problem of ``daemon_set`` (with defaults), with its path."""
    spec = daemon_set.spec
    strategy = spec.update_strategy or Strategy()
    counts = {
        "minReadySeconds": spec.min_ready_seconds,
        "revisionHistoryLimit": spec.revision_history_limit,
    }
    return [
        *validate.metadata(daemon_set.metadata),
        *_counts(counts),
        *_selector(spec.selector, spec.template, "daemonset"),
        *_strategy("spec.updateStrategy", strategy, "OnDelete", surges=False),
        *_template(daemon_set.metadata, spec.template),
        *_lasting(spec.template.spec, "DaemonSet"),
    ]


def update_problems(
    old: Job | Deployment | DaemonSet, new: Job | Deployment | DaemonSet
) -> list[Problem]:
    """What may not change from ``old`` to ``new``: both valid, with defaults, of one kind,
    namespace and name."""
    return list(_fixed(old, new))


def _fixed(
    old: Job | Deployment | DaemonSet, new: Job | Deployment | DaemonSet
) -> Iterator[Problem]:
    if isinstance(old, Job) and isinstance(new, Job):
        yield from _same("spec.completions", old.spec.completions, new.spec.completions)
        yield from _same("spec.template", old.spec.template, new.spec.template)
    elif not isinstance(old, Job) and not isinstance(new, Job):
        yield from _same("spec.selector", old.spec.selector, new.spec.selector)


def _same(path: str, old: object, new: object) -> Iterator[Problem]:
    if old != new:
        yield invalid(path, new, "field is immutable")


def _counts(counts: dict[str, int | None]) -> Iterator[Problem]:
    for name, value in counts.items():
        yield from not_negative(f"spec.{name}", value or 0)


# ── Job ─────────────────────────────────────────────────────────────────────────────────────────


def _job_name(job: Job) -> Iterator[Problem]:
    """It is the value of a label of its pods; nobody may say another there."""
    name, labels = job.metadata.name, job.spec.template.metadata.labels
    yield from check("metadata.name", name, names.label_value)
    for key in NAME_LABELS:
        if key in labels:
            yield invalid(f"{_TEMPLATE}.metadata.labels[{key}]", labels[key], f"must be '{name}'")


def _completion_mode(mode: str) -> Iterator[Problem]:
    if mode == "Indexed":
        yield not_yet("spec.completionMode", mode)
    else:
        yield from choice("spec.completionMode", mode, ("NonIndexed", "Indexed"))


def _ending_policy(spec: PodSpec) -> Iterator[Problem]:
    if spec.restart_policy == "Always":
        yield required(f"{_TEMPLATE}.spec.restartPolicy", 'valid values: "OnFailure", "Never"')


# ── Deployment, DaemonSet ───────────────────────────────────────────────────────────────────────


def _lasting(spec: PodSpec, kind: str) -> Iterator[Problem]:
    if spec.restart_policy in ("OnFailure", "Never"):
        yield from choice(f"{_TEMPLATE}.spec.restartPolicy", spec.restart_policy, ("Always",))
    if spec.active_deadline_seconds is not None:
        why = f"activeDeadlineSeconds in {kind} is not Supported"
        yield forbidden(f"{_TEMPLATE}.spec.activeDeadlineSeconds", why)


def _progress_deadline(seconds: int | None, least: int) -> Iterator[Problem]:
    if seconds is not None and seconds <= least:
        why = "must be greater than minReadySeconds"
        yield invalid("spec.progressDeadlineSeconds", seconds, why)


def _strategy(path: str, strategy: Strategy, other: str, *, surges: bool) -> Iterator[Problem]:
    """``other`` is the type beside RollingUpdate; ``surges``: both limits may be given at once."""
    yield from choice(f"{path}.type", strategy.type, (other, "RollingUpdate"))
    rolling, at = strategy.rolling_update, f"{path}.rollingUpdate"
    if strategy.type == "RollingUpdate":
        yield from _rolling(at, rolling or RollingUpdate(), surges=surges)
    elif rolling is not None and other == "Recreate":
        yield forbidden(at, f"may not be specified when strategy `type` is '{other}'")


def _rolling(path: str, rolling: RollingUpdate, *, surges: bool) -> Iterator[Problem]:
    surge, unavailable = rolling.max_surge, rolling.max_unavailable
    yield from _share(f"{path}.maxUnavailable", unavailable, most=100)
    yield from _share(f"{path}.maxSurge", surge, most=None if surges else 100)
    if surges and _is_none(surge) and _is_none(unavailable):
        why = "may not be 0 when `maxSurge` is 0"
        yield invalid(f"{path}.maxUnavailable", unavailable, why)
    elif _is_none(surge) and _is_none(unavailable):
        yield required(f"{path}.maxUnavailable", "cannot be 0 when maxSurge is 0")
    elif not surges and not _is_none(surge) and not _is_none(unavailable):
        yield invalid(f"{path}.maxSurge", surge, "may not be set when maxUnavailable is non-zero")


def _share(path: str, value: int | str | None, *, most: int | None) -> Iterator[Problem]:
    """A number, or a percentage up to ``most``."""
    if isinstance(value, int):
        yield from not_negative(path, value)
    elif value is not None and not _is_percentage(value):
        why = (
            "a valid percent string must be a numeric string followed by an ending '%' "
            "(e.g. '1%', or '93%')"
        )
        yield invalid(path, value, why)
    elif value is not None and most is not None and int(value[:-1]) > most:
        yield invalid(path, value, f"must not be greater than {most}%")


def _is_percentage(text: str) -> bool:
    digits = text.removesuffix("%")
    return digits != text and digits.isascii() and digits.isdigit() and len(digits) <= 9


def _is_none(value: int | str | None) -> bool:
    if isinstance(value, str):
        return _is_percentage(value) and int(value[:-1]) == 0
    return not value


def _selector(
    selector: LabelSelector | None, template: PodTemplateSpec, kind: str
) -> Iterator[Problem]:
    path, labels = "spec.selector", template.metadata.labels
    if selector is None:
        yield required(path)
        return
    if selector == LabelSelector():
        yield invalid(path, selector, f"empty selector is invalid for {kind}")
    yield from well_formed(path, selector)
    if not matches(selector, labels):
        why = "`selector` does not match template `labels`"
        yield invalid(f"{_TEMPLATE}.metadata.labels", labels, why)


# ── the template ────────────────────────────────────────────────────────────────────────────────


def _template(owner: ObjectMeta, template: PodTemplateSpec) -> Iterator[Problem]:
    """The rules of a Pod, but for its name and namespace, which are made of the owner's."""
    known = replace(template.metadata, name=owner.name or "x", namespace=owner.namespace)
    for problem in validate.validate(Pod(metadata=known, spec=template.spec)):
        if problem.path not in ("metadata.name", "metadata.namespace"):  # said of the owner
            yield replace(problem, path=f"{_TEMPLATE}.{problem.path}")
