"""The defaults of ConfigMap, Secret and PersistentVolumeClaim."""

from __future__ import annotations

import base64
import binascii

from msgspec.structs import replace

from podrun.api import quantity
from podrun.api.configuration import (
    ConfigMap,
    PersistentVolumeClaim,
    PersistentVolumeClaimStatus,
    Secret,
    VolumeResourceRequirements,
)


def config_map(thing: ConfigMap) -> ConfigMap:
    return replace(thing, binary_data=_in_one_line(thing.binary_data))


def secret(thing: Secret) -> Secret:
    """What is written as text joins the data, and wins over it."""
    written = {key: _encoded(text.encode()) for key, text in thing.string_data.items()}
    data = {**_in_one_line(thing.data), **written}
    return replace(thing, type=thing.type or "Opaque", data=data, string_data={})


def decoded(text: str) -> bytes | None:
    """Strictly, but for ends of lines, as Go does it; None for what is not base64."""
    line = text.replace("\r", "").replace("\n", "")
    try:
        return binascii.a2b_base64(line, strict_mode=True) if len(line) % 4 == 0 else None
    except ValueError:
        return None


def _encoded(data: bytes) -> str:
    return base64.b64encode(data).decode()


def _in_one_line(data: dict[str, str]) -> dict[str, str]:
    """As the API server gives it back; what is not base64 stays for validation to report."""
    known = ((key, text, decoded(text)) for key, text in data.items())
    return {key: text if found is None else _encoded(found) for key, text, found in known}


def claim(thing: PersistentVolumeClaim) -> PersistentVolumeClaim:
    spec = thing.spec
    resources = spec.resources and VolumeResourceRequirements(
        limits=_canonical(spec.resources.limits), requests=_canonical(spec.resources.requests)
    )
    spec = replace(spec, resources=resources, volume_mode=spec.volume_mode or "Filesystem")
    return replace(thing, spec=spec)


def bound(claim: PersistentVolumeClaim) -> PersistentVolumeClaim:
    """A valid one, with the volume it has at once: a directory of the same name."""
    spec = replace(claim.spec, volume_name=claim.metadata.name)
    requests = spec.resources.requests if spec.resources else {}
    status = PersistentVolumeClaimStatus(
        phase="Bound", access_modes=spec.access_modes, capacity={"storage": requests["storage"]}
    )
    return replace(claim, spec=spec, status=status)


def _canonical(quantities: dict[str, str]) -> dict[str, str]:
    return {name: _spelled(text) for name, text in quantities.items()}


def _spelled(text: str) -> str:
    try:
        return quantity.canonical(text)
    except ValueError:
        return text  # validation reports it
