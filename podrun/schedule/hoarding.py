"""Hoarding, as with Mesos' offers: hold what one has, and start when the gang is complete.

    first member    ──► the node with most free; its share is held, nothing runs
    every other one ──► held on the same node; no room: wait, and go on holding
    all of them     ──► the gang starts

Two gangs may each hold what the other one waits for; ``deadlocked`` finds out.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from podrun.schedule.model import Amounts, Cluster, add, shortage, total
from podrun.schedule.policy import Bid, Did, Step


class Hoarding:
    name = "hoarding"

    def turn(self, cluster: Cluster, bids: Sequence[Bid], number: int) -> Iterator[Step]:
        for bid in bids:
            if bid.waits(cluster, number):
                yield self._hold(cluster, bid, number)

    def _hold(self, cluster: Cluster, bid: Bid, number: int) -> Step:
        gang, member = bid.gang, bid.next_member
        fitting = cluster.candidates(member.request, bid.node)
        if not fitting:
            bid.refuse(cluster)
            return Step(number, Did.REFUSED, gang.name, member.name, bid.node, "waits and holds on")
        node = max(fitting, key=cluster.room)
        bid.hold(cluster, node)
        did = Did.STARTED if bid.complete else Did.HELD
        missing = len(gang.members) - len(bid.members)
        why = "all are there" if bid.complete else f"{missing} still to come"
        return Step(number, did, gang.name, member.name, node, why)


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
