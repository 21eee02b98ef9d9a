"""The API server's rules for configMap, secret, downwardAPI and projected volumes."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator

from podrun.api.pod import (
    DownwardAPIProjection,
    DownwardAPIVolumeFile,
    DownwardAPIVolumeSource,
    KeyToPath,
    ProjectedReference,
    ProjectedVolumeSource,
    Volume,
    VolumeProjection,
)
from podrun.api.problem import Problem
from podrun.api.validate_rules import forbidden, invalid, required
from podrun.api.validate_selectors import resource_field_ref, volume_field_ref


def projection(path: str, volume: Volume, containers: Collection[str]) -> Iterator[Problem]:
    """``path`` is that of the volume; ``containers`` are the names of the pod's."""
    if volume.config_map is not None:
        config = volume.config_map
        yield from _name(f"{path}.configMap.name", config.name)
        yield from _mode(f"{path}.configMap.defaultMode", config.default_mode)
        yield from _items(f"{path}.configMap.items", config.items)
    if volume.secret is not None:
        secret = volume.secret
        yield from _name(f"{path}.secret.secretName", secret.secret_name)
        yield from _mode(f"{path}.secret.defaultMode", secret.default_mode)
        yield from _items(f"{path}.secret.items", secret.items)
    if volume.downward_api is not None:
        yield from _mode(f"{path}.downwardAPI.defaultMode", volume.downward_api.default_mode)
        yield from _downward(f"{path}.downwardAPI", volume.downward_api, containers)
    if volume.projected is not None:
        yield from _mode(f"{path}.projected.defaultMode", volume.projected.default_mode)
        yield from _projected(f"{path}.projected.sources", volume.projected, containers)


def _name(path: str, name: str) -> Iterator[Problem]:
    if not name:
        yield required(path)


def _mode(path: str, mode: int | None) -> Iterator[Problem]:
    if mode is not None and not 0 <= mode <= 0o777:
        why = "must be a number between 0 and 0777 (octal), both inclusive"
        yield invalid(path, mode, why)


def _items(path: str, items: Iterable[KeyToPath]) -> Iterator[Problem]:
    for index, item in enumerate(items):
        if not item.key:
            yield required(f"{path}[{index}].key")
        yield from local_path(f"{path}[{index}].path", item.path)
        yield from _mode(f"{path}[{index}].mode", item.mode)


def local_path(path: str, value: str) -> Iterator[Problem]:
    """A path below the volume that is not one of podrun's own names there."""
    if not value:
        yield required(path)
    elif value.startswith("/"):
        yield invalid(path, value, "must be a relative path")
    elif ".." in value.split("/"):
        yield invalid(path, value, "must not contain '..'")
    elif value.startswith(".."):
        yield invalid(path, value, "must not start with '..'")
    elif "\0" in value or any(part in ("", ".") for part in value.split("/")):
        yield invalid(path, value, "must be the plain path of a file")


def _downward(
    path: str,
    source: DownwardAPIVolumeSource | DownwardAPIProjection,
    containers: Collection[str],
) -> Iterator[Problem]:
    for index, item in enumerate(source.items):
        yield from _downward_file(f"{path}.items[{index}]", item, containers)


def _downward_file(
    path: str, item: DownwardAPIVolumeFile, containers: Collection[str]
) -> Iterator[Problem]:
    yield from local_path(f"{path}.path", item.path)
    yield from _mode(f"{path}.mode", item.mode)
    if item.field_ref is not None and item.resource_field_ref is not None:
        why = "fieldRef and resourceFieldRef can not be specified simultaneously"
        yield Problem(f"{path}.resource", f"Invalid value: {why}")
    elif item.field_ref is not None:
        yield from volume_field_ref(f"{path}.fieldRef", item.field_ref)
    elif item.resource_field_ref is not None:
        yield from resource_field_ref(
            f"{path}.resourceFieldRef", item.resource_field_ref, containers, volume=True
        )
    else:
        yield required(path, "one of fieldRef and resourceFieldRef is required")


def _projected(
    path: str, source: ProjectedVolumeSource, containers: Collection[str]
) -> Iterator[Problem]:
    taken: set[str] = set()
    for index, part in enumerate(source.sources):
        at = f"{path}[{index}]"
        given = [name for name, each in _parts(part) if each is not None]
        if not given:
            yield required(at, "must specify one of configMap, secret, downwardAPI")
        for name in given[1:]:
            yield forbidden(f"{at}.{name}", "may not specify more than 1 volume type")
        for name, each in _parts(part):
            if isinstance(each, ProjectedReference):
                yield from _name(f"{at}.{name}.name", each.name)
                yield from _items(f"{at}.{name}.items", each.items)
            elif each is not None:
                yield from _downward(f"{at}.{name}", each, containers)
            for chosen in each.items if each is not None else ():
                if chosen.path in taken:
                    yield invalid(at, chosen.path, "conflicting duplicate paths")
                taken.add(chosen.path)


def _parts(
    part: VolumeProjection,
) -> tuple[tuple[str, ProjectedReference | DownwardAPIProjection | None], ...]:
    return (
        ("configMap", part.config_map),
        ("secret", part.secret),
        ("downwardAPI", part.downward_api),
    )
