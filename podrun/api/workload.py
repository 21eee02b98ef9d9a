"""Job, Deployment and DaemonSet: objects that make pods from a template."""

from __future__ import annotations

from msgspec import field

from podrun.api.base import Object
from podrun.api.meta import LabelSelector, ObjectMeta
from podrun.api.pod import PodSpec


class PodTemplateSpec(Object, kw_only=True, frozen=True):
    metadata: ObjectMeta = ObjectMeta()
    spec: PodSpec = PodSpec()


class Condition(Object, kw_only=True, frozen=True):
    """Of a workload's status."""

    type: str = ""
    status: str = ""  # True, False
    reason: str = ""
    message: str = ""
    last_probe_time: str = ""
    last_update_time: str = ""
    last_transition_time: str = ""


# ── Job ─────────────────────────────────────────────────────────────────────────────────────────


class JobSpec(Object, kw_only=True, frozen=True):
    parallelism: int | None = None
    completions: int | None = None
    backoff_limit: int | None = None
    active_deadline_seconds: int | None = None
    ttl_seconds_after_finished: int | None = None
    suspend: bool | None = None
    completion_mode: str = ""  # NonIndexed
    template: PodTemplateSpec = PodTemplateSpec()


class JobStatus(Object, kw_only=True, frozen=True):
    active: int = 0
    ready: int = 0
    succeeded: int = 0
    failed: int = 0
    start_time: str = ""
    completion_time: str = ""
    conditions: tuple[Condition, ...] = ()
    # Of pods that still exist: uids of those in succeeded and failed; none is counted twice.
    uncounted_terminated_pods: dict[str, tuple[str, ...]] = field(default_factory=dict)


class Job(Object, kw_only=True, frozen=True):
    api_version: str = field(default_factory=lambda: "batch/v1")
    kind: str = field(default_factory=lambda: "Job")
    metadata: ObjectMeta = ObjectMeta()
    spec: JobSpec = JobSpec()
    status: JobStatus | None = None


# ── Deployment ──────────────────────────────────────────────────────────────────────────────────


class RollingUpdate(Object, kw_only=True, frozen=True):
    """Numbers, or percentages of the replicas."""

    max_surge: int | str | None = None
    max_unavailable: int | str | None = None


class Strategy(Object, kw_only=True, frozen=True):
    """``type`` is Recreate or RollingUpdate; of a DaemonSet RollingUpdate or OnDelete."""

    type: str = ""
    rolling_update: RollingUpdate | None = None


class DeploymentSpec(Object, kw_only=True, frozen=True):
    replicas: int | None = None
    selector: LabelSelector | None = None
    template: PodTemplateSpec = PodTemplateSpec()
    strategy: Strategy | None = None
    min_ready_seconds: int = 0
    revision_history_limit: int | None = None
    progress_deadline_seconds: int | None = None
    paused: bool = False


class DeploymentStatus(Object, kw_only=True, frozen=True):
    observed_generation: int = 0
    replicas: int = 0
    updated_replicas: int = 0
    ready_replicas: int = 0
    available_replicas: int = 0
    unavailable_replicas: int = 0
    conditions: tuple[Condition, ...] = ()


class Deployment(Object, kw_only=True, frozen=True):
    api_version: str = field(default_factory=lambda: "apps/v1")
    kind: str = field(default_factory=lambda: "Deployment")
    metadata: ObjectMeta = ObjectMeta()
    spec: DeploymentSpec = DeploymentSpec()
    status: DeploymentStatus | None = None


# ── DaemonSet ───────────────────────────────────────────────────────────────────────────────────


class DaemonSetSpec(Object, kw_only=True, frozen=True):
    selector: LabelSelector | None = None
    template: PodTemplateSpec = PodTemplateSpec()
    update_strategy: Strategy | None = None
    min_ready_seconds: int = 0
    revision_history_limit: int | None = None


class DaemonSetStatus(Object, kw_only=True, frozen=True):
    observed_generation: int = 0
    desired_number_scheduled: int = 0
    current_number_scheduled: int = 0
    updated_number_scheduled: int = 0
    number_ready: int = 0
    number_available: int = 0
    number_unavailable: int = 0
    number_misscheduled: int = 0


class DaemonSet(Object, kw_only=True, frozen=True):
    api_version: str = field(default_factory=lambda: "apps/v1")
    kind: str = field(default_factory=lambda: "DaemonSet")
    metadata: ObjectMeta = ObjectMeta()
    spec: DaemonSetSpec = DaemonSetSpec()
    status: DaemonSetStatus | None = None
