"""One by one with affinity, as Docker Swarm did: nobody looks at the gang as a whole.

first member      ──► the tightest node that has room (bin packing)
every other one   ──► the node of the first, or nowhere: then it is stuck, and what has been
                      placed of the gang keeps what it has
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from podrun.schedule.model import Cluster
from podrun.schedule.policy import Bid, Did, Step


class ByAffinity:
    name = "affinity"

    def turn(self, cluster: Cluster, bids: Sequence[Bid], number: int) -> Iterator[Step]:
        for bid in bids:
            if bid.waits(cluster, number):
                yield self._place(cluster, bid, number)

    def _place(self, cluster: Cluster, bid: Bid, number: int) -> Step:
        gang, member = bid.gang, bid.next_member
        fitting = cluster.candidates(member.request, bid.node)
        if not fitting:
            bid.refuse(cluster)
            where = f"must be with {gang.members[0].name}" if bid.node else "no node has room"
            return Step(number, Did.REFUSED, gang.name, member.name, bid.node, where)
        node = min(fitting, key=cluster.room)
        why = f"with {gang.members[0].name}" if bid.node else "the tightest node with room"
        bid.hold(cluster, node)
        did = Did.STARTED if bid.complete else Did.PLACED
        return Step(number, did, gang.name, member.name, node, why)
