"""A container of a Pod's spec. Quantities are canonical strings (``podrun.api.quantity``)."""

from __future__ import annotations

from msgspec import field

from podrun.api.base import Object
from podrun.api.probe import Lifecycle, Probe
from podrun.api.security import SecurityContext
from podrun.api.selectors import EnvFromSource, EnvVarSource


class ContainerPort(Object, kw_only=True, frozen=True):
    container_port: int = 0
    host_port: int = 0  # 0: none
    host_ip: str = ""
    name: str = ""
    protocol: str = ""  # TCP, UDP, SCTP


class EnvVar(Object, kw_only=True, frozen=True):
    name: str = ""
    value: str = ""
    value_from: EnvVarSource | None = None


class VolumeMount(Object, kw_only=True, frozen=True):
    name: str = ""
    mount_path: str = ""
    read_only: bool = False
    recursive_read_only: str = ""  # Disabled, IfPossible, Enabled
    sub_path: str = ""
    sub_path_expr: str = ""
    mount_propagation: str = ""  # None, HostToContainer, Bidirectional


class VolumeDevice(Object, kw_only=True, frozen=True):
    """A volume that is a device of the host, as a device of the container."""

    name: str = ""
    device_path: str = ""


class ResourceRequirements(Object, kw_only=True, frozen=True):
    """``cpu`` and ``memory`` → quantity."""

    limits: dict[str, str] = field(default_factory=dict)
    requests: dict[str, str] = field(default_factory=dict)


class ContainerRestartRuleOnExitCodes(Object, kw_only=True, frozen=True):
    operator: str = ""  # In, NotIn
    values: tuple[int, ...] = ()  # 0–255


class ContainerRestartRule(Object, kw_only=True, frozen=True):
    """The first rule whose exit codes fit decides; without one the restart policy does."""

    action: str = ""  # Restart, RestartAllContainers
    exit_codes: ContainerRestartRuleOnExitCodes | None = None


class ContainerResizePolicy(Object, kw_only=True, frozen=True):
    """Of one resource: whether another amount of it needs a restart."""

    resource_name: str = ""  # cpu, memory
    restart_policy: str = ""  # NotRequired, RestartContainer


class Container(Object, kw_only=True, frozen=True):
    """An entry of ``containers`` or ``initContainers``."""

    name: str = ""
    image: str = ""
    image_pull_policy: str = ""  # Always, IfNotPresent, Never
    command: tuple[str, ...] = ()
    args: tuple[str, ...] = ()
    working_dir: str = ""
    env_from: tuple[EnvFromSource, ...] = ()
    env: tuple[EnvVar, ...] = ()
    ports: tuple[ContainerPort, ...] = ()
    volume_mounts: tuple[VolumeMount, ...] = ()
    volume_devices: tuple[VolumeDevice, ...] = ()
    resources: ResourceRequirements | None = None  # never None once defaults are filled in
    resize_policy: tuple[ContainerResizePolicy, ...] = ()
    restart_policy: str = ""  # "": the pod's; Always makes an init container a sidecar
    restart_policy_rules: tuple[ContainerRestartRule, ...] = ()
    lifecycle: Lifecycle | None = None
    liveness_probe: Probe | None = None
    readiness_probe: Probe | None = None
    startup_probe: Probe | None = None
    security_context: SecurityContext | None = None
    termination_message_path: str = ""
    termination_message_policy: str = ""  # File, FallbackToLogsOnError
    stdin: bool = False
    stdin_once: bool = False
    tty: bool = False

    @property
    def limits(self) -> dict[str, str]:
        return self.resources.limits if self.resources else {}

    @property
    def requests(self) -> dict[str, str]:
        return self.resources.requests if self.resources else {}
