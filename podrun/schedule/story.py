"""A few gangs on a few nodes, turn by turn, until nothing can happen any more.

Nobody finishes here: what runs, runs on. ``simulate`` is for crowds that come and go.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum

import msgspec

from podrun.schedule.hoarding import deadlocked
from podrun.schedule.model import Amounts, Cluster, Gang, Node, shortage, total
from podrun.schedule.policy import Bid, Did, Policy, Step

#: far more than any policy needs for what fits on a screen
_MOST_TURNS = 10_000


class Fate(StrEnum):
    RUNS = "runs"
    WAITS = "waits"  # and holds nothing: others may have it all
    STUCK = "stuck"  # holds a part of what it needs, and gets no more
    DEADLOCKED = "deadlocked"  # the same, and so does whoever has the rest


class End(msgspec.Struct, frozen=True):
    """How it ended for one gang; ``node`` and ``holds`` are empty when it has nothing."""

    gang: str
    fate: Fate
    node: str
    members: tuple[str, ...]
    holds: Amounts


class Told(msgspec.Struct, frozen=True):
    """One policy's run. ``free`` is that of every node after each step; ``wasted`` is what was
    held by gangs that did not run yet, summed over the turns."""

    policy: str
    steps: tuple[Step, ...]
    free: tuple[dict[str, Amounts], ...]
    ends: tuple[End, ...]
    turns: int
    wasted: Amounts


def tell(nodes: Sequence[Node], gangs: Sequence[Gang], policy: Policy) -> Told:
    """Every gang has arrived before the first turn, in the order given."""
    cluster = Cluster(nodes)
    bids = [Bid(gang) for gang in gangs]
    steps: list[Step] = []
    free: list[dict[str, Amounts]] = []
    wasted: Amounts = {}
    turn = 0
    while turn < _MOST_TURNS and any(_may_finish(cluster, bids, bid) for bid in bids):
        turn += 1
        before = len(steps)
        for step in policy.turn(cluster, bids, turn):
            steps.append(step)
            free.append({name: dict(amounts) for name, amounts in cluster.free.items()})
        for bid in bids:
            if not bid.complete:
                wasted = {n: wasted.get(n, 0) + bid.held.get(n, 0) for n in {**wasted, **bid.held}}
        if len(steps) == before and not any(bid.paused_until > turn for bid in bids):
            break
    locked = deadlocked(cluster, bids)
    for bid in locked if len(locked) > 1 else ():
        steps.append(Step(turn, Did.DEADLOCK, bid.gang.name, node=bid.node, why="waits for ever"))
        free.append({name: dict(amounts) for name, amounts in cluster.free.items()})
    ends = tuple(_end(bid, len(locked) > 1 and bid in locked) for bid in bids)
    return Told(policy.name, tuple(steps), tuple(free), ends, turn, wasted)


def _may_finish(cluster: Cluster, bids: Sequence[Bid], bid: Bid) -> bool:
    """There would be room for all of it somewhere if every incomplete gang let go."""
    if bid.complete:
        return False
    needed = total(bid.gang.members)
    for name, amounts in cluster.free.items():
        free = dict(amounts)
        for other in bids:
            if other.node == name and not other.complete:
                for resource in free:
                    free[resource] += other.held.get(resource, 0)
        if not shortage(free, needed):
            return True
    return False


def _end(bid: Bid, locked: bool) -> End:
    if bid.complete:
        fate = Fate.RUNS
    elif locked:
        fate = Fate.DEADLOCKED
    else:
        fate = Fate.STUCK if bid.held else Fate.WAITS
    return End(bid.gang.name, fate, bid.node, tuple(bid.members), bid.held)
