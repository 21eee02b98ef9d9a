"""Since when a pod has been ready, or not: the conditions' transition times (semantics §5).

A pod is unready while any part of it is. Of each part its last unready interval is known; those
that overlap make one:

    part a   ────┐         ┌──────────
    part b   ─────────┐          ┌────
    the pod  ────┐               ┌────
                 └ unready since ┘ ready since

Where a part has come and gone more than once meanwhile, the time can be later than it was.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import msgspec

from podrun.api.pod import Pod
from podrun.pod.backoff import unready_at
from podrun.pod.facts import Facts
from podrun.pod.runs import is_init, is_sidecar, ready_since


class Part(msgspec.Struct, frozen=True):
    """The last unready interval; ``since`` None: from the beginning, ``until`` None: still."""

    since: float | None
    until: float | None


def readiness(pod: Pod, facts: Facts) -> list[Part]:
    """Of the app containers and sidecars."""
    return list(_of_containers(pod, facts))


def gate_readiness(pod: Pod, facts: Facts) -> list[Part]:
    return [_of_gate(facts, gate.condition_type) for gate in pod.spec.readiness_gates]


def true_since(parts: Sequence[Part], beginning: float) -> float:
    return max((part.until for part in parts if part.until is not None), default=beginning)


def false_since(parts: Sequence[Part], beginning: float) -> float:
    """At least one part must be unready."""
    intervals = [(beginning if p.since is None else p.since, p.until) for p in parts]
    earliest = min(since for since, until in intervals if until is None)
    for since, until in sorted(intervals, key=lambda interval: interval[0], reverse=True):
        if until is not None and since < earliest <= until:
            earliest = since
    return earliest


def _of_containers(pod: Pod, facts: Facts) -> Iterator[Part]:
    for container in pod.spec.all_containers:
        if is_init(pod, container) and not is_sidecar(pod, container):
            continue
        known = facts.of(container.name)
        yield Part(unready_at(known, container), ready_since(container, known.current))


def _of_gate(facts: Facts, type: str) -> Part:
    gate = facts.gates.get(type)
    if gate is None:
        return Part(None, None)
    # What it was before is not kept: as if it had never held.
    return Part(None, gate.changed_at) if gate.holds else Part(gate.changed_at, None)
