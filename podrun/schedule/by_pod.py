"""By Pod, as Kubernetes does: a gang is placed as a whole, or nothing of it is touched.

fits on no node ──► waits
else            ──► the node with the largest share left free (LeastAllocated), all at once
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from podrun.schedule.model import Cluster
from podrun.schedule.policy import Bid, Did, Step


class ByPod:
    name = "pod"

    def turn(self, cluster: Cluster, bids: Sequence[Bid], number: int) -> Iterator[Step]:
        for bid in bids:
            if not bid.waits(cluster, number):
                continue
            request = bid.gang.request
            fitting = cluster.candidates(request)
            if not fitting:
                bid.refuse(cluster)
                yield Step(number, Did.REFUSED, bid.gang.name, why="no node has room for all of it")
                continue
            node = max(fitting, key=lambda name: cluster.share_free(name, request))
            bid.hold_all(cluster, node)
            yield Step(number, Did.STARTED, bid.gang.name, node=node, why="the whole pod fits")
