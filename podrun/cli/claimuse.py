"""How much disk objects take, and what claims hold. Nothing of it is ever reclaimable."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from podrun.api.kinds import KINDS
from podrun.cli.diskuse import Item, Use, entries
from podrun.linux.diskuse import bytes_of
from podrun.node.paths import Paths

if TYPE_CHECKING:
    from podrun.agent.podstore import StoredPod


def claim_use(paths: Paths, pods: Sequence[StoredPod]) -> Use:
    """The directories of PersistentVolumeClaims, also of those that are deleted: data stays until
    ``podrun delete pvc --reclaim``. ``active`` are those that a pod has as a volume."""
    users = _users(pods)
    items = tuple(_claims(paths, users))
    return Use(
        kind="claims",
        count=len(items),
        active=sum(bool(item.users) for item in items),
        bytes=sum(item.bytes for item in items),
        reclaimable=0,
        items=items,
    )


def _claims(paths: Paths, users: dict[str, list[str]]) -> Iterator[Item]:
    for namespace in entries(paths.claims):
        for path in entries(namespace):
            name = f"{namespace.name}/{path.name}"
            yield Item(name, bytes_of([path]), 0, tuple(users.get(name, ())))


def _users(pods: Sequence[StoredPod]) -> dict[str, list[str]]:
    """``namespace/claim`` → the pods that have it as a volume."""
    found: dict[str, list[str]] = {}
    for stored in pods:
        for volume in stored.pod.spec.volumes:
            if volume.persistent_volume_claim is not None:
                claim = f"{stored.key[0]}/{volume.persistent_volume_claim.claim_name}"
                found.setdefault(claim, []).append("/".join(stored.key))
    return found


def object_use(paths: Paths) -> Use:
    """The records of ConfigMaps, Secrets, claims and workloads, by kind; all of them count as
    active: they are wanted for themselves."""
    items, count = [], 0
    for directory in (paths.objects / kind.plural for kind in KINDS):
        found = list(entries(directory))
        count += len(found)
        if found:
            items.append(Item(directory.name, bytes_of(found), 0))
    return Use("objects", count, count, sum(item.bytes for item in items), 0, tuple(items))
