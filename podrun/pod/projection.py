"""Which files a configMap, secret, downwardAPI or projected volume holds: pure.

keys of a ConfigMap ─┐
keys of a Secret ────┼─► path ─► (content, mode)      a later source of a projected volume wins
fields of the pod ───┘
"""

from __future__ import annotations

import binascii
from collections.abc import Callable, Iterable, Mapping, Sequence

from podrun.api.configuration import ConfigMap, Secret
from podrun.api.kinds import CONFIG_MAP, SECRET, Kind
from podrun.api.objects import AnyObject
from podrun.api.pod import DownwardAPIVolumeFile, KeyToPath, Pod, Volume
from podrun.errors import PodrunError
from podrun.pod import downward
from podrun.pod.resources import Amounts

DEFAULT_MODE = 0o644

#: path below the volume → its content and permission bits
Files = dict[str, tuple[bytes, int]]
#: an object of the pod's namespace; None when there is none of that name
Find = Callable[[Kind, str], AnyObject | None]


def is_projection(volume: Volume) -> bool:
    return any((volume.config_map, volume.secret, volume.projected, volume.downward_api))


def in_memory(volume: Volume) -> bool:
    """All but a ConfigMap are kept off the disk, as the kubelet keeps them."""
    return is_projection(volume) and volume.config_map is None


def files(pod: Pod, volume: Volume, find: Find, allocatable: Amounts) -> Files:
    """Raises PodrunError (FailedMount) in the kubelet's words when something required is missing;
    several things at once for a projected volume."""
    try:
        return _files(pod, volume, find, allocatable)
    except _Missing as missing:
        texts = missing.texts
        listed = texts[0] if len(texts) == 1 else f"[{', '.join(texts)}]"
        raise PodrunError(
            f'MountVolume.SetUp failed for volume "{volume.name}" : {listed}',
            reason="FailedMount",
        ) from None


class _Missing(Exception):
    def __init__(self, texts: Sequence[str]) -> None:
        super().__init__(*texts)
        self.texts = texts


def _files(pod: Pod, volume: Volume, find: Find, allocatable: Amounts) -> Files:
    if volume.config_map is not None:
        config = volume.config_map
        data = _config_map(find, config.name, optional=bool(config.optional))
        return _chosen(data, config.items, config.default_mode, config.optional, _CONFIG_KEY)
    if volume.secret is not None:
        secret = volume.secret
        data = _secret(find, secret.secret_name, optional=bool(secret.optional))
        return _chosen(data, secret.items, secret.default_mode, secret.optional, _SECRET_KEY)
    if volume.downward_api is not None:
        source = volume.downward_api
        return _of_the_pod(pod, source.items, source.default_mode, allocatable)
    return _projected(pod, volume, find, allocatable)


_CONFIG_KEY = "configmap references non-existent config key: {}"
_SECRET_KEY = "references non-existent secret key: {}"


def _projected(pod: Pod, volume: Volume, find: Find, allocatable: Amounts) -> Files:
    assert volume.projected is not None
    mode = volume.projected.default_mode
    found: Files = {}
    missing: list[str] = []
    for source in volume.projected.sources:
        try:
            if (ref := source.config_map) is not None:
                data = _config_map(find, ref.name, optional=bool(ref.optional))
                found |= _chosen(data, ref.items, mode, ref.optional, _CONFIG_KEY)
            elif (ref := source.secret) is not None:
                data = _secret(find, ref.name, optional=bool(ref.optional))
                found |= _chosen(data, ref.items, mode, ref.optional, _SECRET_KEY)
            elif source.downward_api is not None:
                found |= _of_the_pod(pod, source.downward_api.items, mode, allocatable)
        except _Missing as error:
            missing += error.texts
    if missing:
        raise _Missing(missing)
    return found


def _config_map(find: Find, name: str, *, optional: bool) -> dict[str, bytes]:
    found = find(CONFIG_MAP, name)
    if found is None and not optional:
        raise _Missing([f'configmap "{name}" not found'])
    if not isinstance(found, ConfigMap):
        return {}
    text = {key: value.encode() for key, value in found.data.items()}
    return text | _decoded(found.binary_data)


def _secret(find: Find, name: str, *, optional: bool) -> dict[str, bytes]:
    found = find(SECRET, name)
    if found is None and not optional:
        raise _Missing([f'secret "{name}" not found'])
    return _decoded(found.data) if isinstance(found, Secret) else {}


def _decoded(data: Mapping[str, str]) -> dict[str, bytes]:
    return {key: binascii.a2b_base64(text) for key, text in data.items()}


def _chosen(
    data: Mapping[str, bytes],
    items: Iterable[KeyToPath],
    default_mode: int | None,
    optional: bool | None,
    missing: str,
) -> Files:
    """All keys, or with ``items`` those that they name."""
    usual = DEFAULT_MODE if default_mode is None else default_mode
    chosen = list(items)
    if not chosen:
        return {key: (content, usual) for key, content in data.items()}
    absent = [item.key for item in chosen if item.key not in data]
    if absent and not optional:
        raise _Missing([missing.format(absent[0])])
    return {
        item.path: (data[item.key], usual if item.mode is None else item.mode)
        for item in chosen
        if item.key in data
    }


def _of_the_pod(
    pod: Pod,
    items: Iterable[DownwardAPIVolumeFile],
    default_mode: int | None,
    allocatable: Amounts,
) -> Files:
    usual = DEFAULT_MODE if default_mode is None else default_mode
    return {
        item.path: (
            _value(pod, item, allocatable).encode(),
            usual if item.mode is None else item.mode,
        )
        for item in items
    }


def _value(pod: Pod, item: DownwardAPIVolumeFile, allocatable: Amounts) -> str:
    if item.field_ref is not None:
        return downward.volume_field(pod, item.field_ref.field_path)
    assert item.resource_field_ref is not None
    ref = item.resource_field_ref
    return downward.resource(pod, ref.container_name, ref.resource, ref.divisor, allocatable)
