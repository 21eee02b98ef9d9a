"""The status of a Pod, as ``kubectl get -o json`` shows it. Times are RFC 3339 strings (UTC)."""

from __future__ import annotations

from msgspec import field

from podrun.api.base import Object
from podrun.api.container import ResourceRequirements


class ContainerStateWaiting(Object, kw_only=True, frozen=True):
    reason: str = ""
    message: str = ""


class ContainerStateRunning(Object, kw_only=True, frozen=True):
    started_at: str = ""


class ContainerStateTerminated(Object, kw_only=True, frozen=True):
    exit_code: int
    signal: int = 0
    reason: str = ""
    message: str = ""
    started_at: str = ""
    finished_at: str = ""
    container_id: str = ""


class ContainerState(Object, kw_only=True, frozen=True):
    """Exactly one of them in ``state``; one or none in ``lastState``."""

    waiting: ContainerStateWaiting | None = None
    running: ContainerStateRunning | None = None
    terminated: ContainerStateTerminated | None = None


class ContainerStatus(Object, kw_only=True, frozen=True):
    name: str
    state: ContainerState
    last_state: ContainerState = field(default_factory=ContainerState)  # {} is always printed
    ready: bool
    restart_count: int
    image: str
    image_id: str
    container_id: str = ""
    started: bool | None = None
    allocated_resources: dict[str, str] = field(default_factory=dict)
    resources: ResourceRequirements | None = None


class PodCondition(Object, kw_only=True, frozen=True):
    """``type`` is PodScheduled, Initialized, …; ``status`` is "True", "False" or "Unknown"."""

    type: str
    status: str
    last_transition_time: str = ""
    reason: str = ""
    message: str = ""


class PodIP(Object, kw_only=True, frozen=True):
    ip: str = ""


class HostIP(Object, kw_only=True, frozen=True):
    ip: str = ""


class PodStatus(Object, kw_only=True, frozen=True):
    """Computed from facts, never stored and never read from a manifest."""

    phase: str = ""
    conditions: tuple[PodCondition, ...] = ()
    message: str = ""
    reason: str = ""
    host_ip: str = ""
    host_ips: tuple[HostIP, ...] = ()
    pod_ip: str = ""
    pod_ips: tuple[PodIP, ...] = ()
    start_time: str = ""
    init_container_statuses: tuple[ContainerStatus, ...] = ()
    container_statuses: tuple[ContainerStatus, ...] = ()
    qos_class: str = ""
