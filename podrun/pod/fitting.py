"""Does a pod fit on the node as a whole? If not, nothing of it starts (the Pod is the atom).

    allocatable = all of the node − what is reserved
    free        = allocatable − the requests of the pods that were admitted and are not over

    waits, oldest first:  fits, and no older one waits for the same resource ──► admitted
                          else ──► Pending, PodScheduled=False, Unschedulable, with the reason

An older pod that waits keeps what it waits for: younger ones get none of that resource before it,
though they would fit. So nobody starves, and who needs other things is not held up.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import msgspec

from podrun.api import quantity
from podrun.api.hugepages import is_pages
from podrun.api.pod import Pod
from podrun.pod.resources import Amounts, requests


class Applicant(msgspec.Struct, frozen=True):
    """A pod that waits to be admitted; ``name`` is "namespace/name"."""

    uid: str
    name: str
    request: Amounts
    since: float


class Answer(msgspec.Struct, frozen=True):
    """``message`` is empty for an admitted pod."""

    uid: str
    message: str = ""

    @property
    def admitted(self) -> bool:
        return not self.message


def allocatable(capacity: Amounts, reserved: Amounts) -> Amounts:
    return {name: max(capacity[name] - reserved.get(name, 0), 0) for name in capacity}


def never_fits(pod: Pod, room: Amounts) -> str:
    """Why ``pod`` would not even fit on the empty node; "" when it would."""
    request = requests(pod)
    for name, amount in request.items():
        if amount > _of(room, name, amount):
            needs, has = amount_text(name, amount), amount_text(name, _of(room, name, amount))
            return f"Insufficient {name}: needs {needs}, the node has {has} for all pods"
    return ""


def review(
    room: Amounts, taken: Iterable[Amounts], waiting: Sequence[Applicant]
) -> tuple[Answer, ...]:
    """Who of ``waiting`` is admitted now. ``taken`` are the requests of those who have been."""
    free = dict(room)
    for request in taken:
        _subtract(free, request)
    kept: dict[str, str] = {}  # resource → the oldest pod that waits for it
    answers = []
    for applicant in sorted(waiting, key=lambda each: (each.since, each.uid)):
        message = _refusal(free, kept, applicant)
        if message:
            for name in _short(free, applicant.request):
                kept.setdefault(name, applicant.name)
        else:
            _subtract(free, applicant.request)
        answers.append(Answer(applicant.uid, message))
    return tuple(answers)


def _refusal(free: Amounts, kept: dict[str, str], applicant: Applicant) -> str:
    short = _short(free, applicant.request)
    behind = [name for name in applicant.request if name in kept and name not in short]
    parts = [_insufficient(name, applicant.request, free) for name in short]
    parts += [
        f"{_insufficient(name, applicant.request, free)}, kept for {kept[name]}, which came first"
        for name in behind
    ]
    return "; ".join(parts)


def _insufficient(name: str, request: Amounts, free: Amounts) -> str:
    asked = request[name]
    needs, left = amount_text(name, asked), amount_text(name, max(_of(free, name, asked), 0))
    return f"Insufficient {name}: needs {needs}, {left} free"


def _short(free: Amounts, request: Amounts) -> list[str]:
    return [name for name, amount in request.items() if amount > _of(free, name, amount)]


def _of(room: Amounts, name: str, amount: int) -> int:
    """Of what ``room`` does not name there is enough; but no huge pages of a size it does not."""
    return room.get(name, 0 if is_pages(name) else amount)


def _subtract(free: Amounts, request: Amounts) -> None:
    for name, amount in request.items():
        if name in free:
            free[name] -= amount


def amount_text(resource: str, amount: int) -> str:
    """``500m``, ``4``, ``2.5Gi``: as one would write it."""
    if resource == "cpu":
        return quantity.canonical(f"{amount}m")
    for suffix, size in (("Gi", 1 << 30), ("Mi", 1 << 20), ("Ki", 1 << 10)):
        if amount >= size:
            return f"{amount / size:.2f}".rstrip("0").rstrip(".") + suffix
    return str(amount)
