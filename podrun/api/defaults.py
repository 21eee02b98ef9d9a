"""The defaults Kubernetes fills in when it accepts a Pod (its ``SetDefaults_…`` functions)."""

from __future__ import annotations

from typing import TypeVar

from msgspec.structs import replace

from podrun.api import quantity
from podrun.api.amounts import amounts, as_quantity, effective
from podrun.api.hugepages import is_pages
from podrun.api.pod import (
    ConfigMapVolumeSource,
    Container,
    ContainerPort,
    ContainerResizePolicy,
    DownwardAPIProjection,
    DownwardAPIVolumeSource,
    EmptyDirVolumeSource,
    EnvVar,
    HTTPGetAction,
    Lifecycle,
    LifecycleHandler,
    ObjectFieldSelector,
    Pod,
    PodSecurityContext,
    PodSpec,
    Probe,
    ProjectedVolumeSource,
    ResourceRequirements,
    SecretVolumeSource,
    Volume,
)

TERMINATION_MESSAGE_PATH = "/dev/termination-log"
TERMINATION_MESSAGE_POLICY = "File"


def with_defaults(pod: Pod) -> Pod:
    """``pod`` with every default filled in; twice is the same as once. Never raises."""
    metadata = replace(pod.metadata, namespace=pod.metadata.namespace or "default")
    return replace(pod, metadata=metadata, spec=_spec(pod.spec))


def _spec(spec: PodSpec) -> PodSpec:
    grace = spec.termination_grace_period_seconds
    links = spec.enable_service_links
    host = spec.host_network
    spec = replace(
        spec,
        init_containers=tuple(_container(each, host, init=True) for each in spec.init_containers),
        containers=tuple(_container(each, host) for each in spec.containers),
    )
    return replace(
        spec,
        volumes=tuple(_volume(each) for each in spec.volumes),
        resources=_whole(spec),
        restart_policy=spec.restart_policy or "Always",
        termination_grace_period_seconds=30 if grace is None else grace,
        dns_policy=spec.dns_policy or "ClusterFirst",
        security_context=spec.security_context or PodSecurityContext(),
        enable_service_links=True if links is None else links,
        scheduler_name=spec.scheduler_name or "default-scheduler",
    )


def _container(container: Container, host_network: bool, *, init: bool = False) -> Container:
    plain_init = init and container.restart_policy != "Always"
    return replace(
        container,
        image_pull_policy=container.image_pull_policy or default_pull_policy(container.image),
        env=tuple(map(_variable, container.env)),
        ports=tuple(_port(each, host_network) for each in container.ports),
        resources=_resources(container.resources or ResourceRequirements()),
        resize_policy=container.resize_policy if plain_init else _resize_policy(container),
        lifecycle=_lifecycle(container.lifecycle),
        liveness_probe=_probe(container.liveness_probe),
        readiness_probe=_probe(container.readiness_probe),
        startup_probe=_probe(container.startup_probe),
        termination_message_path=container.termination_message_path or TERMINATION_MESSAGE_PATH,
        termination_message_policy=container.termination_message_policy
        or TERMINATION_MESSAGE_POLICY,
    )


def _variable(variable: EnvVar) -> EnvVar:
    source = variable.value_from
    if source is None or source.field_ref is None:
        return variable
    return replace(variable, value_from=replace(source, field_ref=field_ref(source.field_ref)))


def _resize_policy(container: Container) -> tuple[ContainerResizePolicy, ...]:
    """NotRequired for each resource that the container has and its policies do not name."""
    named = {each.resource_name for each in container.resize_policy}
    missing = (
        ContainerResizePolicy(resource_name=name, restart_policy="NotRequired")
        for name in ("cpu", "memory")
        if name in container.limits | container.requests and name not in named
    )
    return (*container.resize_policy, *missing)


def default_pull_policy(image: str) -> str:
    """Always for the tag ``latest``, and for neither tag nor digest; else IfNotPresent."""
    name, _, digest = image.partition("@")
    tag = name.rpartition("/")[2].partition(":")[2]
    return "Always" if tag == "latest" or not (tag or digest) else "IfNotPresent"


def _probe(probe: Probe | None) -> Probe | None:
    if probe is None:
        return None
    return replace(
        probe,
        http_get=_http_get(probe.http_get),
        timeout_seconds=probe.timeout_seconds or 1,
        period_seconds=probe.period_seconds or 10,
        success_threshold=probe.success_threshold or 1,
        failure_threshold=probe.failure_threshold or 3,
    )


