"""Where a value or a file of a pod comes from: other objects, or the pod itself."""

from __future__ import annotations

from podrun.api.base import Object


class ObjectFieldSelector(Object, kw_only=True, frozen=True):
    """``field_path`` is ``metadata.name``, ``metadata.labels['app']``, ``status.podIP``, …"""

    api_version: str = ""  # v1
    field_path: str = ""


class ResourceFieldSelector(Object, kw_only=True, frozen=True):
    """``resource`` is ``limits.cpu``, ``requests.memory``, …; ``divisor`` a quantity."""

    container_name: str = ""
    resource: str = ""
    divisor: str = ""


class KeySelector(Object, kw_only=True, frozen=True):
    """One key of a ConfigMap or Secret."""

    name: str = ""
    key: str = ""
    optional: bool | None = None


class FileKeySelector(Object, kw_only=True, frozen=True):
    """One variable of a file in an emptyDir volume, written by an init container."""

    volume_name: str = ""
    path: str = ""
    key: str = ""
    optional: bool | None = None


class EnvVarSource(Object, kw_only=True, frozen=True):
    """Exactly one of them."""

    config_map_key_ref: KeySelector | None = None
    secret_key_ref: KeySelector | None = None
    field_ref: ObjectFieldSelector | None = None
    resource_field_ref: ResourceFieldSelector | None = None
    file_key_ref: FileKeySelector | None = None


class OptionalReference(Object, kw_only=True, frozen=True):
    """A whole ConfigMap or Secret."""

    name: str = ""
    optional: bool | None = None


class EnvFromSource(Object, kw_only=True, frozen=True):
    """Exactly one of the two."""

    prefix: str = ""
    config_map_ref: OptionalReference | None = None
    secret_ref: OptionalReference | None = None


class KeyToPath(Object, kw_only=True, frozen=True):
    """The key of an object as a file; ``mode`` is its permission bits."""

    key: str = ""
    path: str = ""
    mode: int | None = None


class DownwardAPIVolumeFile(Object, kw_only=True, frozen=True):
    """One of ``field_ref`` and ``resource_field_ref``."""

    path: str = ""
    field_ref: ObjectFieldSelector | None = None
    resource_field_ref: ResourceFieldSelector | None = None
    mode: int | None = None


class ConfigMapVolumeSource(Object, kw_only=True, frozen=True):
    name: str = ""
    items: tuple[KeyToPath, ...] = ()
    default_mode: int | None = None
    optional: bool | None = None


class SecretVolumeSource(Object, kw_only=True, frozen=True):
    secret_name: str = ""
    items: tuple[KeyToPath, ...] = ()
    default_mode: int | None = None
    optional: bool | None = None


class DownwardAPIVolumeSource(Object, kw_only=True, frozen=True):
    items: tuple[DownwardAPIVolumeFile, ...] = ()
    default_mode: int | None = None


class ProjectedReference(Object, kw_only=True, frozen=True):
    """Keys of a ConfigMap or Secret, as one part of a projected volume."""

    name: str = ""
    items: tuple[KeyToPath, ...] = ()
    optional: bool | None = None


class DownwardAPIProjection(Object, kw_only=True, frozen=True):
    items: tuple[DownwardAPIVolumeFile, ...] = ()


class VolumeProjection(Object, kw_only=True, frozen=True):
    """Exactly one of them."""

    config_map: ProjectedReference | None = None
    secret: ProjectedReference | None = None
    downward_api: DownwardAPIProjection | None = None


class ProjectedVolumeSource(Object, kw_only=True, frozen=True):
    sources: tuple[VolumeProjection, ...] = ()
    default_mode: int | None = None


class PersistentVolumeClaimVolumeSource(Object, kw_only=True, frozen=True):
    claim_name: str = ""
    read_only: bool = False
