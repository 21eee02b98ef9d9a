"""Optimistic, as in Google's Omega: everybody places as if alone, and rolls back on a conflict.

member ──► placed on the gang's node ──► all placed: the gang starts
               │ no room (somebody was faster, or it never was enough): conflict
               └──► everything of the gang is rolled back; that node is not tried again
                    until something has been given back ──► the next node
"""

from __future__ import annotations

import random
from collections.abc import Iterator

from podrun.schedule.model import Cluster
from podrun.schedule.policy import Bid, Did, EachInTurn, Step

_LONGEST_PAUSE = 6  # the exponent: 64 turns


class Optimistic(EachInTurn):
    name = "optimistic"

    def _try(self, cluster: Cluster, bid: Bid, number: int) -> Iterator[Step]:
        fitting = bid.candidates(cluster)
        if bid.node and not fitting:
            gang, member = bid.gang.name, bid.next_member.name
            yield Step(number, Did.CONFLICT, gang, member, bid.node, "no room left")
            yield self._roll_back(cluster, bid, number)
            return
        untried = [name for name in fitting if name not in bid.tried]
        if not bid.node and not untried:
            self._pause(bid, number)
            yield bid.refused(cluster, number, "no node is left to try")
            return
        node = bid.node or min(untried, key=cluster.room)
        why = "" if bid.node else "the tightest node not tried yet"
        yield bid.got(cluster, number, node, Did.PLACED, why)

    def _roll_back(self, cluster: Cluster, bid: Bid, number: int) -> Step:
        node, names = bid.node, ", ".join(bid.members)
        bid.tried = [*bid.tried, node]
        bid.release(cluster)
        return Step(number, Did.ROLLED_BACK, bid.gang.name, node=node, why=f"{names} removed")

    def _pause(self, bid: Bid, number: int) -> None:
        """For a random while, twice as long each time: else two gangs could dance for ever."""
        bid.tried = []
        bid.rounds += 1
        chance = random.Random(f"{bid.gang.name} {bid.rounds}")  # the same in every run
        bid.paused_until = number + 1 + chance.randrange(2 ** min(bid.rounds, _LONGEST_PAUSE))
