"""By Pod, as Kubernetes does: a gang is placed as a whole, or nothing of it is touched.

fits on no node ──► waits
else            ──► the node with the largest share left free (LeastAllocated), all at once
"""

from __future__ import annotations

from collections.abc import Iterator

from podrun.schedule.model import Cluster
from podrun.schedule.policy import Bid, Did, EachInTurn, Step


class ByPod(EachInTurn):
    name = "pod"

    def _try(self, cluster: Cluster, bid: Bid, number: int) -> Iterator[Step]:
        request = bid.gang.request
        fitting = cluster.candidates(request)
        if not fitting:
            bid.refuse(cluster)
            yield Step(number, Did.REFUSED, bid.gang.name, why="no node has room for all of it")
            return
        node = max(fitting, key=lambda name: cluster.share_free(name, request))
        bid.hold_all(cluster, node)
        yield Step(number, Did.STARTED, bid.gang.name, node=node, why="the whole pod fits")
