"""The API server's rules for a Pod, and what podrun cannot do yet of what they allow.

Takes a Pod with defaults; the wording follows Kubernetes (``Required value``, ``Duplicate value``,
``Invalid value``, ``Unsupported value``, ``Not found``, ``Forbidden``).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from podrun.api import hugepages, names
from podrun.api.pod import HostAlias, ObjectMeta, Pod, PodDNSConfig, PodSpec, Volume
from podrun.api.problem import Problem
from podrun.api.validate_container import containers
from podrun.api.validate_projection import projection
from podrun.api.validate_resources import amount, whole_resources
from podrun.api.validate_rules import (
    MAX_INT32,
    PULL_POLICIES,
    between,
    check,
    choice,
    duplicates,
    forbidden,
    invalid,
    required,
)
from podrun.api.validate_security import pod_security
from podrun.api.volume import HOST_PATH_TYPES

_HOSTNAME_BYTES = 64  # of the kernel, sethostname(2)
_ANNOTATIONS_BYTES = 256 * 1024
_NAMESERVERS, _SEARCHES, _SEARCH_CHARACTERS = 3, 32, 2048


def validate(pod: Pod) -> list[Problem]:
    """Every problem of ``pod`` (with defaults), with its path; an empty list when it is valid."""
    return [*metadata(pod.metadata), *_spec(pod.spec)]


def metadata(meta: ObjectMeta) -> Iterator[Problem]:
    """The rules for every kind of object."""
    if not meta.name:
        yield required("metadata.name", "podrun makes up no names")
    else:
        yield from check("metadata.name", meta.name, names.dns_subdomain)
    yield from check("metadata.namespace", meta.namespace, names.dns_label)
    yield from labels("metadata.labels", meta.labels)
    for key in meta.annotations:
        yield from check(
            f"metadata.annotations[{key}]", key, lambda k: names.qualified_name(k.lower())
        )
    size = sum(len(k.encode()) + len(v.encode()) for k, v in meta.annotations.items())
    if size > _ANNOTATIONS_BYTES:
        yield Problem(
            "metadata.annotations", f"Too long: may not be more than {_ANNOTATIONS_BYTES} bytes"
        )


def labels(path: str, pairs: dict[str, str]) -> Iterator[Problem]:
    for key, value in pairs.items():
        yield from check(f"{path}[{key}]", key, names.qualified_name)
        yield from check(f"{path}[{key}]", value, names.label_value)


def _spec(spec: PodSpec) -> Iterator[Problem]:
    yield from containers(spec)
    yield from whole_resources("spec.resources", spec)
    yield from _volumes(spec)
    yield from choice("spec.restartPolicy", spec.restart_policy, ("Always", "OnFailure", "Never"))
    yield from _times(spec)
    yield from _dns(spec)
    yield from _host(spec)
    yield from _hostname_override(spec)
    yield from _gates(spec)
    yield from pod_security(
        "spec.securityContext",
        spec.security_context,
        host_network=spec.host_network,
        host_ipc=spec.host_ipc,
    )
    yield from _scheduling(spec)
    if spec.os is not None:
        yield from choice("spec.os.name", spec.os.name, ("linux",))


def _times(spec: PodSpec) -> Iterator[Problem]:
    grace, deadline = spec.termination_grace_period_seconds, spec.active_deadline_seconds
    yield from between("spec.terminationGracePeriodSeconds", grace, 0, MAX_INT32)
    yield from between("spec.activeDeadlineSeconds", deadline, 1, MAX_INT32)


def _volumes(spec: PodSpec) -> Iterator[Problem]:
    named = enumerate(spec.volumes)
    yield from duplicates((f"spec.volumes[{i}].name", v.name) for i, v in named)
    for index, volume in enumerate(spec.volumes):
        path = f"spec.volumes[{index}]"
        if not volume.name:
            yield required(f"{path}.name")
        else:
            yield from check(f"{path}.name", volume.name, names.dns_label)
        yield from projection(path, volume, [each.name for each in spec.all_containers])
        yield from _source(path, volume)
        if volume.empty_dir is not None:
            yield from _medium(f"{path}.emptyDir.medium", volume.empty_dir.medium, spec)


def _source(path: str, volume: Volume) -> Iterator[Problem]:
    sources = {
        "emptyDir": volume.empty_dir, "hostPath": volume.host_path, "image": volume.image,
        "configMap": volume.config_map, "secret": volume.secret, "projected": volume.projected,
        "downwardAPI": volume.downward_api,
        "persistentVolumeClaim": volume.persistent_volume_claim,
    }  # fmt: skip
    given = [name for name, source in sources.items() if source is not None]
    for name in given[1:]:
        yield forbidden(f"{path}.{name}", "may not specify more than 1 volume type")
    if volume.empty_dir is not None and volume.empty_dir.size_limit is not None:
        yield from amount(f"{path}.emptyDir.sizeLimit", volume.empty_dir.size_limit)
    if volume.host_path is not None:
        host_path = f"{path}.hostPath"
        yield from path_without_dots(f"{host_path}.path", volume.host_path.path)
        yield from choice(f"{host_path}.type", volume.host_path.type or "", HOST_PATH_TYPES)
    claim = volume.persistent_volume_claim
    if claim is not None and not claim.claim_name:
        yield required(f"{path}.persistentVolumeClaim.claimName")
    if volume.image is not None:
        if not volume.image.reference:
            yield required(f"{path}.image.reference")
        yield from choice(f"{path}.image.pullPolicy", volume.image.pull_policy, PULL_POLICIES)


def _medium(path: str, medium: str, spec: PodSpec) -> Iterator[Problem]:
    if not hugepages.is_medium(medium):
        yield from choice(path, medium, ("", "Memory", hugepages.MEDIUM))
        return
    try:
        hugepages.page_of_medium(spec, medium)
    except ValueError as error:
        yield invalid(path, medium, str(error))


def path_without_dots(path: str, value: str) -> Iterator[Problem]:
    if not value:
        yield required(path)
    elif not value.startswith("/"):
        yield invalid(path, value, "must be an absolute path")
    elif ".." in value.split("/"):
        yield invalid(path, value, "must not contain '..'")
    elif "\0" in value:
        yield invalid(path, value, "must not contain a null character")


def _dns(spec: PodSpec) -> Iterator[Problem]:
    policies = ("ClusterFirstWithHostNet", "ClusterFirst", "Default", "None")
    yield from choice("spec.dnsPolicy", spec.dns_policy, policies)
    config = spec.dns_config or PodDNSConfig()
    if spec.dns_policy == "None" and not config.nameservers:
        why = "must provide at least one DNS nameserver when `dnsPolicy` is None"
        yield required("spec.dnsConfig.nameservers", why)
    yield from _nameservers("spec.dnsConfig.nameservers", config.nameservers)
    yield from _searches("spec.dnsConfig.searches", config.searches)
    for index, option in enumerate(config.options):
        if not option.name:
            yield required(f"spec.dnsConfig.options[{index}]", "must not be empty")


def _nameservers(path: str, servers: tuple[str, ...]) -> Iterator[Problem]:
    if len(servers) > _NAMESERVERS:
        yield invalid(path, servers, f"must not have more than {_NAMESERVERS} nameservers")
    for index, server in enumerate(servers):
        yield from check(f"{path}[{index}]", server, names.ip_address)


def _searches(path: str, searches: tuple[str, ...]) -> Iterator[Problem]:
    if len(searches) > _SEARCHES:
        yield invalid(path, searches, f"must not have more than {_SEARCHES} search paths")
    if len(" ".join(searches)) > _SEARCH_CHARACTERS:
        why = f"must not have more than {_SEARCH_CHARACTERS} characters (including spaces)"
        yield invalid(path, searches, why)
    for index, search in enumerate(searches):
        # Underscores and a final dot are allowed in a search path, and so is "." alone.
        why = (
            "" if search == "." else names.dns_subdomain(search.removesuffix(".").replace("_", "a"))
        )
        if why:
            yield invalid(f"{path}[{index}]", search, why)


def _host(spec: PodSpec) -> Iterator[Problem]:
    if spec.hostname:
        yield from check("spec.hostname", spec.hostname, names.dns_label)
    if spec.subdomain:
        yield from check("spec.subdomain", spec.subdomain, names.dns_label)
    if spec.host_pid and spec.share_process_namespace:
        yield invalid(
            "spec.shareProcessNamespace",
            True,
            "ShareProcessNamespace and HostPID cannot both be enabled",
        )
    shared = {
        "hostNetwork": spec.host_network, "hostPID": spec.host_pid, "hostIPC": spec.host_ipc,
    }  # fmt: skip
    for name, given in shared.items():
        if given and spec.host_users is False:
            yield forbidden(f"spec.{name}", "when `pod.Spec.HostUsers` is false")
    for index, alias in enumerate(spec.host_aliases):
        yield from _alias(f"spec.hostAliases[{index}]", alias)


def _hostname_override(spec: PodSpec) -> Iterator[Problem]:
    path, name = "spec.hostnameOverride", spec.hostname_override
    if name is None:
        return
    if spec.set_hostname_as_fqdn:
        yield forbidden(path, "may not be specified when setHostnameAsFQDN is true")
    if spec.host_network:
        yield forbidden(path, "may not be specified when hostNetwork is true")
    if len(name) > _HOSTNAME_BYTES:
        yield Problem(path, f"Too long: may not be more than {_HOSTNAME_BYTES} bytes")
    yield from check(path, name, names.dns_subdomain)


def _gates(spec: PodSpec) -> Iterator[Problem]:
    for index, gate in enumerate(spec.readiness_gates):
        path = f"spec.readinessGates[{index}].conditionType"
        yield from check(path, gate.condition_type, names.qualified_name)


def _alias(path: str, alias: HostAlias) -> Iterator[Problem]:
    yield from check(f"{path}.ip", alias.ip, names.ip_address)
    for index, name in enumerate(alias.hostnames):
        yield from check(f"{path}.hostnames[{index}]", name, names.dns_subdomain)


def _scheduling(spec: PodSpec) -> Iterator[Problem]:
    yield from labels("spec.nodeSelector", spec.node_selector)
    optional: Iterable[tuple[str, str]] = (
        ("spec.nodeName", spec.node_name),
        ("spec.serviceAccountName", spec.service_account_name),
        ("spec.priorityClassName", spec.priority_class_name),
        ("spec.schedulerName", spec.scheduler_name),
    )
    for path, name in optional:
        yield from check(path, name, names.dns_subdomain) if name else ()
    if spec.preemption_policy:
        policies = ("PreemptLowerPriority", "Never")
        yield from choice("spec.preemptionPolicy", spec.preemption_policy, policies)
