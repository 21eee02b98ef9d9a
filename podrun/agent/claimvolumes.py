"""Before a pod has its volumes: its claims exist, and no other pod has one that is for one alone.

    pods/<uid>/claims.json    the ReadWriteOncePod claims that the pod has while it has a sandbox

Looked at and written under one lock: of two pods that start at once, one waits. Gone with the
pod's records at the latest, so nothing is held by a pod that is no more.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
from collections.abc import Iterator

import msgspec

from podrun.agent.objectstore import ObjectStore
from podrun.agent.podstore import StoredPod
from podrun.api.configuration import PersistentVolumeClaim
from podrun.api.kinds import CLAIM
from podrun.errors import PodrunError
from podrun.node.paths import Paths
from podrun.node.records import read_record, write_record

_ALONE = "ReadWriteOncePod"


def take(paths: Paths, stored: StoredPod) -> None:
    """Idempotent. Raises PodrunError (FailedMount) in the kubelet's words."""
    wanted = _wanted(paths, stored)
    if not wanted:
        return
    with _locked(paths):
        alone = {name: volume for name, (volume, is_alone) in wanted.items() if is_alone}
        namespace = stored.pod.metadata.namespace
        for name in sorted(alone.keys() & _taken(paths, stored, namespace)):
            raise _failed(
                f'MountVolume.SetUp failed for volume "{alone[name]}" : volume uses the {_ALONE} '
                "access mode and is already in use by another pod"
            )
        if alone:
            keys = [f"{namespace}/{name}" for name in sorted(alone)]
            write_record(stored.paths.claims, msgspec.json.encode(keys), mode=0o600)


def give_back(stored: StoredPod) -> None:
    """Idempotent. Once the pod's containers are gone."""
    stored.paths.claims.unlink(missing_ok=True)


def _wanted(paths: Paths, stored: StoredPod) -> dict[str, tuple[str, bool]]:
    """Claim → the volume that it is, and whether it is for one pod alone."""
    store, namespace = ObjectStore(paths), stored.pod.metadata.namespace
    found = {}
    for volume in stored.pod.spec.volumes:
        source = volume.persistent_volume_claim
        if source is None:
            continue
        claim = store.read(CLAIM, namespace, source.claim_name)
        if not isinstance(claim, PersistentVolumeClaim):
            raise _failed(f'persistentvolumeclaim "{source.claim_name}" not found')
        found[source.claim_name] = (volume.name, _ALONE in claim.spec.access_modes)
    return found


def _taken(paths: Paths, stored: StoredPod, namespace: str) -> set[str]:
    """Names of the namespace's claims that other pods have for themselves."""
    found = set()
    for uid in os.listdir(paths.pods):
        if uid != stored.paths.uid:
            keys = read_record(paths.pod(uid, "", "").claims, list[str]) or []
            found |= {key.partition("/")[2] for key in keys if key.startswith(f"{namespace}/")}
    return found


@contextlib.contextmanager
def _locked(paths: Paths) -> Iterator[None]:
    """Closed to all but root: what is in it may be open to everybody, and is not theirs."""
    paths.claims.mkdir(mode=0o700, parents=True, exist_ok=True)
    fd = os.open(paths.claims, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX)
        yield
    finally:
        os.close(fd)


def _failed(message: str) -> PodrunError:
    return PodrunError(message, reason="FailedMount")
