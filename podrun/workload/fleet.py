"""The pods of a Deployment, sorted by template, and how many of them there may and must be."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from podrun.api.workload import Deployment
from podrun.workload.model import PodView
from podrun.workload.pods import is_active, is_available
from podrun.workload.rollout import limits
from podrun.workload.templates import hash_of, template_hash


class Fleet(msgspec.Struct, frozen=True):
    """``new`` and ``old`` are those that run and shall; ``all`` has the ended and ending too.

    ``surge`` pods may be too many, ``unavailable`` of ``replicas`` may be not available.
    """

    hash: str
    all: tuple[PodView, ...]
    new: tuple[PodView, ...]
    old: tuple[PodView, ...]
    replicas: int
    surge: int
    unavailable: int
    min_ready_seconds: int
    now: float

    @classmethod
    def of(cls, deployment: Deployment, pods: Sequence[PodView], now: float) -> Fleet:
        spec = deployment.spec
        mark = template_hash(spec.template)
        replicas = 1 if spec.replicas is None else spec.replicas
        live = [view for view in pods if is_active(view)]
        surge, unavailable = 0, 0  # of Recreate
        if spec.strategy is None or spec.strategy.type != "Recreate":
            rolling = spec.strategy.rolling_update if spec.strategy else None
            surge, unavailable = limits(rolling, replicas)
        return cls(
            hash=mark,
            all=tuple(pods),
            new=tuple(view for view in live if hash_of(view) == mark),
            old=tuple(view for view in live if hash_of(view) != mark),
            replicas=replicas,
            surge=surge,
            unavailable=unavailable,
            min_ready_seconds=spec.min_ready_seconds,
            now=now,
        )

    @property
    def live(self) -> tuple[PodView, ...]:
        return self.new + self.old

    def available(self, view: PodView) -> bool:
        return is_available(view, self.min_ready_seconds, self.now)
