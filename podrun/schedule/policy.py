"""What a policy is: each turn, every gang that waits gets its try, in the order of arrival.

    arrives ──► waits ──turn──► holds something ──turn──► complete: it runs
                  ▲                   │
                  └──── gives up ◄────┘         what is held while incomplete is wasted

The engine (``run``, ``simulate``) brings gangs, counts turns and takes away what has finished; a
policy only decides. Everything it does is a ``Step``, so that a run can be told and checked.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from enum import StrEnum
from typing import Protocol

import msgspec

from podrun.schedule.model import Amounts, Cluster, Gang, Member, add


class Did(StrEnum):
    PLACED = "placed"  # a member, or by pod the whole gang
    HELD = "held"  # resources for a member that must not start yet
    STARTED = "started"  # the last member is there: the gang runs
    REFUSED = "refused"  # no room where it would have to be
    CONFLICT = "conflict"  # it was thought to fit, and does not
    ROLLED_BACK = "rolled back"
    DEADLOCK = "deadlock"


class Step(msgspec.Struct, frozen=True):
    """``member`` and ``node`` are empty where the step is about the whole gang, or no node."""

    turn: int
    did: Did
    gang: str
    member: str = ""
    node: str = ""
    why: str = ""


class Bid(msgspec.Struct):
    """One gang on its way: the node it is bound to, and what it holds there for which members."""

    gang: Gang
    node: str = ""
    members: list[str] = []
    held: Amounts = {}
    complete: bool = False
    refused_at: int = -1  # ``Cluster.releases`` when it was last refused: no use to ask again
    tried: list[str] = []  # nodes it had to leave
    rounds: int = 0  # how often it had tried them all
    paused_until: int = 0  # a turn

    @property
    def next_member(self) -> Member:
        return self.gang.members[len(self.members)]

    def candidates(self, cluster: Cluster) -> Sequence[str]:
        """Where the next member has room: on the gang's node, if it has one."""
        return cluster.candidates(self.next_member.request, self.node)

    def waits(self, cluster: Cluster, turn: int) -> bool:
        """It is incomplete, and it makes sense to give it a try."""
        return not (
            self.complete or self.refused_at == cluster.releases or self.paused_until > turn
        )

    def refuse(self, cluster: Cluster) -> None:
        self.refused_at = cluster.releases

    def hold(self, cluster: Cluster, node: str) -> None:
        """Take the next member's share of ``node``; with the last one the gang is complete."""
        member = self.next_member
        cluster.take(node, member.request)
        self.node = node
        self.members.append(member.name)
        self.held = add(self.held, member.request)
        self.complete = len(self.members) == len(self.gang.members)

    def refused(self, cluster: Cluster, turn: int, why: str) -> Step:
        """There is no place for the next member now."""
        self.refuse(cluster)
        return Step(turn, Did.REFUSED, self.gang.name, self.next_member.name, self.node, why)

    def got(self, cluster: Cluster, turn: int, node: str, did: Did, why: str) -> Step:
        """The next member has its share of ``node``: the gang starts, or else ``did``."""
        member = self.next_member.name
        self.hold(cluster, node)
        return Step(turn, Did.STARTED if self.complete else did, self.gang.name, member, node, why)

    def hold_all(self, cluster: Cluster, node: str) -> None:
        """Take what the gang as a whole needs."""
        cluster.take(node, self.gang.request)
        self.node, self.held, self.complete = node, self.gang.request, True
        self.members = [member.name for member in self.gang.members]

    def release(self, cluster: Cluster) -> None:
        """Give back all it holds."""
        if self.node:
            cluster.give(self.node, self.held)
        self.node, self.members, self.held, self.complete = "", [], {}, False


class Policy(Protocol):
    name: str

    def turn(self, cluster: Cluster, bids: Sequence[Bid], number: int) -> Iterator[Step]:
        """Give every incomplete bid its try, changing ``cluster`` and ``bids``; tell each step."""
        ...


class EachInTurn:
    """Whoever waits gets its try, in the order of arrival."""

    def turn(self, cluster: Cluster, bids: Sequence[Bid], number: int) -> Iterator[Step]:
        for bid in bids:
            if bid.waits(cluster, number):
                yield from self._try(cluster, bid, number)

    def _try(self, cluster: Cluster, bid: Bid, number: int) -> Iterator[Step]:
        raise NotImplementedError
