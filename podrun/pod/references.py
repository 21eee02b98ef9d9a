"""Which objects of its namespace a pod names. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from podrun.api.kinds import CLAIM, CONFIG_MAP, SECRET, Kind
from podrun.api.pod import Container, Pod, Volume

Reference = tuple[Kind, str]


def references(pod: Pod) -> frozenset[Reference]:
    """ConfigMaps, Secrets and claims, by kind and name; whether they are optional or not."""
    return frozenset(each for each in _named(pod) if each[1])


def _named(pod: Pod) -> Iterator[Reference]:
    for secret in pod.spec.image_pull_secrets:
        yield SECRET, secret.name
    for container in pod.spec.all_containers:
        yield from _of_environment(container)
    for volume in pod.spec.volumes:
        yield from _of_volume(volume)


def _of_environment(container: Container) -> Iterator[Reference]:
    for source in container.env_from:
        if source.config_map_ref is not None:
            yield CONFIG_MAP, source.config_map_ref.name
        if source.secret_ref is not None:
            yield SECRET, source.secret_ref.name
    for variable in container.env:
        value = variable.value_from
        if value is not None and value.config_map_key_ref is not None:
            yield CONFIG_MAP, value.config_map_key_ref.name
        if value is not None and value.secret_key_ref is not None:
            yield SECRET, value.secret_key_ref.name


def _of_volume(volume: Volume) -> Iterator[Reference]:
    if volume.config_map is not None:
        yield CONFIG_MAP, volume.config_map.name
    if volume.secret is not None:
        yield SECRET, volume.secret.secret_name
    if volume.persistent_volume_claim is not None:
        yield CLAIM, volume.persistent_volume_claim.claim_name
    for part in volume.projected.sources if volume.projected is not None else ():
        if part.config_map is not None:
            yield CONFIG_MAP, part.config_map.name
        if part.secret is not None:
            yield SECRET, part.secret.name
