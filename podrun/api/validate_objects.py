"""The API server's rules for ConfigMap, Secret and PersistentVolumeClaim.

They take objects with their defaults. ``…_update`` is for one that exists already.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import msgspec

from podrun.api import names, quantity
from podrun.api.configuration import ConfigMap, PersistentVolumeClaim, Secret
from podrun.api.defaults_objects import decoded
from podrun.api.problem import Problem
from podrun.api.validate import metadata
from podrun.api.validate_rules import check, choice, forbidden, invalid, not_yet, required

_MAX_BYTES = 1 << 20
_ACCESS_MODES = ("ReadOnlyMany", "ReadWriteMany", "ReadWriteOnce", "ReadWriteOncePod")
#: the keys that a Secret of this type must have
_REQUIRED = {
    "kubernetes.io/dockercfg": (".dockercfg",),
    "kubernetes.io/dockerconfigjson": (".dockerconfigjson",),
    "kubernetes.io/ssh-auth": ("ssh-privatekey",),
    "kubernetes.io/tls": ("tls.crt", "tls.key"),
}
_ACCOUNT_TOKEN = "kubernetes.io/service-account-token"
_ACCOUNT = "kubernetes.io/service-account.name"
_BASIC_AUTH = ("username", "password")  # one of them will do


def config_map(thing: ConfigMap) -> Iterator[Problem]:
    yield from metadata(thing.metadata)
    yield from _keys("data", thing.data)
    yield from _keys("binaryData", thing.binary_data)
    for key in thing.binary_data:
        if key in thing.data:
            yield invalid(f"data[{key}]", key, "duplicate of key present in binaryData")
            yield invalid(f"binaryData[{key}]", key, "duplicate of key present in data")
    size = sum(len(text.encode()) for text in thing.data.values())
    for key, text in thing.binary_data.items():
        found = decoded(text)
        size += len(found or b"")
        if found is None:
            yield _not_base64(f"binaryData[{key}]")
    yield from _size("", size)


def secret(thing: Secret) -> Iterator[Problem]:
    yield from metadata(thing.metadata)
    yield from _keys("data", thing.data)
    size = 0
    for key, text in thing.data.items():
        found = decoded(text)
        size += len(found or b"")
        if found is None:
            yield _not_base64(f"data[{key}]")
    yield from _size("data", size)
    yield from _keys_of_type(thing)


def _keys_of_type(thing: Secret) -> Iterator[Problem]:
    for key in _REQUIRED.get(thing.type, ()):
        if key not in thing.data or (key == "ssh-privatekey" and not thing.data[key]):
            yield required(f"data[{key}]")
    if thing.type == _ACCOUNT_TOKEN and not thing.metadata.annotations.get(_ACCOUNT):
        yield required(f"metadata.annotations[{_ACCOUNT}]")
    if thing.type == "kubernetes.io/basic-auth" and not set(_BASIC_AUTH) & thing.data.keys():
        for key in _BASIC_AUTH:
            yield required(f"data[{key}]")
    for key in _REQUIRED.get(thing.type, ()):
        if key.startswith(".docker") and key in thing.data:
            yield from _json(f"data[{key}]", decoded(thing.data[key]))


def immutable_update(old: ConfigMap | Secret, new: ConfigMap | Secret) -> Iterator[Problem]:
    """Once immutable is true neither it nor the data changes; a Secret's type never does."""
    if isinstance(old, Secret) and isinstance(new, Secret) and old.type != new.type:
        yield invalid("type", new.type, "field is immutable")
    if not old.immutable:
        return
    why = "field is immutable when `immutable` is set"
    if not new.immutable:
        yield forbidden("immutable", why)
    if old.data != new.data:
        yield forbidden("data", why)
    if getattr(old, "binary_data", None) != getattr(new, "binary_data", None):
        yield forbidden("binaryData", why)


def claim(thing: PersistentVolumeClaim) -> Iterator[Problem]:
    spec = thing.spec
    yield from metadata(thing.metadata)
    if not spec.access_modes:
        yield required("spec.accessModes", "at least 1 access mode is required")
    for index, mode in enumerate(spec.access_modes):
        yield from choice(f"spec.accessModes[{index}]", mode, _ACCESS_MODES)
    if "ReadWriteOncePod" in spec.access_modes and len(spec.access_modes) > 1:
        why = "may not use ReadWriteOncePod with other access modes"
        yield forbidden("spec.accessModes", why)
    yield from choice("spec.volumeMode", spec.volume_mode, ("Block", "Filesystem"))
    if spec.volume_mode == "Block":
        yield not_yet("spec.volumeMode", spec.volume_mode)
    if spec.volume_name not in ("", thing.metadata.name):
        why = f"podrun has one volume for this claim, {thing.metadata.name}"
        yield invalid("spec.volumeName", spec.volume_name, why)
    requests = spec.resources.requests if spec.resources else {}
    limits = spec.resources.limits if spec.resources else {}
    if "storage" not in requests:
        yield required("spec.resources[storage]")
    for kind, amounts in (("requests", requests), ("limits", limits)):
        for name, text in amounts.items():
            yield from _storage(f"spec.resources.{kind}[{name}]", name, text)
    if spec.storage_class_name:
        yield from check("spec.storageClassName", spec.storage_class_name, names.dns_subdomain)


def claim_update(old: PersistentVolumeClaim, new: PersistentVolumeClaim) -> Iterator[Problem]:
    """Of a claim only the request may change, and only grow."""
    before, after = (
        msgspec.structs.replace(each.spec, resources=None, volume_name="") for each in (old, new)
    )
    if before != after:
        why = (
            "spec is immutable after creation except resources.requests and "
            "volumeAttributesClassName for bound claims"
        )
        yield forbidden("spec", why)
    if storage_bytes(new) < storage_bytes(old):
        why = "field can not be less than status.capacity"
        yield forbidden("spec.resources.requests.storage", why)


def storage_bytes(thing: PersistentVolumeClaim) -> int:
    """What a claim that is valid asks for."""
    requests = thing.spec.resources.requests if thing.spec.resources else {}
    return quantity.bytes(requests.get("storage", "0"))


def _keys(path: str, data: Mapping[str, str]) -> Iterator[Problem]:
    for key in data:
        yield from check(f"{path}[{key}]", key, names.config_key)


def _not_base64(path: str) -> Problem:
    """Without the value: it may be a secret."""
    return Problem(path, "Invalid value: illegal base64 data")


def _size(path: str, size: int) -> Iterator[Problem]:
    if size > _MAX_BYTES:
        yield Problem(path, f"Too long: may not be more than {_MAX_BYTES} bytes")


def _json(path: str, data: bytes | None) -> Iterator[Problem]:
    try:
        if data is not None and isinstance(msgspec.json.decode(data), dict):
            return
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        pass
    yield Problem(path, "Invalid value: <secret contents redacted>: must be a JSON object")


def _storage(path: str, name: str, text: str) -> Iterator[Problem]:
    if name != "storage":
        yield from choice(path, name, ("storage",))
        return
    try:
        amount = quantity.parse(text)
    except ValueError as error:
        yield invalid(path, text, str(error))
        return
    if amount.nanos <= 0:
        yield invalid(path, text, "must be greater than zero")
