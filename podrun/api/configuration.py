"""ConfigMap, Secret and PersistentVolumeClaim: what pods refer to by name."""

from __future__ import annotations

from msgspec import field

from podrun.api.base import Object
from podrun.api.meta import ObjectMeta


class ConfigMap(Object, kw_only=True, frozen=True):
    """A key is in ``data`` (text) or in ``binary_data`` (base64), never in both."""

    api_version: str = field(default_factory=lambda: "v1")
    kind: str = field(default_factory=lambda: "ConfigMap")
    metadata: ObjectMeta = ObjectMeta()
    data: dict[str, str] = field(default_factory=dict)
    binary_data: dict[str, str] = field(default_factory=dict)
    immutable: bool | None = None


class Secret(Object, kw_only=True, frozen=True):
    """``data`` is base64; ``string_data`` is written by people and merged into it as a default."""

    api_version: str = field(default_factory=lambda: "v1")
    kind: str = field(default_factory=lambda: "Secret")
    metadata: ObjectMeta = ObjectMeta()
    type: str = ""  # Opaque unless given
    data: dict[str, str] = field(default_factory=dict)
    string_data: dict[str, str] = field(default_factory=dict)
    immutable: bool | None = None


class VolumeResourceRequirements(Object, kw_only=True, frozen=True):
    """``storage`` → quantity."""

    limits: dict[str, str] = field(default_factory=dict)
    requests: dict[str, str] = field(default_factory=dict)


class PersistentVolumeClaimSpec(Object, kw_only=True, frozen=True):
    access_modes: tuple[str, ...] = ()  # ReadWriteOnce, ReadOnlyMany, ReadWriteMany, …OncePod
    resources: VolumeResourceRequirements | None = None
    storage_class_name: str | None = None
    volume_mode: str = ""  # Filesystem
    volume_name: str = ""  # podrun's to fill in: the directory's name


class PersistentVolumeClaimStatus(Object, kw_only=True, frozen=True):
    phase: str = ""  # Bound
    access_modes: tuple[str, ...] = ()
    capacity: dict[str, str] = field(default_factory=dict)


class PersistentVolumeClaim(Object, kw_only=True, frozen=True):
    """A directory of the machine that outlives the pods which mount it."""

    api_version: str = field(default_factory=lambda: "v1")
    kind: str = field(default_factory=lambda: "PersistentVolumeClaim")
    metadata: ObjectMeta = ObjectMeta()
    spec: PersistentVolumeClaimSpec = PersistentVolumeClaimSpec()
    status: PersistentVolumeClaimStatus | None = None
