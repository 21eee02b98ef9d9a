"""Nodes, gangs and what is placed where: the board on which the four policies play.

A *gang* is a group of containers that must run on one node, all of them or none: what a Pod is. A
*member* is one of its containers. Amounts are whole numbers: thousandths of a CPU, bytes of memory;
a resource that a node does not name is not scarce there.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import msgspec

Amounts = dict[str, int]


class Node(msgspec.Struct, frozen=True):
    """``allocatable`` is what pods may have of it, all of it free at the beginning."""

    name: str
    allocatable: Amounts


class Member(msgspec.Struct, frozen=True):
    name: str
    request: Amounts


class Gang(msgspec.Struct, frozen=True):
    """``request`` is what the Pod as a whole needs (semantics §7), which an init container may
    make more than its members' sum; ``members[0]`` is the one the others want to be with."""

    name: str
    members: tuple[Member, ...]
    request: Amounts


class Cluster:
    """What is free on each node. Nothing is ever taken that is not there: see ``take``."""

    def __init__(self, nodes: Iterable[Node]) -> None:
        self.nodes = {node.name: node for node in nodes}
        self.free = {name: dict(node.allocatable) for name, node in self.nodes.items()}
        self._largest: Amounts = {}
        for node in self.nodes.values():
            for name, amount in node.allocatable.items():
                self._largest[name] = max(self._largest.get(name, 0), amount)
        self.releases = 0  # how often something was given back: before that, no refusal changes

    def fits(self, node: str, request: Mapping[str, int]) -> bool:
        return not shortage(self.free[node], request)

    def candidates(self, request: Mapping[str, int], only: str = "") -> list[str]:
        """The nodes with room for ``request``, in their order; ``only`` leaves no other choice."""
        names = (only,) if only else self.nodes
        return [name for name in names if self.fits(name, request)]

    def take(self, node: str, request: Mapping[str, int]) -> None:
        """Raises ValueError when it does not fit: a policy that tries has a defect."""
        if not self.fits(node, request):
            raise ValueError(f"{node} has no room for {dict(request)}: {self.free[node]}")
        self._change(node, request, -1)

    def give(self, node: str, request: Mapping[str, int]) -> None:
        self._change(node, request, +1)
        self.releases += 1

    def _change(self, node: str, request: Mapping[str, int], sign: int) -> None:
        free = self.free[node]
        for resource, amount in request.items():
            if resource in free:
                free[resource] += sign * amount

    def room(self, node: str) -> float:
        """How much is free, as a share (0…1) of what the largest node has: for bin packing."""
        free = self.free[node]
        shares = [free.get(name, most) / most for name, most in self._largest.items() if most]
        return sum(shares) / len(shares) if shares else 1.0

    def share_free(self, node: str, request: Mapping[str, int]) -> float:
        """The mean share (0…1) of the node's resources that is free once ``request`` is placed."""
        allocatable, free = self.nodes[node].allocatable, self.free[node]
        shares = [
            (free[resource] - request.get(resource, 0)) / allocatable[resource]
            for resource in allocatable
            if allocatable[resource]
        ]
        return sum(shares) / len(shares) if shares else 1.0


def add(one: Mapping[str, int], other: Mapping[str, int]) -> Amounts:
    """Of two needs, or two parts of one need."""
    return {name: one.get(name, 0) + other.get(name, 0) for name in {**one, **other}}


def total(members: Iterable[Member]) -> Amounts:
    found: Amounts = {}
    for member in members:
        found = add(found, member.request)
    return found


def shortage(free: Mapping[str, int], request: Mapping[str, int]) -> str:
    """The first resource of which there is too little, "" when all is there."""
    for name, amount in request.items():
        if free.get(name, amount) < amount:
            return name
    return ""
