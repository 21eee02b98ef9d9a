"""The rules for containers: names, images, ports, mounts, environment, resources, rights.

Mounts: ``validate_mounts``; probes and hooks: ``validate_probe``; restart policies:
``validate_restart``.
"""

from __future__ import annotations

from collections.abc import Iterator

from podrun.api import names
from podrun.api.container import Container, ContainerPort
from podrun.api.pod import PodSpec
from podrun.api.problem import Problem
from podrun.api.validate_devices import devices
from podrun.api.validate_env import environment
from podrun.api.validate_mounts import mounts
from podrun.api.validate_probe import no_probes_nor_hooks, probes_and_hooks
from podrun.api.validate_resize import resizes
from podrun.api.validate_resources import container_resources
from podrun.api.validate_restart import restarts
from podrun.api.validate_rules import (
    PULL_POLICIES,
    between,
    check,
    choice,
    duplicates,
    forbidden,
    invalid,
    not_yet,
    required,
)
from podrun.api.validate_security import container_security


def containers(spec: PodSpec) -> Iterator[Problem]:
    """All containers of ``spec``, and what must hold between them."""
    if not spec.containers:
        yield required("spec.containers")
    placed = [(f"spec.initContainers[{i}]", each) for i, each in enumerate(spec.init_containers)]
    app = [(f"spec.containers[{i}]", each) for i, each in enumerate(spec.containers)]
    for path, container in placed + app:
        yield from _container(path, container, spec)
    yield from duplicates((f"{path}.name", each.name) for path, each in placed + app)
    sidecars = [(path, each) for path, each in placed if each.restart_policy == "Always"]
    yield from _host_ports(app + sidecars)
    for path, container in placed + app:
        yield from restarts(path, container)
        plain = path.startswith("spec.init") and container.restart_policy != "Always"
        yield from resizes(path, container, pod_policy=spec.restart_policy, plain_init=plain)
    for path, container in app + sidecars:
        yield from probes_and_hooks(path, container, spec)
    for path, container in placed:
        if container.restart_policy != "Always":
            yield from no_probes_nor_hooks(path, container)


def _container(path: str, container: Container, spec: PodSpec) -> Iterator[Problem]:
    if not container.name:
        yield required(f"{path}.name")
    else:
        yield from check(f"{path}.name", container.name, names.dns_label)
    yield from _image(path, container)
    yield from _ports(f"{path}.ports", container.ports, spec)
    yield from environment(path, container, spec)
    yield from mounts(f"{path}.volumeMounts", container, spec)
    yield from devices(f"{path}.volumeDevices", container, spec)
    yield from container_resources(f"{path}.resources", container)
    yield from container_security(
        f"{path}.securityContext",
        container.security_context,
        host_users=spec.host_users is not False,
    )
    yield from _message(path, container)


def _image(path: str, container: Container) -> Iterator[Problem]:
    if not container.image:
        yield required(f"{path}.image")
    elif container.image.strip() != container.image:
        why = "must not have leading or trailing whitespace"
        yield invalid(f"{path}.image", container.image, why)
    yield from choice(f"{path}.imagePullPolicy", container.image_pull_policy, PULL_POLICIES)
    process = (container.working_dir, *container.command, *container.args)
    if any("\0" in each for each in process):
        yield forbidden(path, "command, args and workingDir may not contain a null character")


def _ports(path: str, ports: tuple[ContainerPort, ...], spec: PodSpec) -> Iterator[Problem]:
    yield from duplicates((f"{path}[{i}].name", port.name) for i, port in enumerate(ports))
    for index, port in enumerate(ports):
        yield from _port(f"{path}[{index}]", port, spec)


def _port(path: str, port: ContainerPort, spec: PodSpec) -> Iterator[Problem]:
    if port.name:
        yield from check(f"{path}.name", port.name, names.port_name)
    if port.container_port == 0:
        yield required(f"{path}.containerPort")
    else:
        yield from between(f"{path}.containerPort", port.container_port, 1, 65535)
    if port.host_port:
        yield from between(f"{path}.hostPort", port.host_port, 1, 65535)
        if spec.host_network and port.host_port != port.container_port:
            why = "must match `containerPort` when `hostNetwork` is true"
            yield invalid(f"{path}.hostPort", port.host_port, why)
    if port.host_ip:
        yield from check(f"{path}.hostIP", port.host_ip, names.ip_address)
    if port.protocol == "SCTP":
        yield not_yet(f"{path}.protocol", port.protocol)
    else:
        yield from choice(f"{path}.protocol", port.protocol, ("TCP", "UDP"))


def _host_ports(placed: list[tuple[str, Container]]) -> Iterator[Problem]:
    """Two ports cannot have one place on the host."""
    taken: dict[tuple[str, int], list[str]] = {}
    for path, container in placed:
        for index, port in enumerate(container.ports):
            if not port.host_port:
                continue
            addresses = taken.setdefault((port.protocol, port.host_port), [])
            if any(_overlap(port.host_ip, other) for other in addresses):
                value = f"{port.protocol}/{port.host_ip}/{port.host_port}"
                yield Problem(f"{path}.ports[{index}].hostPort", f'Duplicate value: "{value}"')
            addresses.append(port.host_ip)


def _overlap(one: str, other: str) -> bool:
    """Whether two hostIPs share an address; "" is every address, 0.0.0.0 and :: all of a family."""
    if one == other or not one or not other:
        return True
    same_family = (":" in one) == (":" in other)
    return same_family and not {one, other}.isdisjoint(("0.0.0.0", "::"))


def _message(path: str, container: Container) -> Iterator[Problem]:
    if "\0" in container.termination_message_path:
        yield forbidden(f"{path}.terminationMessagePath", "may not contain a null character")
    policies = ("File", "FallbackToLogsOnError")
    policy = container.termination_message_policy
    yield from choice(f"{path}.terminationMessagePolicy", policy, policies)