def _lifecycle(lifecycle: Lifecycle | None) -> Lifecycle | None:
    if lifecycle is None:
        return None
    post_start, pre_stop = _hook(lifecycle.post_start), _hook(lifecycle.pre_stop)
    return replace(lifecycle, post_start=post_start, pre_stop=pre_stop)


def _hook(hook: LifecycleHandler | None) -> LifecycleHandler | None:
    return hook and replace(hook, http_get=_http_get(hook.http_get))


def _http_get(action: HTTPGetAction | None) -> HTTPGetAction | None:
    return action and replace(action, path=action.path or "/", scheme=action.scheme or "HTTP")


def _port(port: ContainerPort, host_network: bool) -> ContainerPort:
    """With the host's network the container's port is the host's, whether or not it says so."""
    host_port = port.host_port or (port.container_port if host_network else 0)
    return replace(port, protocol=port.protocol or "TCP", host_port=host_port)


def _resources(resources: ResourceRequirements) -> ResourceRequirements:
    """A limit without a request is also the request."""
    limits = {name: _canonical(text) for name, text in resources.limits.items()}
    requests = {name: _canonical(text) for name, text in resources.requests.items()}
    return ResourceRequirements(limits=limits, requests={**limits, **requests})


def _whole(spec: PodSpec) -> ResourceRequirements | None:
    """Of the pod: a limit is the request too, unless a container asks for something of it; then
    the request is what the containers ask for together."""
    if spec.resources is None or not (spec.resources.limits or spec.resources.requests):
        return None
    given = _resources(spec.resources)
    requests = {name: _canonical(text) for name, text in spec.resources.requests.items()}
    try:
        asked = effective(spec, lambda container: amounts(container.requests))
    except ValueError:
        return given  # ``validate`` reports it
    together = {name: as_quantity(name, amount) for name, amount in asked.items()}
    pages = {name: text for name, text in together.items() if is_pages(name)}
    limits = {**pages, **given.limits}  # of huge pages the limit is what containers have together
    together = {name: text for name, text in together.items() if name not in pages}
    return replace(given, limits=limits, requests={**limits, **together, **requests})


def _canonical(text: str) -> str:
    try:
        return quantity.format_quantity(quantity.round_to_milli(quantity.parse(text)))
    except ValueError:
        return text  # ``validate`` reports it


def _volume(volume: Volume) -> Volume:
    """No source at all means an emptyDir."""
    if volume == Volume(name=volume.name):
        return replace(volume, empty_dir=EmptyDirVolumeSource())
    host_path, image = volume.host_path, volume.image
    if image is not None:
        policy = image.pull_policy or default_pull_policy(image.reference)
        image = replace(image, pull_policy=policy)
    if host_path is not None:
        host_path = replace(host_path, type=host_path.type or "")
    return replace(
        volume,
        host_path=host_path,
        image=image,
        config_map=_with_mode(volume.config_map),
        secret=_with_mode(volume.secret),
        projected=_projected(_with_mode(volume.projected)),
        downward_api=_downward(_with_mode(volume.downward_api)),
    )


_Moded = TypeVar(
    "_Moded",
    ConfigMapVolumeSource,
    SecretVolumeSource,
    ProjectedVolumeSource,
    DownwardAPIVolumeSource,
)
_Downward = TypeVar("_Downward", DownwardAPIVolumeSource, DownwardAPIProjection)


def _with_mode(source: _Moded | None) -> _Moded | None:
    if source is None or source.default_mode is not None:
        return source
    return replace(source, default_mode=0o644)


def _projected(source: ProjectedVolumeSource | None) -> ProjectedVolumeSource | None:
    if source is None:
        return None
    parts = (replace(part, downward_api=_downward(part.downward_api)) for part in source.sources)
    return replace(source, sources=tuple(parts))


def _downward(source: _Downward | None) -> _Downward | None:
    if source is None:
        return None
    items = (replace(item, field_ref=field_ref(item.field_ref)) for item in source.items)
    return replace(source, items=tuple(items))


def field_ref(ref: ObjectFieldSelector | None) -> ObjectFieldSelector | None:
    return ref and replace(ref, api_version=ref.api_version or "v1")
