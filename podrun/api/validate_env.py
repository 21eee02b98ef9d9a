"""The API server's rules for ``env`` and ``envFrom``."""

from __future__ import annotations

from collections.abc import Iterator

from podrun.api import names
from podrun.api.container import Container
from podrun.api.pod import EnvVarSource, FileKeySelector, KeySelector, PodSpec
from podrun.api.problem import Problem
from podrun.api.validate_projection import local_path
from podrun.api.validate_rules import check, invalid, not_found, required
from podrun.api.validate_selectors import env_field_ref, resource_field_ref

_SOURCES = "`fieldRef`, `resourceFieldRef`, `configMapKeyRef`, `secretKeyRef` or `fileKeyRef`"
_ONE_ONLY = "may not have more than one field specified at a time"


def environment(path: str, container: Container, spec: PodSpec) -> Iterator[Problem]:
    """``path`` is that of the container."""
    yield from _env_from(f"{path}.envFrom", container)
    for index, variable in enumerate(container.env):
        at = f"{path}.env[{index}]"
        if not variable.name:
            yield required(f"{at}.name")
        else:
            yield from check(f"{at}.name", variable.name, names.env_name)
        if "\0" in variable.value:
            yield invalid(f"{at}.value", variable.value, "must not contain a null character")
        if variable.value_from is not None:
            yield from _source(f"{at}.valueFrom", variable.value_from, variable.value, spec)


def _source(path: str, source: EnvVarSource, value: str, spec: PodSpec) -> Iterator[Problem]:
    count = sum(getattr(source, name) is not None for name in source.__struct_fields__)
    if count == 0:
        yield invalid(path, "", f"must specify one of: {_SOURCES}")
    elif value:
        yield invalid(path, "", "may not be specified when `value` is not empty")
    elif count > 1:
        yield invalid(path, "", _ONE_ONLY)
    if source.field_ref is not None:
        yield from env_field_ref(f"{path}.fieldRef", source.field_ref)
    if source.resource_field_ref is not None:
        containers = [each.name for each in spec.all_containers]
        yield from resource_field_ref(
            f"{path}.resourceFieldRef", source.resource_field_ref, containers, volume=False
        )
    if source.config_map_key_ref is not None:
        yield from _key(f"{path}.configMapKeyRef", source.config_map_key_ref)
    if source.secret_key_ref is not None:
        yield from _key(f"{path}.secretKeyRef", source.secret_key_ref)
    if source.file_key_ref is not None:
        yield from _file_key(f"{path}.fileKeyRef", source.file_key_ref, spec)


def _key(path: str, ref: KeySelector) -> Iterator[Problem]:
    if not ref.name:
        yield required(f"{path}.name")
    if not ref.key:
        yield required(f"{path}.key")
    else:
        yield from check(f"{path}.key", ref.key, names.config_key)


def _file_key(path: str, ref: FileKeySelector, spec: PodSpec) -> Iterator[Problem]:
    volumes = {volume.name: volume for volume in spec.volumes}
    if not ref.volume_name:
        yield required(f"{path}.volumeName")
    elif ref.volume_name not in volumes:
        yield not_found(f"{path}.volumeName", ref.volume_name)
    elif volumes[ref.volume_name].empty_dir is None:
        yield invalid(f"{path}.volumeName", ref.volume_name, "must be an emptyDir volume")
    yield from local_path(f"{path}.path", ref.path)
    if not ref.key:
        yield required(f"{path}.key")
    else:
        yield from check(f"{path}.key", ref.key, names.env_name)


def _env_from(path: str, container: Container) -> Iterator[Problem]:
    for index, source in enumerate(container.env_from):
        at = f"{path}[{index}]"
        if source.prefix:
            yield from check(f"{at}.prefix", source.prefix, names.env_name)
        refs = {"configMapRef": source.config_map_ref, "secretRef": source.secret_ref}
        given = {name: ref for name, ref in refs.items() if ref is not None}
        if not given:
            yield invalid(at, "", "must specify one of: `configMapRef` or `secretRef`")
        if len(given) > 1:
            yield invalid(at, "", _ONE_ONLY)
        for name, ref in given.items():
            if not ref.name:
                yield required(f"{at}.{name}.name")
            else:
                yield from check(f"{at}.{name}.name", ref.name, names.dns_subdomain)
