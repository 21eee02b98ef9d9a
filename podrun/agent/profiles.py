"""The profiles that confine a container, found and made ready on this machine.

The container's own securityContext decides, then the pod's; a privileged container is confined by
none but its own, as upstream.
"""

from __future__ import annotations

from typing import TypeVar

from msgspec.structs import replace

from podrun.agent import rights
from podrun.api.pod import Container, Pod, SeccompProfile, SecurityContext
from podrun.container import apparmor, confinement, seccomp
from podrun.container.spec import ContainerSpec
from podrun.errors import PodrunError, Unavailable
from podrun.linux import capability, lsm
from podrun.node.config import Config
from podrun.node.paths import Paths

T = TypeVar("T")

_UNCONFINED = "Unconfined"
_CONFIG_ERROR = "CreateContainerConfigError"


def confined(
    config: Config, paths: Paths, pod: Pod, container: Container, spec: ContainerSpec
) -> ContainerSpec:
    """``spec`` with its profiles, and with a note of what this machine cannot give.

    Raises PodrunError (CreateContainerConfigError) for a profile that cannot be had.
    """
    context = container.security_context or SecurityContext()
    profile, without = _app_armor(pod, context, spec)
    process = replace(
        spec.process,
        seccomp=_seccomp(config, paths, pod, context, spec),
        apparmor=profile,
        selinux=_se_linux(pod, context),
    )
    notes = filter(None, (_missing(context, spec), without))
    return replace(spec, process=process, note="; ".join(notes))


def of_pause(paths: Paths) -> str:
    """Its filter, as containerd's; "" where there is none to be had, which no pod has asked for."""
    try:
        return str(seccomp.default_filter(paths.seccomp_filters, ()))
    except PodrunError:
        return ""


def _seccomp(
    config: Config, paths: Paths, pod: Pod, context: SecurityContext, spec: ContainerSpec
) -> str:
    """The path of the compiled filter; "" when unconfined."""
    shared = rights.of_pod(pod).seccomp_profile
    profile = _decisive(spec.process.privileged, context.seccomp_profile, shared)
    if profile is None:
        unsaid = config.seccomp_default and not spec.process.privileged
        profile = SeccompProfile(type="RuntimeDefault" if unsaid else _UNCONFINED)
    if profile.type == _UNCONFINED:
        return ""
    if profile.type == "Localhost":
        name = profile.localhost_profile or ""
        return str(seccomp.localhost_filter(paths.seccomp_filters, paths.seccomp_profiles, name))
    held = confinement.kept_capabilities(spec.process)
    return str(seccomp.default_filter(paths.seccomp_filters, capability.names(held)))


def _app_armor(pod: Pod, context: SecurityContext, spec: ContainerSpec) -> tuple[str, str]:
    """The profile's name ("": none), and a note."""
    shared = rights.of_pod(pod).app_armor_profile
    profile = _decisive(spec.process.privileged, context.app_armor_profile, shared)
    if profile is not None and profile.type == "Localhost":
        return _app_armor_localhost(profile.localhost_profile or ""), ""
    unsaid = profile is None
    if not lsm.apparmor_enabled() or (unsaid and spec.process.privileged):
        return "", ""
    if profile is not None and profile.type == _UNCONFINED:
        return "", ""
    if lsm.apparmor_has(apparmor.DEFAULT):
        return apparmor.DEFAULT, ""
    missing = apparmor.obstacle()
    if missing:
        return "", "" if unsaid else f"without AppArmor: {missing}"
    return apparmor.load_default(), ""


def _app_armor_localhost(name: str) -> str:
    if not lsm.apparmor_enabled():
        raise Unavailable(
            "Cannot enforce AppArmor: AppArmor is not enabled on the host",
            hint="leave out appArmorProfile of type Localhost, or boot with AppArmor",
            reason=_CONFIG_ERROR,
        )
    if not lsm.apparmor_has(name):
        raise PodrunError(
            f"apparmor profile not found: {name}",
            hint=f"load it: {apparmor.PARSER} --replace FILE",
            reason=_CONFIG_ERROR,
        )
    return name


def _se_linux(pod: Pod, context: SecurityContext) -> str:
    """The processes' label; parts that are not given are those of containers in the usual policy.

    Files are not labelled: a type that may not use podrun's own files may not run at all.
    """
    wanted = context.se_linux_options or rights.of_pod(pod).se_linux_options
    if wanted is None or not any((wanted.user, wanted.role, wanted.type, wanted.level)):
        return ""
    if not lsm.selinux_enabled():
        raise Unavailable(
            "Cannot set seLinuxOptions: SELinux is not enabled on the host",
            hint="leave out seLinuxOptions",
            reason=_CONFIG_ERROR,
        )
    role, kind = wanted.role or "system_r", wanted.type or "container_t"
    return f"{wanted.user or 'system_u'}:{role}:{kind}:{wanted.level or 's0'}"


def _decisive(privileged: bool, own: T | None, shared: T | None) -> T | None:
    return own if privileged or own is not None else shared


def _missing(context: SecurityContext, spec: ContainerSpec) -> str:
    if spec.process.privileged:
        return ""
    held = capability.names(capability.held())
    missing = [name for name in rights.added_capabilities(context) if name not in held]
    if not missing:
        return ""
    return f"podrun itself lacks the added capabilities {', '.join(missing)}: left out"
