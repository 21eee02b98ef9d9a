"""One container in ``podrun describe``."""

from __future__ import annotations

from collections.abc import Iterator

from podrun.api.pod import Container, ContainerState, ContainerStatus, EnvFromSource, EnvVar
from podrun.cli.block import NONE, Headed, Value


def describe_container(container: Container, status: ContainerStatus | None) -> dict[str, Value]:
    """``status`` None: nothing is known yet."""
    values: dict[str, Value] = {}
    if status is not None:
        values["Container ID"] = status.container_id
    values["Image"] = container.image
    if status is not None:
        values["Image ID"] = status.image_id
    values |= _what_it_runs(container)
    if status is not None:
        values |= _state("State", status.state)
        if status.last_state.waiting or status.last_state.terminated:
            values |= _state("Last State", status.last_state)
        values["Ready"] = str(status.ready)
        values["Restart Count"] = str(status.restart_count)
    if container.limits:
        values["Limits"] = dict(container.limits)
    if container.requests:
        values["Requests"] = dict(container.requests)
    values["Environment"] = {each.name: _value(each) for each in container.env} or NONE
    if container.env_from:
        values["Environment Variables from"] = list(map(_whole, container.env_from))
    values["Mounts"] = list(_mounts(container)) or NONE
    if container.volume_devices:
        found = [f"{each.device_path} from {each.name}" for each in container.volume_devices]
        values["Devices"] = found
    return values


def _what_it_runs(container: Container) -> dict[str, Value]:
    values: dict[str, Value] = {}
    if container.ports:
        values["Ports"] = ", ".join(f"{p.container_port}/{p.protocol}" for p in container.ports)
        host = [f"{p.host_ip}:{p.host_port}".lstrip(":") for p in container.ports if p.host_port]
        values["Host Ports"] = ", ".join(host) or NONE
    if container.restart_policy:
        values["Restart Policy"] = container.restart_policy
    if container.command:
        values["Command"] = [line for arg in container.command for line in arg.splitlines() or [""]]
    if container.args:
        values["Args"] = [line for arg in container.args for line in arg.splitlines() or [""]]
    return values


def _value(variable: EnvVar) -> str:
    """Where it comes from, never what a Secret holds."""
    source = variable.value_from
    if variable.value or source is None:
        return variable.value
    for kind, ref in (("config map", source.config_map_key_ref), ("secret", source.secret_key_ref)):
        if ref is not None:
            return f"<key {ref.key!r} of {kind} {ref.name!r}>{_optional(ref.optional)}"
    if source.file_key_ref is not None:
        file = source.file_key_ref
        where = f"file {file.path!r} of volume {file.volume_name!r}"
        return f"<key {file.key!r} of {where}>{_optional(file.optional)}"
    if source.resource_field_ref is not None:
        of = source.resource_field_ref
        return f"<{of.resource} of {of.container_name or 'this container'}>"
    return f"<{source.field_ref.field_path}>" if source.field_ref is not None else ""


def _whole(source: EnvFromSource) -> str:
    prefix = f" with prefix {source.prefix!r}" if source.prefix else ""
    if source.config_map_ref is not None:
        ref = source.config_map_ref
        return f"ConfigMap {ref.name}{prefix}{_optional(ref.optional)}"
    if source.secret_ref is not None:
        ref = source.secret_ref
        return f"Secret {ref.name}{prefix}{_optional(ref.optional)}"
    return ""


def _optional(optional: bool | None) -> str:
    return " (optional)" if optional else ""


def _mounts(container: Container) -> Iterator[str]:
    for each in container.volume_mounts:
        part = each.sub_path or each.sub_path_expr
        path = f',path="{part}"' if part else ""
        yield f"{each.mount_path} from {each.name} ({'ro' if each.read_only else 'rw'}{path})"


def _state(title: str, state: ContainerState) -> dict[str, Value]:
    """The state's word, and below it what belongs to it."""
    from podrun.cli.describe import when

    details: dict[str, str] = {}
    word = "Waiting"
    if state.running is not None:
        word, details = "Running", {"Started": when(state.running.started_at)}
    elif state.terminated is not None:
        ended = state.terminated
        word = "Terminated"
        details = {
            "Reason": ended.reason,
            "Message": ended.message,
            "Exit Code": str(ended.exit_code),
            "Signal": str(ended.signal) if ended.signal else "",
            "Started": when(ended.started_at),
            "Finished": when(ended.finished_at),
        }
    elif state.waiting is not None:
        details = {"Reason": state.waiting.reason, "Message": state.waiting.message}
    return {title: Headed(word, {name: text for name, text in details.items() if text})}
