"""A pod's volume, for ``podrun describe``: of which kind it is, and where it comes from."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from podrun.api.pod import Volume
from podrun.api.selectors import VolumeProjection
from podrun.api.volume import EmptyDirVolumeSource
from podrun.cli.block import Value


def describe_volume(volume: Volume) -> Value:
    """By the words that kubectl has for it."""
    if volume.host_path is not None:
        return {
            "Type": "HostPath (a file or directory of the host)",
            "Path": volume.host_path.path,
            "HostPathType": volume.host_path.type or "",
        }
    if volume.image is not None:
        return {
            "Type": "Image (the files of an image, read-only)",
            "Reference": volume.image.reference,
            "PullPolicy": volume.image.pull_policy,
        }
    if volume.persistent_volume_claim is not None:
        return {
            "Type": "PersistentVolumeClaim (storage that outlives the pod)",
            "ClaimName": volume.persistent_volume_claim.claim_name,
            "ReadOnly": _truth(volume.persistent_volume_claim.read_only),
        }
    return _of_files(volume) or _empty_dir(volume.empty_dir or EmptyDirVolumeSource())


def _of_files(volume: Volume) -> dict[str, Value]:
    if volume.config_map is not None:
        return {
            "Type": "ConfigMap (the keys of a ConfigMap as files)",
            "Name": volume.config_map.name,
            "Optional": _truth(volume.config_map.optional),
        }
    if volume.secret is not None:
        return {
            "Type": "Secret (the keys of a Secret as files)",
            "SecretName": volume.secret.secret_name,
            "Optional": _truth(volume.secret.optional),
        }
    if volume.downward_api is not None:
        return {"Type": "DownwardAPI (fields of the pod as files)"}
    if volume.projected is not None:
        sources = list(_sources(volume.projected.sources))
        return {"Type": "Projected (several sources in one directory)", "Sources": sources}
    return {}


def _sources(parts: Iterable[VolumeProjection]) -> Iterator[str]:
    for part in parts:
        if part.config_map is not None:
            yield f"ConfigMap {part.config_map.name}"
        if part.secret is not None:
            yield f"Secret {part.secret.name}"
        if part.downward_api is not None:
            yield "DownwardAPI"


def _empty_dir(source: EmptyDirVolumeSource) -> dict[str, Value]:
    return {
        "Type": "EmptyDir (as long as the pod)",
        "Medium": source.medium or "disk",
        "SizeLimit": source.size_limit or "<unset>",
    }


def _truth(value: bool | None) -> str:
    return "true" if value else "false"
