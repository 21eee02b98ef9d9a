"""The rules for securityContext, the pod's and the containers'."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from podrun.api.problem import Problem
from podrun.api.security import (
    AppArmorProfile,
    Capabilities,
    PodSecurityContext,
    SeccompProfile,
    SecurityContext,
    Sysctl,
)
from podrun.api.validate_rules import (
    MAX_INT32,
    between,
    check,
    choice,
    duplicates,
    invalid,
    required,
)

#: of linux/capability.h; a test compares it with what ``podrun.linux.capability`` knows
CAPABILITIES = frozenset(
    """
    AUDIT_CONTROL AUDIT_READ AUDIT_WRITE BLOCK_SUSPEND BPF CHECKPOINT_RESTORE CHOWN DAC_OVERRIDE
    DAC_READ_SEARCH FOWNER FSETID IPC_LOCK IPC_OWNER KILL LEASE LINUX_IMMUTABLE MAC_ADMIN
    MAC_OVERRIDE MKNOD NET_ADMIN NET_BIND_SERVICE NET_BROADCAST NET_RAW PERFMON SETFCAP SETGID
    SETPCAP SETUID SYSLOG SYS_ADMIN SYS_BOOT SYS_CHROOT SYS_MODULE SYS_NICE SYS_PACCT SYS_PTRACE
    SYS_RAWIO SYS_RESOURCE SYS_TIME SYS_TTY_CONFIG WAKE_ALARM
    """.split()  # noqa: SIM905
)

_TYPES = ("Localhost", "RuntimeDefault", "Unconfined")
_APPARMOR_NAME_MAX = 4095
_SYSCTL_NAME_MAX = 253
_LABEL = frozenset("abcdefghijklmnopqrstuvwxyz0123456789")


def pod_security(
    path: str,
    context: PodSecurityContext | None,
    *,
    host_network: bool = False,
    host_ipc: bool = False,
) -> Iterator[Problem]:
    if context is None:
        return
    yield from _ids(path, context)
    yield from between(f"{path}.fsGroup", context.fs_group, 0, MAX_INT32)
    for index, group in enumerate(context.supplemental_groups):
        yield from between(f"{path}.supplementalGroups[{index}]", group, 0, MAX_INT32)
    policies = {
        "fsGroupChangePolicy": (context.fs_group_change_policy, ("Always", "OnRootMismatch")),
        "supplementalGroupsPolicy": (context.supplemental_groups_policy, ("Merge", "Strict")),
    }
    for name, (given, allowed) in policies.items():
        if given is not None:
            yield from choice(f"{path}.{name}", given, allowed)
    yield from _profiles(path, context)
    host = {"hostNetwork": host_network, "hostIPC": host_ipc}
    yield from _sysctls(f"{path}.sysctls", context.sysctls, {k for k, v in host.items() if v})


def container_security(
    path: str, context: SecurityContext | None, *, host_users: bool
) -> Iterator[Problem]:
    if context is None:
        return
    yield from _ids(path, context)
    yield from _capabilities(f"{path}.capabilities", context.capabilities)
    yield from _escalation(f"{path}.allowPrivilegeEscalation", context)
    yield from _profiles(path, context)
    if context.proc_mount is not None:
        yield from choice(f"{path}.procMount", context.proc_mount, ("Default", "Unmasked"))
        if context.proc_mount == "Unmasked" and host_users:
            why = "`hostUsers` must be false to use `Unmasked`"
            yield invalid(f"{path}.procMount", context.proc_mount, why)


def _ids(path: str, context: SecurityContext | PodSecurityContext) -> Iterator[Problem]:
    yield from between(f"{path}.runAsUser", context.run_as_user, 0, MAX_INT32)
    yield from between(f"{path}.runAsGroup", context.run_as_group, 0, MAX_INT32)


def _capabilities(path: str, listed: Capabilities | None) -> Iterator[Problem]:
    """The API server takes any name; the node finds out. Here the node is asked at once."""
    for kind, each in (("add", listed.add), ("drop", listed.drop)) if listed else ():
        for index, name in enumerate(each):
            if capability(name) not in CAPABILITIES | {"ALL"}:
                why = f"no such capability{_suggestion(name)}"
                yield invalid(f"{path}.{kind}[{index}]", name, why)


def capability(name: str) -> str:
    """As ``CAPABILITIES`` spells it: ``CAP_`` and small letters are accepted."""
    return name.upper().removeprefix("CAP_")


def _suggestion(name: str) -> str:
    from podrun.api.fields import suggest

    return suggest(capability(name), CAPABILITIES)


def _escalation(path: str, context: SecurityContext) -> Iterator[Problem]:
    if context.allow_privilege_escalation is not False:
        return
    if context.privileged:
        why = "cannot set `allowPrivilegeEscalation` to false and `privileged` to true"
        yield invalid(path, False, why)
    added = context.capabilities.add if context.capabilities else ()
    if "SYS_ADMIN" in map(capability, added):
        why = "cannot set `allowPrivilegeEscalation` to false and `capabilities.Add` CAP_SYS_ADMIN"
        yield invalid(path, False, why)


def _profiles(path: str, context: SecurityContext | PodSecurityContext) -> Iterator[Problem]:
    if context.seccomp_profile is not None:
        at = f"{path}.seccompProfile"
        yield from _profile(at, context.seccomp_profile, "seccomp", _seccomp_file)
    if context.app_armor_profile is not None:
        at = f"{path}.appArmorProfile"
        yield from _profile(at, context.app_armor_profile, "AppArmor", _app_armor_name)


def _profile(
    path: str,
    profile: SeccompProfile | AppArmorProfile,
    what: str,
    rules: Callable[[str, str], Iterator[Problem]],
) -> Iterator[Problem]:
    """``rules`` are given the path and the value of a ``localhostProfile`` that counts."""
    yield from _type(path, profile, what)
    if profile.type == "Localhost" and profile.localhost_profile is not None:
        yield from rules(f"{path}.localhostProfile", profile.localhost_profile)


def _seccomp_file(at: str, name: str) -> Iterator[Problem]:
    if name.startswith("/"):
        yield invalid(at, name, "must be a relative path")
    if ".." in name.split("/"):
        yield invalid(at, name, "must not contain '..'")
    if not name.strip("/") or "\0" in name:
        yield invalid(at, name, "must name a file")


def _app_armor_name(at: str, name: str) -> Iterator[Problem]:
    if name.strip() != name:
        yield invalid(at, name, "must not be padded with whitespace")
    elif not name:
        yield required(at, "must be set when AppArmor type is Localhost")
    if len(name) > _APPARMOR_NAME_MAX:
        yield Problem(at, f"Too long: may not be more than {_APPARMOR_NAME_MAX} bytes")
    if not name.isprintable():
        yield invalid(at, name, "must not contain control characters")


def _type(path: str, profile: SeccompProfile | AppArmorProfile, kind: str) -> Iterator[Problem]:
    if not profile.type:
        field = path.rpartition(".")[2]
        yield required(f"{path}.type", f"type is required when {field} is set")
    else:
        yield from choice(f"{path}.type", profile.type, _TYPES)
    name = profile.localhost_profile
    if profile.type == "Localhost" and name is None:
        yield required(f"{path}.localhostProfile", f"must be set when {kind} type is Localhost")
    if profile.type != "Localhost" and name is not None:
        why = f"can only be set when {kind} type is Localhost"
        yield invalid(f"{path}.localhostProfile", name, why)


def _sysctls(path: str, given: Iterable[Sysctl], host: set[str]) -> Iterator[Problem]:
    """``host``: which of hostNetwork and hostIPC are true."""
    named = [(f"{path}[{i}].name", sysctl.name) for i, sysctl in enumerate(given)]
    yield from duplicates((at, sysctl_name(name)) for at, name in named)
    for at, name in named:
        if not name:
            yield required(at)
            continue
        yield from check(at, name, _sysctl_problem)
        field = {"net": "hostNetwork", "ipc": "hostIPC"}.get(sysctl_namespace(name), "")
        if field in host:
            yield invalid(at, name, f"may not be specified when '{field}' is true")


def sysctl_name(name: str) -> str:
    """With dots. A name whose first separator is a slash holds dots inside its parts:
    ``net/ipv4/conf/eth0.7/forwarding`` is ``net.ipv4.conf.eth0/7.forwarding``.
    """
    first = next((c for c in name if c in "./"), "")
    return name.translate(str.maketrans("./", "/.")) if first == "/" else name


def sysctl_namespace(name: str) -> str:
    """``ipc`` or ``net``; "" for a parameter that belongs to the whole machine."""
    name = sysctl_name(name)
    if name.startswith("net."):
        return "net"
    ipc = name == "kernel.sem" or name.startswith(("kernel.shm", "kernel.msg", "fs.mqueue."))
    return "ipc" if ipc else ""


def _sysctl_problem(name: str) -> str:
    parts = name.replace("/", ".").split(".")
    if len(name) > _SYSCTL_NAME_MAX:
        return f"must have at most {_SYSCTL_NAME_MAX} characters"
    if all(_is_part(part) for part in parts):
        return ""
    return "must consist of lower case letters, digits, '-' and '_' in parts joined by '.' or '/'"


def _is_part(part: str) -> bool:
    inner = part.replace("-", "").replace("_", "")
    return bool(part) and part[0] in _LABEL and part[-1] in _LABEL and _LABEL.issuperset(inner)
