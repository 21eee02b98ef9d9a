"""What identifies an object, and how one object names another."""

from __future__ import annotations

from msgspec import field

from podrun.api.base import Object


class OwnerReference(Object, kw_only=True, frozen=True):
    """The object that made this one: a Job, Deployment or DaemonSet of the same namespace."""

    api_version: str = ""
    kind: str = ""
    name: str = ""
    uid: str = ""
    controller: bool | None = None
    block_owner_deletion: bool | None = None


class ObjectMeta(Object, kw_only=True, frozen=True):
    """From ``uid`` on podrun sets them; a manifest's own values are ignored."""

    name: str = ""
    namespace: str = ""
    labels: dict[str, str] = field(default_factory=dict)
    annotations: dict[str, str] = field(default_factory=dict)
    uid: str = ""
    generation: int = 0
    creation_timestamp: str = ""
    deletion_timestamp: str = ""
    deletion_grace_period_seconds: int | None = None
    owner_references: tuple[OwnerReference, ...] = ()


class LocalObjectReference(Object, kw_only=True, frozen=True):
    """An object of the pod's own namespace."""

    name: str = ""


class LabelSelectorRequirement(Object, kw_only=True, frozen=True):
    key: str = ""
    operator: str = ""  # In, NotIn, Exists, DoesNotExist
    values: tuple[str, ...] = ()


class LabelSelector(Object, kw_only=True, frozen=True):
    """All of it must hold; an empty one holds for everything."""

    match_labels: dict[str, str] = field(default_factory=dict)
    match_expressions: tuple[LabelSelectorRequirement, ...] = ()
