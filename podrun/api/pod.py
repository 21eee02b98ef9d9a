"""The v1 Pod. ``from podrun.api.pod import Pod, Container, …``: every type of the Pod is here."""

from __future__ import annotations

from typing import Any

from msgspec import field

from podrun.api.base import Object
from podrun.api.container import (
    Container,
    ContainerPort,
    ContainerResizePolicy,
    ContainerRestartRule,
    ContainerRestartRuleOnExitCodes,
    EnvVar,
    ResourceRequirements,
    VolumeDevice,
    VolumeMount,
)
from podrun.api.meta import LocalObjectReference, ObjectMeta, OwnerReference
from podrun.api.probe import (
    ExecAction,
    GRPCAction,
    HTTPGetAction,
    HTTPHeader,
    Lifecycle,
    LifecycleHandler,
    Probe,
    SleepAction,
    TCPSocketAction,
)
from podrun.api.security import (
    AppArmorProfile,
    Capabilities,
    PodSecurityContext,
    SeccompProfile,
    SecurityContext,
    SELinuxOptions,
    Sysctl,
)
from podrun.api.selectors import (
    ConfigMapVolumeSource,
    DownwardAPIProjection,
    DownwardAPIVolumeFile,
    DownwardAPIVolumeSource,
    EnvFromSource,
    EnvVarSource,
    FileKeySelector,
    KeySelector,
    KeyToPath,
    ObjectFieldSelector,
    OptionalReference,
    PersistentVolumeClaimVolumeSource,
    ProjectedReference,
    ProjectedVolumeSource,
    ResourceFieldSelector,
    SecretVolumeSource,
    VolumeProjection,
)
from podrun.api.status import (
    ContainerState,
    ContainerStateRunning,
    ContainerStateTerminated,
    ContainerStateWaiting,
    ContainerStatus,
    HostIP,
    PodCondition,
    PodIP,
    PodStatus,
)
from podrun.api.volume import (
    EmptyDirVolumeSource,
    HostPathVolumeSource,
    ImageVolumeSource,
    Volume,
)

__all__ = [
    "AppArmorProfile",
    "Capabilities",
    "ConfigMapVolumeSource",
    "Container",
    "ContainerPort",
    "ContainerResizePolicy",
    "ContainerRestartRule",
    "ContainerRestartRuleOnExitCodes",
    "ContainerState",
    "ContainerStateRunning",
    "ContainerStateTerminated",
    "ContainerStateWaiting",
    "ContainerStatus",
    "DownwardAPIProjection",
    "DownwardAPIVolumeFile",
    "DownwardAPIVolumeSource",
    "EmptyDirVolumeSource",
    "EnvFromSource",
    "EnvVar",
    "EnvVarSource",
    "ExecAction",
    "FileKeySelector",
    "GRPCAction",
    "HTTPGetAction",
    "HTTPHeader",
    "HostAlias",
    "HostIP",
    "HostPathVolumeSource",
    "ImageVolumeSource",
    "KeySelector",
    "KeyToPath",
    "Lifecycle",
    "LifecycleHandler",
    "LocalObjectReference",
    "ObjectFieldSelector",
    "ObjectMeta",
    "OptionalReference",
    "OwnerReference",
    "PersistentVolumeClaimVolumeSource",
    "Pod",
    "PodCondition",
    "PodDNSConfig",
    "PodDNSConfigOption",
    "PodIP",
    "PodOS",
    "PodReadinessGate",
    "PodSecurityContext",
    "PodSpec",
    "PodStatus",
    "Probe",
    "ProjectedReference",
    "ProjectedVolumeSource",
    "ResourceFieldSelector",
    "ResourceRequirements",
    "SELinuxOptions",
    "SeccompProfile",
    "SecretVolumeSource",
    "SecurityContext",
    "SleepAction",
    "Sysctl",
    "TCPSocketAction",
    "Volume",
    "VolumeDevice",
    "VolumeMount",
    "VolumeProjection",
]


class HostAlias(Object, kw_only=True, frozen=True):
    ip: str = ""
    hostnames: tuple[str, ...] = ()


class PodDNSConfigOption(Object, kw_only=True, frozen=True):
    name: str = ""
    value: str | None = None


class PodDNSConfig(Object, kw_only=True, frozen=True):
    nameservers: tuple[str, ...] = ()
    searches: tuple[str, ...] = ()
    options: tuple[PodDNSConfigOption, ...] = ()


class PodOS(Object, kw_only=True, frozen=True):
    name: str = ""


class PodReadinessGate(Object, kw_only=True, frozen=True):
    condition_type: str = ""


class PodSpec(Object, kw_only=True, frozen=True):
    """The last group of fields is for schedulers: kept for output, otherwise without effect."""

    init_containers: tuple[Container, ...] = ()
    containers: tuple[Container, ...] = ()
    volumes: tuple[Volume, ...] = ()
    resources: ResourceRequirements | None = None  # of the pod as a whole
    restart_policy: str = ""  # Always, OnFailure, Never
    termination_grace_period_seconds: int | None = None
    active_deadline_seconds: int | None = None
    dns_policy: str = ""  # ClusterFirst, ClusterFirstWithHostNet, Default, None
    dns_config: PodDNSConfig | None = None
    host_network: bool = False
    host_pid: bool = False
    host_ipc: bool = False
    host_users: bool | None = None
    share_process_namespace: bool | None = None
    hostname: str = ""
    hostname_override: str | None = None  # "" is not absent: it is refused
    subdomain: str = ""
    set_hostname_as_fqdn: bool | None = None
    host_aliases: tuple[HostAlias, ...] = ()
    security_context: PodSecurityContext | None = None
    readiness_gates: tuple[PodReadinessGate, ...] = ()
    enable_service_links: bool | None = None
    image_pull_secrets: tuple[LocalObjectReference, ...] = ()
    os: PodOS | None = None

    automount_service_account_token: bool | None = None
    service_account_name: str = ""
    service_account: str = ""
    node_name: str = ""
    node_selector: dict[str, str] = field(default_factory=dict)
    affinity: dict[str, Any] | None = None
    tolerations: tuple[dict[str, Any], ...] = ()
    topology_spread_constraints: tuple[dict[str, Any], ...] = ()
    scheduler_name: str = ""
    priority: int | None = None
    priority_class_name: str = ""
    preemption_policy: str = ""

    @property
    def all_containers(self) -> tuple[Container, ...]:
        """Init containers first, in the order of the spec."""
        return self.init_containers + self.containers


class Pod(Object, kw_only=True, frozen=True):
    # A default made by a factory is printed; a plain one would be left out as empty.
    api_version: str = field(default_factory=lambda: "v1")
    kind: str = field(default_factory=lambda: "Pod")
    metadata: ObjectMeta = ObjectMeta()
    spec: PodSpec = PodSpec()
    status: PodStatus | None = None
