"""The profiles that confine a container, found and made ready on this machine.

The container's own securityContext decides, then the pod's; a privileged container is confined by
none but its own, as upstream.
"""

from __future__ import annotations

from typing import TypeVar

from msgspec.structs import replace

from podrun.agent import rights
from podrun.api.pod import Container, Pod, SeccompProfile, SecurityContext
from podrun.container import confinement, seccomp
from podrun.container.spec import ContainerSpec
from podrun.linux import capability
from podrun.node.config import Config
from podrun.node.paths import Paths

T = TypeVar("T")

_UNCONFINED = "Unconfined"


def confined(
    config: Config, paths: Paths, pod: Pod, container: Container, spec: ContainerSpec
) -> ContainerSpec:
    """``spec`` with its profiles, and with a note of what this machine cannot give.

    Raises PodrunError (CreateContainerConfigError) for a profile that cannot be had.
    """
    context = container.security_context or SecurityContext()
    filter_path = _seccomp(config, paths, pod, context, spec)
    process = replace(spec.process, seccomp=filter_path)
    return replace(spec, process=process, note=_missing(context, spec))


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
