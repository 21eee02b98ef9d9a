"""The beginning and the end of a pod, whoever asks for them: a request or a workload."""

from __future__ import annotations

import time
import uuid
from collections.abc import Iterable
from typing import TYPE_CHECKING

from msgspec.structs import replace

from podrun.agent.podtask import PodTask
from podrun.api.pod import Pod
from podrun.pod.facts import Deletion, Facts
from podrun.pod.termination import grace as grace_of
from podrun.pod.when import rfc3339

if TYPE_CHECKING:
    from podrun.agent.server import Agent


def create(agent: Agent, pod: Pod, owner_gid: int, *, replaces: PodTask | None = None) -> PodTask:
    """Accept a valid pod with defaults, and begin with it. Durable once the store has synced it.

    OSError (a full disk): nothing of it stays.
    """
    now = time.time()
    metadata = replace(
        pod.metadata, uid=str(uuid.uuid4()), generation=1, creation_timestamp=rfc3339(now)
    )
    pod = replace(pod, metadata=metadata)
    facts = Facts(
        accepted_at=now,
        replaces=replaces.stored.paths.uid if replaces else "",
        unfit=agent.capacity.consider(pod, now, later=replaces is not None),
    )
    task = agent.add(agent.store.create(pod, facts, owner_gid))
    task.accepted()
    return task


def make_durable(agent: Agent, created: Iterable[PodTask]) -> None:
    """OSError: none of them is kept."""
    created = list(created)
    try:
        for task in created:
            if not task.released:
                agent.store.sync(task.stored)
    except OSError:
        for task in created:
            delete(task, 0)
        raise


def delete(task: PodTask, grace: int | None) -> None:
    """Ask the pod to go, in ``grace`` seconds or (None) its own. A second request may shorten the
    grace, never lengthen it (semantics §2). OSError."""
    now = time.time()
    seconds = grace_of(task.stored.pod) if grace is None else grace
    asked = task.facts.deletion
    if asked is None:
        task.facts.deletion = Deletion(at=now, grace_seconds=seconds, began_at=now)
    elif grace is not None and now + seconds < asked.began_at + asked.grace_seconds:
        task.facts.deletion = Deletion(at=asked.at, grace_seconds=seconds, began_at=now)
    task.changed(durable=True)
    task.wake()
