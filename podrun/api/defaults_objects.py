"""The defaults of ConfigMap, Secret and PersistentVolumeClaim."""

from __future__ import annotations

import base64

from msgspec.structs import replace

from podrun.api import quantity
from podrun.api.configuration import (
    ConfigMap,
    PersistentVolumeClaim,
    Secret,
    VolumeResourceRequirements,
)


def config_map(thing: ConfigMap) -> ConfigMap:
    return thing


def secret(thing: Secret) -> Secret:
    """What is written as text joins the data, and wins over it."""
    written = {
        key: base64.b64encode(text.encode()).decode() for key, text in thing.string_data.items()
    }
    return replace(
        thing, type=thing.type or "Opaque", data={**thing.data, **written}, string_data={}
    )


def claim(thing: PersistentVolumeClaim) -> PersistentVolumeClaim:
    spec = thing.spec
    resources = spec.resources and VolumeResourceRequirements(
        limits=_canonical(spec.resources.limits), requests=_canonical(spec.resources.requests)
    )
    spec = replace(spec, resources=resources, volume_mode=spec.volume_mode or "Filesystem")
    return replace(thing, spec=spec)


def _canonical(quantities: dict[str, str]) -> dict[str, str]:
    return {name: _spelled(text) for name, text in quantities.items()}


def _spelled(text: str) -> str:
    try:
        return quantity.canonical(text)
    except ValueError:
        return text  # validation reports it
