"""The volumes of a Pod's spec: a name and exactly one source."""

from __future__ import annotations

from podrun.api.base import Object
from podrun.api.selectors import (
    ConfigMapVolumeSource,
    DownwardAPIVolumeSource,
    PersistentVolumeClaimVolumeSource,
    ProjectedVolumeSource,
    SecretVolumeSource,
)

# hostPath.type: what must be there, or is made when it is missing (mode 0755 and 0644).
HOST_PATH_TYPES = (
    "",
    "DirectoryOrCreate",
    "Directory",
    "FileOrCreate",
    "File",
    "Socket",
    "CharDevice",
    "BlockDevice",
)


class EmptyDirVolumeSource(Object, kw_only=True, frozen=True):
    medium: str = ""  # "", Memory, HugePages or HugePages-<page size>
    size_limit: str | None = None


class HostPathVolumeSource(Object, kw_only=True, frozen=True):
    path: str = ""
    type: str | None = None  # one of HOST_PATH_TYPES


class ImageVolumeSource(Object, kw_only=True, frozen=True):
    reference: str = ""
    pull_policy: str = ""  # Always, IfNotPresent, Never


class Volume(Object, kw_only=True, frozen=True):
    name: str = ""
    empty_dir: EmptyDirVolumeSource | None = None
    host_path: HostPathVolumeSource | None = None
    image: ImageVolumeSource | None = None
    config_map: ConfigMapVolumeSource | None = None
    secret: SecretVolumeSource | None = None
    projected: ProjectedVolumeSource | None = None
    downward_api: DownwardAPIVolumeSource | None = None
    persistent_volume_claim: PersistentVolumeClaimVolumeSource | None = None
