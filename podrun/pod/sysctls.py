"""Which kernel parameters a pod may set (the kubelet's admission, ``pkg/kubelet/sysctl``).

Safe ones belong to the pod's own namespaces and can hurt nobody outside. Others of its namespaces
need the node's leave; what is the whole machine's is never a pod's to set.
"""

from __future__ import annotations

from collections.abc import Iterable

from podrun.api.pod import Pod, PodSecurityContext
from podrun.api.validate_security import sysctl_name, sysctl_namespace

FORBIDDEN = "SysctlForbidden"

SAFE = frozenset(
    (
        "kernel.shm_rmid_forced",
        "net.ipv4.ip_local_port_range",
        "net.ipv4.ip_local_reserved_ports",
        "net.ipv4.ip_unprivileged_port_start",
        "net.ipv4.ping_group_range",
        "net.ipv4.tcp_fin_timeout",
        "net.ipv4.tcp_keepalive_intvl",
        "net.ipv4.tcp_keepalive_probes",
        "net.ipv4.tcp_keepalive_time",
        "net.ipv4.tcp_rmem",
        "net.ipv4.tcp_syncookies",
        "net.ipv4.tcp_wmem",
    )
)


def parameters(pod: Pod) -> dict[str, str]:
    """name, with dots between its parts → value."""
    context = pod.spec.security_context or PodSecurityContext()
    return {sysctl_name(sysctl.name): sysctl.value for sysctl in context.sysctls}


def forbidden(pod: Pod, allowed_unsafe: Iterable[str]) -> str:
    """Why the pod may not run here, in the kubelet's words; "" when it may.

    ``allowed_unsafe`` are names, or prefixes that end in ``*``.
    """
    allowed = tuple(allowed_unsafe)
    for name in parameters(pod):
        if not sysctl_namespace(name):
            return f'forbidden sysctl: "{name}" is not of a namespace'
        if name not in SAFE and not any(_fits(name, each) for each in allowed):
            return f'forbidden sysctl: "{name}" not allowlisted'
    return ""


def _fits(name: str, pattern: str) -> bool:
    pattern = sysctl_name(pattern)
    if pattern.endswith("*"):
        return name.startswith(pattern[:-1])
    return name == pattern
