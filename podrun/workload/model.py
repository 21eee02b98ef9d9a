"""What the controllers of Job, Deployment and DaemonSet work on: pure, like all of policy.

    the object, its pods, the time ──► step() ──► pods to create, pods to delete, a new status,
           ▲                                       when to look again
           └──────────── the pods live on ◄────────┘

Each controller is one function in a file of its own. It keeps nothing: what it must remember is in
the object's status. It may be asked again at any time, also when nothing of its last answer has
been carried out yet; a pod it wants is one it does not see. The pod core knows nothing of them:
a pod belongs to one by its ``metadata.ownerReferences``.

What a step says is carried out in this order: the status is written (durably), pods are deleted,
pods are created, the events are told. ``pods`` must be all that the object has, also those that are
being deleted: one that is missing is taken to be gone.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Generic, TypeVar

import msgspec

from podrun.api.pod import Pod

S = TypeVar("S")

#: gives the random end of a pod's name, five letters and digits
Suffix = Callable[[], str]


class PodView(msgspec.Struct, frozen=True):
    """A pod that belongs to the object, as a controller sees it."""

    pod: Pod  # with its labels: ``pod-template-hash`` tells of which template it is
    phase: str  # Pending, Running, Succeeded, Failed
    created_at: float
    ready_since: float | None = None  # None: it is not ready
    finished_at: float | None = None  # of a pod that is Succeeded or Failed
    deleting: bool = False
    restarts: int = 0  # of all its containers together

    @property
    def uid(self) -> str:
        return self.pod.metadata.uid


class Step(msgspec.Struct, Generic[S], frozen=True):
    """What is due. ``remove`` asks for the object itself to go (ttlSecondsAfterFinished)."""

    status: S
    create: tuple[Pod, ...] = ()  # named, labelled and owned; without uid and defaults
    delete: tuple[str, ...] = ()  # uids
    wake_at: float | None = None
    remove: bool = False
    events: tuple[tuple[str, str, str], ...] = ()  # type, reason, message
