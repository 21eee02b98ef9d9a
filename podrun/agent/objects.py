"""Objects that are no pods: accepted, changed and deleted, and who hears of it.

manifests ─► prepare(): what each means, or InvalidManifest and nothing has changed
               └─► keep(): on disk, durable, all or none ─► pods that refer to it look again
names ─────► check_deletion(): or Conflict, and nothing has changed
               └─► delete() ─► pods that refer to it look again
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from typing import Any

import msgspec
from msgspec.structs import replace

from podrun.agent import claims, worker
from podrun.agent.objectstore import ObjectStore
from podrun.agent.podtask import PodTask
from podrun.api.configuration import PersistentVolumeClaim
from podrun.api.defaults_objects import bound
from podrun.api.kinds import BY_NAME, CLAIM, CONFIG_MAP, SECRET, Kind
from podrun.api.names import dns_subdomain
from podrun.api.objects import AnyObject, describe, kind_of, update_problems, with_metadata
from podrun.api.problem import Problem, refusal
from podrun.api.validate_objects import storage_bytes
from podrun.api.validate_rules import invalid
from podrun.errors import Conflict, UsageError
from podrun.node.paths import Paths
from podrun.pod.references import references
from podrun.pod.when import rfc3339

Key = tuple[Kind, str, str]  # kind, namespace, name
#: told of each object that was stored or removed, after it was
Listener = Callable[[Key], None]


class Prepared(msgspec.Struct, frozen=True):
    """An object as it is to be stored. ``result``: created, configured or unchanged."""

    thing: AnyObject
    old: AnyObject | None
    result: str


class Objects:
    """``tasks`` gives the pods of the node, which may refer to what changes."""

    def __init__(self, paths: Paths, tasks: Callable[[], Iterable[PodTask]]) -> None:
        self.store = ObjectStore(paths)
        self.listeners: set[Listener] = {self._tell_pods}
        self._paths = paths
        self._tasks = tasks

    # ── apply ───────────────────────────────────────────────────────────────────────────────────

    def prepare(self, things: Iterable[AnyObject]) -> list[Prepared]:
        """Raises InvalidManifest with everything that may not be changed so."""
        found = [self._prepared(thing) for thing in things]
        wrong = [
            Problem(problem.path, problem.message, describe(each.thing))
            for each in found
            for problem in self._problems(each)
        ]
        if wrong:
            raise refusal(wrong)
        return found

    def _prepared(self, new: AnyObject) -> Prepared:
        old = self.store.read(*_key(new))
        new = _filled_in(old, new)
        result = "created" if old is None else "unchanged" if new == old else "configured"
        return Prepared(new, old, result)

    def _problems(self, each: Prepared) -> Iterator[Problem]:
        if each.old is not None:
            yield from update_problems(each.old, each.thing)
        if isinstance(each.thing, PersistentVolumeClaim) and each.result != "unchanged":
            yield from self._too_large(each.thing)

    def _too_large(self, claim: PersistentVolumeClaim) -> Iterator[Problem]:
        disk = claims.disk_bytes(self._paths)
        if storage_bytes(claim) > disk and claim.status is not None:
            why = f"the disk of {self._paths.claims} has {disk} bytes"
            yield invalid("spec.resources[storage]", claim.status.capacity["storage"], why)

    def keep(self, prepared: Sequence[Prepared], owner_gid: int) -> None:
        """Durable on return. OSError (a full disk): nothing has changed."""
        changed = [each for each in prepared if each.result != "unchanged"]
        self.store.write_all((each.thing for each in changed), owner_gid)
        for each in changed:
            self._tell(_key(each.thing))

    # ── delete ──────────────────────────────────────────────────────────────────────────────────

    def check_deletion(self, keys: Iterable[Key], going: Collection[str]) -> None:
        """Pods of these uids go with them. Conflict: another one uses a claim."""
        for kind, namespace, name in keys:
            users = [task for task in self._users(kind, namespace, name) if kind is CLAIM]
            staying = sorted(
                task.stored.key[1] for task in users if task.stored.paths.uid not in going
            )
            if staying:
                raise Conflict(
                    f"persistentvolumeclaim/{name} is used by pod/{', pod/'.join(staying)}",
                    hint="nothing was deleted; delete what uses it first, or with it",
                )

    def delete(self, keys: Iterable[Key]) -> list[Key]:
        """Those that were there. What pods have mounted stays as it is. OSError."""
        gone = []
        for key in keys:
            if self.store.remove(*key):
                gone.append(key)
                self._tell(key)
        return gone

    async def reclaim(self, keys: Iterable[Key]) -> None:
        """Remove what claims held, whether they still are there or not. Raises MechanismFailed;
        Conflict: while others were waited for, somebody applied a pod that has it now."""
        for kind, namespace, name in keys:
            if kind is CLAIM:
                users = [task for task in self._users(kind, namespace, name) if not task.released]
                if users:
                    raise Conflict(
                        f"persistentvolumeclaim/{name} is used again, by "
                        f"pod/{', pod/'.join(sorted(task.stored.key[1] for task in users))}",
                        hint="what it holds was kept",
                    )
                await worker.run(claims.reclaim, self._paths, namespace, name)

    # ── who hears of it ─────────────────────────────────────────────────────────────────────────

    def _tell(self, key: Key) -> None:
        for listener in tuple(self.listeners):
            listener(key)

    def _tell_pods(self, key: Key) -> None:
        for task in self._users(*key):
            if task.facts.deletion is None:
                task.objects_changed()

    def _users(self, kind: Kind, namespace: str, name: str) -> list[PodTask]:
        return [
            task
            for task in self._tasks()
            if task.stored.key[0] == namespace and (kind, name) in references(task.stored.pod)
        ]


def _filled_in(old: AnyObject | None, new: AnyObject) -> AnyObject:
    """``new`` with what is podrun's to say: identity, generation, status."""
    given: dict[str, Any] = {"uid": str(uuid.uuid4()), "creation_timestamp": rfc3339(time.time())}
    if old is not None:
        given = {"uid": old.metadata.uid, "creation_timestamp": old.metadata.creation_timestamp}
        given["owner_references"] = old.metadata.owner_references
    meta = replace(new.metadata, generation=_generation(old, new), **given)
    new = with_metadata(new, meta)
    if isinstance(new, PersistentVolumeClaim):
        return bound(new)
    if old is not None and hasattr(new, "status"):
        return replace(new, status=getattr(old, "status", None))
    return new


def _generation(old: Any, new: Any) -> int:
    """Counts the changes of a workload's spec. The others have none, as in Kubernetes."""
    if kind_of(new) in (CONFIG_MAP, SECRET, CLAIM):
        return 0
    if old is None:
        return 1
    before: int = old.metadata.generation
    return before + int(old.spec != new.spec)


def _key(thing: AnyObject) -> Key:
    return kind_of(thing), thing.metadata.namespace, thing.metadata.name


def key_of(kind: str, namespace: str, name: str) -> Key:
    """Of what a request says. Raises UsageError."""
    found = BY_NAME.get(kind)
    if found is None or kind == "Pod":
        raise UsageError(f"{kind}: no kind of object that is deleted by name")
    for part in (namespace, name):
        if why := dns_subdomain(part):
            raise UsageError(f"{part!r} is no name: {why}")
    return found, namespace, name
