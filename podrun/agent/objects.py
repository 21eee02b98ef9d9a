"""Objects that are no pods: accepted, changed and deleted, and who hears of it.

manifests ─► prepare(): what each means, or InvalidManifest and nothing has changed
               └─► keep(): on disk, durable ─► pods that refer to it look again
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Iterable, Sequence

import msgspec
from msgspec.structs import replace

from podrun.agent.objectstore import ObjectStore
from podrun.agent.podtask import PodTask
from podrun.api.kinds import BY_NAME, Kind
from podrun.api.objects import AnyObject, describe, kind_of, update_problems, with_metadata
from podrun.api.problem import Problem, refusal
from podrun.pod.references import references
from podrun.pod.when import rfc3339

Key = tuple[Kind, str, str]  # kind, namespace, name


class Prepared(msgspec.Struct, frozen=True):
    """An object as it is to be stored. ``result``: created, configured or unchanged."""

    thing: AnyObject
    result: str


class Objects:
    """``tasks`` gives the pods of the node, which may refer to what changes."""

    def __init__(self, store: ObjectStore, tasks: Callable[[], Iterable[PodTask]]) -> None:
        self.store = store
        self._tasks = tasks

    def prepare(self, things: Iterable[AnyObject]) -> list[Prepared]:
        """Raises InvalidManifest with everything that may not be changed so."""
        found: list[Prepared] = []
        wrong: list[Problem] = []
        for thing in things:
            meta = thing.metadata
            old = self.store.read(kind_of(thing), meta.namespace, meta.name)
            if old is not None:
                wrong += [
                    Problem(each.path, each.message, describe(thing))
                    for each in update_problems(old, thing)
                ]
            found.append(_prepared(old, thing))
        if wrong:
            raise refusal(wrong)
        return found

    def keep(self, prepared: Sequence[Prepared], owner_gid: int) -> None:
        """Durable on return. OSError (a full disk): those before it are stored."""
        for each in prepared:
            if each.result != "unchanged":
                self.store.write(each.thing, owner_gid)
                self._tell_pods(kind_of(each.thing), each.thing)

    def delete(self, keys: Iterable[Key]) -> None:
        """What is not there is gone already. Mounted files stay as they are, as with the kubelet.

        OSError.
        """
        for key in keys:
            self.store.remove(*key)

    def _tell_pods(self, kind: Kind, thing: AnyObject) -> None:
        meta = thing.metadata
        for task in list(self._tasks()):
            pod = task.stored.pod
            if pod.metadata.namespace != meta.namespace:
                continue
            if (kind, meta.name) in references(pod):
                task.objects_changed()


def _prepared(old: AnyObject | None, new: AnyObject) -> Prepared:
    """What podrun fills in stays; the rest is the new one's."""
    if old is None:
        meta = replace(
            new.metadata,
            uid=str(uuid.uuid4()),
            creation_timestamp=rfc3339(time.time()),
        )
        return Prepared(with_metadata(new, meta), "created")
    meta = replace(
        new.metadata,
        uid=old.metadata.uid,
        generation=old.metadata.generation,
        creation_timestamp=old.metadata.creation_timestamp,
    )
    new = with_metadata(new, meta)
    return Prepared(new, "unchanged" if new == old else "configured")


def key_of(kind: str, namespace: str, name: str) -> Key:
    """KeyError for a kind that podrun does not have."""
    return BY_NAME[kind], namespace, name
