"""What a pod and its containers may do (``securityContext``)."""

from __future__ import annotations

from podrun.api.base import Object


class SeccompProfile(Object, kw_only=True, frozen=True):
    type: str = ""  # RuntimeDefault, Localhost, Unconfined
    localhost_profile: str | None = None  # a path below the node's directory of profiles


class AppArmorProfile(Object, kw_only=True, frozen=True):
    type: str = ""  # RuntimeDefault, Localhost, Unconfined
    localhost_profile: str | None = None  # the name of a loaded profile


class SELinuxOptions(Object, kw_only=True, frozen=True):
    user: str = ""
    role: str = ""
    type: str = ""
    level: str = ""


class Capabilities(Object, kw_only=True, frozen=True):
    """Names with or without ``CAP_``, or ``ALL``."""

    add: tuple[str, ...] = ()
    drop: tuple[str, ...] = ()


class SecurityContext(Object, kw_only=True, frozen=True):
    """A container's. None: the pod's securityContext decides, then the image."""

    allow_privilege_escalation: bool | None = None
    app_armor_profile: AppArmorProfile | None = None
    capabilities: Capabilities | None = None
    privileged: bool | None = None
    proc_mount: str | None = None  # Default, Unmasked
    read_only_root_filesystem: bool | None = None
    run_as_group: int | None = None
    run_as_non_root: bool | None = None
    run_as_user: int | None = None
    se_linux_options: SELinuxOptions | None = None
    seccomp_profile: SeccompProfile | None = None


class Sysctl(Object, kw_only=True, frozen=True):
    """``name`` with dots, or with slashes where a part of it holds dots."""

    name: str = ""
    value: str = ""


class PodSecurityContext(Object, kw_only=True, frozen=True):
    app_armor_profile: AppArmorProfile | None = None
    fs_group: int | None = None
    fs_group_change_policy: str | None = None  # Always (also when None), OnRootMismatch
    run_as_group: int | None = None
    run_as_non_root: bool | None = None
    run_as_user: int | None = None
    se_linux_options: SELinuxOptions | None = None
    seccomp_profile: SeccompProfile | None = None
    supplemental_groups: tuple[int, ...] = ()
    supplemental_groups_policy: str | None = None  # Merge (also when None), Strict
    sysctls: tuple[Sysctl, ...] = ()
