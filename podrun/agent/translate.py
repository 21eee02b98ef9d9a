"""From a Pod to what mechanism understands: sandbox, volumes, containers. Pure but for the image,
which is given."""

from __future__ import annotations

from collections.abc import Mapping

from podrun.agent import rights
from podrun.agent.client import detached_command
from podrun.agent.mounts import mounts
from podrun.api.pod import Container, Pod, SecurityContext
from podrun.cgroup.limits import Limits
from podrun.container.spec import ContainerSpec, Process
from podrun.errors import PodrunError
from podrun.image.types import Image
from podrun.network.types import PortMapping
from podrun.node.config import Config
from podrun.node.paths import PodPaths
from podrun.pod import resources
from podrun.pod.expansion import expand_all
from podrun.pod.sysctls import parameters
from podrun.sandbox.spec import Dns, HostAlias, SandboxSpec

DEFAULT_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

_HOSTNAME_MAX = 63  # of one label
_FQDN_MAX = 64  # of a Linux host name


def pod_cgroup(config: Config, pod: Pod) -> str:
    """The kubelet's layout by QoS class, below podrun's own root."""
    qos = resources.qos_class(pod).lower()
    parent = config.cgroup_root if qos == "guaranteed" else f"{config.cgroup_root}/{qos}"
    return f"{parent}/pod{pod.metadata.uid}"


def container_cgroup(config: Config, pod: Pod, name: str, attempt: int) -> str:
    """One per run: what is left of the last one never stands in the way of the next."""
    return f"{pod_cgroup(config, pod)}/{name}.{attempt}"


def hostname(config: Config, pod: Pod, node_name: str) -> str:
    """As the kubelet has it: the override, the node's, or the pod's, as FQDN where asked for.

    Raises PodrunError when an FQDN is longer than the kernel's 64 characters; the pod stays
    Pending then.
    """
    spec = pod.spec
    if spec.hostname_override:
        return spec.hostname_override
    if spec.host_network:
        return node_name
    qualified = fqdn(config, pod)
    if not (spec.set_hostname_as_fqdn and qualified):
        return _short_hostname(pod)
    if len(qualified) > _FQDN_MAX:
        raise PodrunError(
            f'the FQDN "{qualified}" is longer than {_FQDN_MAX} characters',
            hint="shorten hostname or subdomain, or leave out setHostnameAsFQDN",
        )
    return qualified


def fqdn(config: Config, pod: Pod) -> str:
    """Of a pod with a subdomain; "" without."""
    if not pod.spec.subdomain:
        return ""
    domain = f"{pod.metadata.namespace}.svc.{config.cluster_domain}"
    return f"{_short_hostname(pod)}.{pod.spec.subdomain}.{domain}"


def _short_hostname(pod: Pod) -> str:
    """Cut and trimmed, because a pod's name may be longer than a host's."""
    return (pod.spec.hostname or pod.metadata.name)[:_HOSTNAME_MAX].rstrip("-.")


def sandbox_spec(
    config: Config, pod: Pod, attempt: int, node_name: str, host_ips: tuple[str, ...]
) -> SandboxSpec:
    spec = pod.spec
    figures = resources.pod_figures(pod)
    return SandboxSpec(
        uid=pod.metadata.uid,
        owner=f"{pod.metadata.namespace}/{pod.metadata.name}",
        attempt=attempt,
        hostname=hostname(config, pod, node_name),
        fqdn="" if pod.spec.hostname_override else fqdn(config, pod),
        cgroup=pod_cgroup(config, pod),
        host_network=spec.host_network,
        host_ipc=spec.host_ipc,
        host_pid=spec.host_pid,
        share_pid=bool(spec.share_process_namespace),
        own_users=spec.host_users is False,
        ports=() if spec.host_network else _ports(pod),
        aliases=tuple(HostAlias(alias.ip, alias.hostnames) for alias in spec.host_aliases),
        dns=_dns(pod),
        host_ips=host_ips,
        cpu_shares=figures.cpu_shares,
        cpu_quota_us=figures.cpu_quota_us,
        memory_bytes=figures.memory_limit,
        hugepages=resources.pod_pages(pod),
        pids=config.pod_pids_limit,
        sysctls=parameters(pod),
    )


def _ports(pod: Pod) -> tuple[PortMapping, ...]:
    return tuple(
        PortMapping(
            host_port=port.host_port,
            container_port=port.container_port,
            protocol=port.protocol or "TCP",
            host_ip=port.host_ip,
        )
        for container in pod.spec.all_containers
        for port in container.ports
        if port.host_port
    )


