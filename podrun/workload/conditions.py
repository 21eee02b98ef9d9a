"""The conditions of a workload's status: at most one of each type."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec.structs import replace

from podrun.api.workload import Condition


def condition(kind: str, status: str, reason: str, message: str, at: str, **also: str) -> Condition:
    """New at the time ``at``; ``also`` are further times of it."""
    return Condition(
        type=kind, status=status, reason=reason, message=message, last_transition_time=at, **also
    )


def find(conditions: Sequence[Condition], kind: str) -> Condition | None:
    return next((each for each in conditions if each.type == kind), None)


def holds(conditions: Sequence[Condition], kind: str) -> bool:
    found = find(conditions, kind)
    return found is not None and found.status == "True"


def put(conditions: Sequence[Condition], new: Condition) -> tuple[Condition, ...]:
    """With ``new`` in the place of the one of its type, whose time of transition it keeps while
    the status is the same."""
    old = find(conditions, new.type)
    if old is None:
        return (*conditions, new)
    if old.status == new.status:
        new = replace(new, last_transition_time=old.last_transition_time)
    return tuple(new if each is old else each for each in conditions)
