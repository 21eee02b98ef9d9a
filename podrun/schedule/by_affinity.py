"""One by one with affinity, as Docker Swarm did: nobody looks at the gang as a whole.

first member      ──► the tightest node that has room (bin packing)
every other one   ──► the node of the first, or nowhere: then it is stuck, and what has been
                      placed of the gang keeps what it has
"""

from __future__ import annotations

from collections.abc import Iterator

from podrun.schedule.model import Cluster
from podrun.schedule.policy import Bid, Did, EachInTurn, Step


class ByAffinity(EachInTurn):
    name = "affinity"

    def _try(self, cluster: Cluster, bid: Bid, number: int) -> Iterator[Step]:
        first = bid.gang.members[0].name
        if fitting := bid.candidates(cluster):
            why = f"with {first}" if bid.node else "the tightest node with room"
            yield bid.got(cluster, number, min(fitting, key=cluster.room), Did.PLACED, why)
        else:
            where = f"must be with {first}" if bid.node else "no node has room"
            yield bid.refused(cluster, number, where)
