"""The environment a container gets from its manifest (semantics §9). Pure: what it needs is given.

envFrom, in order: prefix + key of each ConfigMap and Secret        a later one wins
env, in order: value, with $(NAME) of what is before it; else valueFrom
"""

from __future__ import annotations

import binascii
from collections.abc import Callable, Mapping

import msgspec

from podrun.api.configuration import ConfigMap, Secret
from podrun.api.kinds import CONFIG_MAP, SECRET, Kind
from podrun.api.pod import (
    Container,
    EnvFromSource,
    EnvVarSource,
    FileKeySelector,
    KeySelector,
    OptionalReference,
    Pod,
)
from podrun.errors import PodrunError
from podrun.pod import downward, envfile
from podrun.pod.expansion import Room, expand
from podrun.pod.missing import CONFIG_ERROR
from podrun.pod.projection import Find
from podrun.pod.resources import Amounts


class Surroundings(msgspec.Struct, frozen=True):
    """What a pod's environment may tell of. ``read_file`` gives the text of a file of an emptyDir
    volume (its name, the path), None when it is not there."""

    find: Find
    read_file: Callable[[str, str], str | None]
    pod_ips: tuple[str, ...]
    host_ips: tuple[str, ...]
    node_name: str
    allocatable: Amounts


def variables(pod: Pod, container: Container, around: Surroundings) -> dict[str, str]:
    """Raises PodrunError (CreateContainerConfigError), in the kubelet's words where something is
    missing."""
    namespace = pod.metadata.namespace
    found: dict[str, str] = {}
    room = Room()
    for source in container.env_from:
        for name, value in _whole(source, namespace, around.find).items():
            found[name] = room.take(value)
    for variable in container.env:
        if variable.value or variable.value_from is None:
            given: str | None = expand(variable.value, found)
        else:
            given = _value(pod, container, variable.value_from, around)
        if given is not None:
            found[variable.name] = room.take(given)
    for name, value in found.items():
        if "\0" in value:
            raise _refused(f"the value of variable {name} has a null character")
    return found


def _whole(source: EnvFromSource, namespace: str, find: Find) -> dict[str, str]:
    if source.config_map_ref is not None:
        data = dict(_data(CONFIG_MAP, source.config_map_ref, find))
    else:
        assert source.secret_ref is not None
        coded = _data(SECRET, source.secret_ref, find)
        data = {key: _text(key, coded[key]) for key in coded}
    return {source.prefix + key: data[key] for key in sorted(data)}


def _data(kind: Kind, ref: OptionalReference | KeySelector, find: Find) -> Mapping[str, str]:
    """What can be in an environment: the text of a ConfigMap, all of a Secret (in base64)."""
    thing = find(kind, ref.name)
    if thing is None and not ref.optional:
        raise _refused(f'{kind.singular} "{ref.name}" not found')
    return thing.data if isinstance(thing, ConfigMap | Secret) else {}


def _text(key: str, data: str) -> str:
    try:
        return binascii.a2b_base64(data).decode()
    except UnicodeDecodeError:
        raise _refused(f"key {key} is no UTF-8 text: it cannot be in an environment") from None


def _value(
    pod: Pod, container: Container, source: EnvVarSource, around: Surroundings
) -> str | None:
    """None: it is optional and not there."""
    namespace = pod.metadata.namespace
    if source.config_map_key_ref is not None:
        return _key(CONFIG_MAP, source.config_map_key_ref, namespace, around.find)
    if source.secret_key_ref is not None:
        return _key(SECRET, source.secret_key_ref, namespace, around.find)
    if source.field_ref is not None:
        return downward.field(
            pod,
            source.field_ref.field_path,
            pod_ips=around.pod_ips,
            host_ips=around.host_ips,
            node_name=around.node_name,
        )
    if source.resource_field_ref is not None:
        ref = source.resource_field_ref
        name = ref.container_name or container.name
        return downward.resource(pod, name, ref.resource, ref.divisor, around.allocatable)
    assert source.file_key_ref is not None
    return _from_file(source.file_key_ref, around)


def _key(kind: Kind, ref: KeySelector, namespace: str, find: Find) -> str | None:
    value = _data(kind, ref, find).get(ref.key)
    if value is None and not ref.optional:
        raise _refused(f"couldn't find key {ref.key} in {kind.name} {namespace}/{ref.name}")
    return _text(ref.key, value) if value is not None and kind is SECRET else value


def _from_file(ref: FileKeySelector, around: Surroundings) -> str | None:
    text = around.read_file(ref.volume_name, ref.path)
    try:
        value = None if text is None else envfile.value_of(text, ref.key)
    except ValueError as error:
        raise _refused(f'file {ref.path} of volume "{ref.volume_name}": {error}') from None
    if value is None and not ref.optional:
        missing = "file" if text is None else f"key {ref.key} in file"
        raise _refused(f'couldn\'t find {missing} {ref.path} of volume "{ref.volume_name}"')
    return value


def _refused(message: str) -> PodrunError:
    return PodrunError(message, reason=CONFIG_ERROR)
