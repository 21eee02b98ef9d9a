"""Optimistic, as in Google's Omega: everybody places as if alone, and rolls back on a conflict.

member ──► placed on the gang's node ──► all placed: the gang starts
               │ no room (somebody was faster, or it never was enough): conflict
               └──► everything of the gang is rolled back; that node is not tried again
                    until something has been given back ──► the next node
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence

from podrun.schedule.model import Cluster
from podrun.schedule.policy import Bid, Did, Step

_LONGEST_PAUSE = 6  # the exponent: 64 turns


class Optimistic:
    name = "optimistic"

    def turn(self, cluster: Cluster, bids: Sequence[Bid], number: int) -> Iterator[Step]:
        for bid in bids:
            if bid.waits(cluster, number):
                yield from self._place(cluster, bid, number)

    def _place(self, cluster: Cluster, bid: Bid, number: int) -> Iterator[Step]:
        gang, member = bid.gang, bid.next_member
        fitting = cluster.candidates(member.request, bid.node)
        if bid.node and not fitting:
            yield Step(number, Did.CONFLICT, gang.name, member.name, bid.node, "no room left")
            yield self._roll_back(cluster, bid, number)
            return
        untried = [name for name in fitting if name not in bid.tried]
        if not bid.node and not untried:
            self._pause(cluster, bid, number)
            yield Step(number, Did.REFUSED, gang.name, member.name, why="no node is left to try")
            return
        node = bid.node or min(untried, key=cluster.room)
        why = "" if bid.node else "the tightest node not tried yet"
        bid.hold(cluster, node)
        did = Did.STARTED if bid.complete else Did.PLACED
        yield Step(number, did, gang.name, member.name, node, why)

    def _roll_back(self, cluster: Cluster, bid: Bid, number: int) -> Step:
        node, names = bid.node, ", ".join(bid.members)
        bid.tried = [*bid.tried, node]
        bid.release(cluster)
        return Step(number, Did.ROLLED_BACK, bid.gang.name, node=node, why=f"{names} removed")

    def _pause(self, cluster: Cluster, bid: Bid, number: int) -> None:
        """For a random while, twice as long each time: else two gangs could dance for ever."""
        bid.tried = []
        bid.refuse(cluster)
        bid.rounds += 1
        chance = random.Random(f"{bid.gang.name} {bid.rounds}")  # the same in every run
        bid.paused_until = number + 1 + chance.randrange(2 ** min(bid.rounds, _LONGEST_PAUSE))