def _dns(pod: Pod) -> Dns:
    """There is no cluster DNS here: ClusterFirst falls back to the host's file, as upstream's."""
    extra = pod.spec.dns_config
    options = tuple(
        option.name if option.value is None else f"{option.name}:{option.value}"
        for option in (extra.options if extra else ())
    )
    return Dns(
        from_host=pod.spec.dns_policy != "None",
        nameservers=extra.nameservers if extra else (),
        searches=extra.searches if extra else (),
        options=options,
    )


def container_spec(
    config: Config,
    paths: PodPaths,
    pod: Pod,
    container: Container,
    image: Image,
    lowers: tuple[str, ...],
    *,
    container_id: str,
    attempt: int,
    node_name: str,
    memory_capacity: int,
    volume_lowers: Mapping[str, tuple[str, ...]],
    variables: Mapping[str, str],
) -> ContainerSpec:
    """``volume_lowers`` are the layers of each image volume it mounts, topmost first; ``variables``
    its environment as the manifest has it.

    Raises PodrunError (CreateContainerConfigError, RunContainerError) for what cannot be.
    """
    context = container.security_context or SecurityContext()
    return ContainerSpec(
        id=container_id,
        name=container.name,
        attempt=attempt,
        lowers=lowers,
        process=_process(pod, container, image, hostname(config, pod, node_name), variables),
        cgroup=container_cgroup(config, pod, container.name, attempt),
        log=str(paths.log(container.name, attempt)),
        log_max_bytes=config.log_max_bytes,
        log_max_files=config.log_max_files,
        pid_namespace=_pid_namespace(pod),
        mounts=mounts(pod, container, volume_lowers, variables),
        limits=_limits(pod, container),
        oom_score_adj=resources.oom_score_adj(pod, container, memory_capacity),
        read_only_root=bool(context.read_only_root_filesystem),
        unmasked=context.proc_mount == "Unmasked",
        stop_signal=image.config.stop_signal,
        stdin=container.stdin,
        stdin_once=container.stdin_once,
        tty=container.tty,
        termination_message_path=container.termination_message_path,
        agent_command=detached_command(),
    )


def _limits(pod: Pod, container: Container) -> Limits:
    figures = resources.container_figures(container)
    return Limits(
        cpu_shares=figures.cpu_shares,
        cpu_quota_us=figures.cpu_quota_us,
        memory_bytes=figures.memory_limit,
        hugepages=resources.container_pages(pod, container),
        oom_group=True,
    )


def _pid_namespace(pod: Pod) -> str:
    if pod.spec.host_pid:
        return "host"
    return "pod" if pod.spec.share_process_namespace else "private"


def _process(
    pod: Pod, container: Container, image: Image, host: str, variables: Mapping[str, str]
) -> Process:
    context = container.security_context or SecurityContext()
    args = _arguments(container, image, variables)
    if not args:
        raise PodrunError(
            f"container {container.name}: no command specified",
            hint="the image has neither entrypoint nor command: set command in the manifest",
            reason="RunContainerError",
        )
    uid, gid = rights.ids(pod, context)
    rights.check_non_root(pod, context, image, uid)
    return Process(
        args=args,
        env=_environment(image, host, variables),
        cwd=container.working_dir or image.config.working_dir or "/",
        user=image.config.user,
        uid=uid,
        gid=gid,
        groups=rights.groups(pod),
        merge_groups=rights.merges_groups(pod),
        capabilities=rights.capabilities(context),
        no_new_privileges=context.allow_privilege_escalation is False,
        privileged=bool(context.privileged),
    )


def _arguments(container: Container, image: Image, variables: Mapping[str, str]) -> tuple[str, ...]:
    """command replaces the entrypoint and the image's arguments; args only the arguments. Only
    what the manifest says is expanded, and only with its own variables."""
    words = expand_all(container.command + container.args, variables)
    count = len(container.command)
    command, args = words[:count], words[count:]
    if command:
        return command + args
    return image.config.entrypoint + (args or image.config.cmd)


def _environment(image: Image, host: str, variables: Mapping[str, str]) -> tuple[str, ...]:
    """Base, then the image's, then the manifest's; of equal names the later one counts."""
    merged = {"PATH": DEFAULT_PATH, "HOSTNAME": host}
    for entry in image.config.env:
        key, _, value = entry.partition("=")
        merged[key] = value
    merged.update(variables)
    return tuple(f"{key}={value}" for key, value in merged.items())
