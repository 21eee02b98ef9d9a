"""Hoarding, as with Mesos' offers: hold what one has, and start when the gang is complete.

    first member    ──► the node with most free; its share is held, nothing runs
    every other one ──► held on the same node; no room: wait, and go on holding
    all of them     ──► the gang starts

Two gangs may each hold what the other one waits for; ``deadlocked`` finds out.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from podrun.schedule.model import Amounts, Cluster, add, shortage, total
from podrun.schedule.policy import Bid, Did, EachInTurn, Step


class Hoarding(EachInTurn):
    name = "hoarding"

    def _try(self, cluster: Cluster, bid: Bid, number: int) -> Iterator[Step]:
        fitting = bid.candidates(cluster)
        if not fitting:
            yield bid.refused(cluster, number, "waits and holds on")
            return
        missing = len(bid.gang.members) - len(bid.members) - 1
        why = f"{missing} still to come" if missing else "all are there"
        yield bid.got(cluster, number, max(fitting, key=cluster.room), Did.HELD, why)


def deadlocked(cluster: Cluster, bids: Sequence[Bid]) -> list[Bid]:
    """The gangs that hold something and can never be complete, though all others went away.

    Whoever can finish will, and give back what it has: what remains when nobody is left who can
    are those that wait for each other (or, one alone, for what its node never had).
    """
    waiting = [bid for bid in bids if bid.held and not bid.complete]
    free = dict(cluster.free)
    for bid in bids:
        if bid.complete:
            free[bid.node] = add(free[bid.node], bid.held)
    while can := [bid for bid in waiting if not shortage(free[bid.node], _missing(bid))]:
        for bid in can:
            free[bid.node] = add(free[bid.node], bid.held)
        waiting = [bid for bid in waiting if bid not in can]
    return waiting


def _missing(bid: Bid) -> Amounts:
    return total(bid.gang.members[len(bid.members) :])
