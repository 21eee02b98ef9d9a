"""A crowd of gangs that come, run for a while and go: the four policies on the same workload.

each turn:  what has finished goes ─► who arrives waits ─► the policy's turn ─► figures
"""

from __future__ import annotations

import heapq
import random
from collections.abc import Sequence

import msgspec

from podrun.schedule.hoarding import Hoarding, deadlocked
from podrun.schedule.model import Cluster, Gang, Member, Node, total
from podrun.schedule.policy import Bid, Did, Policy

_GI = 1 << 30
_NAMES = ("main", "a", "b", "c", "d")
_DEADLOCK_EVERY = 8  # turns between two looks for a deadlock


class Arrival(msgspec.Struct, frozen=True):
    gang: Gang
    turn: int
    duration: int  # turns, from when it is complete


class Workload(msgspec.Struct, frozen=True):
    nodes: tuple[Node, ...]
    arrivals: tuple[Arrival, ...]


class Figures(msgspec.Struct, frozen=True):
    """What a policy made of a workload. Memory in GiB; ``used`` and ``idle`` are the shares (0…1)
    of all memory that ran, and that was held by gangs which did not run yet, turn by turn."""

    policy: str
    gangs: int
    placed: int
    turns: int
    mean_wait: float  # turns between arrival and start, of those that started
    longest_wait: int
    wasted: float  # GiB held in vain, times turns
    conflicts: int
    deadlocks: int
    used: tuple[float, ...]
    idle: tuple[float, ...]


def workload(seed: int, gangs: int, nodes: int) -> Workload:
    """The same for the same numbers. Gangs of two to five members that keep the nodes busy."""
    chance = random.Random(seed)
    machines = tuple(
        Node(f"node-{i + 1}", {"cpu": chance.choice((4000, 8000)), "memory": size * _GI})
        for i, size in enumerate(chance.choices((8, 12, 16), k=nodes))
    )
    turn = 0.0
    arrivals = []
    for i in range(gangs):
        turn += chance.expovariate(nodes / _TURNS_PER_NODE)
        arrivals.append(Arrival(_gang(chance, i + 1), int(turn), chance.randint(20, 60)))
    return Workload(machines, tuple(arrivals))


#: chosen so that gangs come a little faster than they go
_TURNS_PER_NODE = 22


def _gang(chance: random.Random, number: int) -> Gang:
    sizes = chance.choices((1, 2, 3, 4), k=chance.randint(2, 5))  # halves of a GiB
    members = tuple(
        Member(_NAMES[i], {"cpu": chance.choice((250, 500, 1000)), "memory": _GI * half // 2})
        for i, half in enumerate(sizes)
    )
    return Gang(f"app-{number}", members, total(members))


def simulate(work: Workload, policy: Policy, *, most_turns: int = 2_000) -> Figures:
    return _Simulation(work, policy).run(most_turns)


class _Simulation:
    def __init__(self, work: Workload, policy: Policy) -> None:
        self._policy = policy
        self._cluster = Cluster(work.nodes)
        self._memory = sum(node.allocatable["memory"] for node in work.nodes)
        self._arrivals = list(reversed(work.arrivals))
        self._gangs = len(work.arrivals)
        self._durations = {a.gang.name: a.duration for a in work.arrivals}
        self._arrived: dict[str, int] = {}
        self._waiting: list[Bid] = []
        self._running: list[tuple[int, str, Bid]] = []  # a heap by the turn in which it ends
        self._waits: list[int] = []
        self._conflicts = self._deadlocks = 0
        self._used: list[float] = []
        self._idle: list[float] = []
        self._wasted = 0

    def run(self, most_turns: int) -> Figures:
        turn = 0
        while turn < most_turns and (self._arrivals or self._waiting or self._running):
            turn += 1
            self._finish(turn)
            self._arrive(turn)
            steps = list(self._policy.turn(self._cluster, self._waiting, turn))
            self._conflicts += sum(step.did is Did.CONFLICT for step in steps)
            self._start(turn)
            if isinstance(self._policy, Hoarding) and turn % _DEADLOCK_EVERY == 0:
                self._break_deadlock()
            self._measure()
            if not (steps or self._arrivals or self._running or self._locked_or_paused(turn)):
                break  # stuck for ever
        return self._figures(turn)

    def _finish(self, turn: int) -> None:
        while self._running and self._running[0][0] <= turn:
            heapq.heappop(self._running)[2].release(self._cluster)

    def _arrive(self, turn: int) -> None:
        while self._arrivals and self._arrivals[-1].turn <= turn:
            gang = self._arrivals.pop().gang
            self._arrived[gang.name] = turn
            self._waiting.append(Bid(gang))

    def _start(self, turn: int) -> None:
        for bid in self._waiting:
            if bid.complete:
                name = bid.gang.name
                self._waits.append(turn - self._arrived[name])
                heapq.heappush(self._running, (turn + self._durations[name], name, bid))
        self._waiting = [bid for bid in self._waiting if not bid.complete]

    def _break_deadlock(self) -> None:
        """An operator would: the youngest has to let go, and starts from nothing."""
        running = [bid for _, _, bid in self._running]
        locked = deadlocked(self._cluster, [*running, *self._waiting])
        if locked:
            self._deadlocks += 1
            locked[-1].release(self._cluster)

    def _locked_or_paused(self, turn: int) -> bool:
        """Something may still happen without anybody's doing."""
        hoards = isinstance(self._policy, Hoarding)
        return hoards or any(bid.paused_until > turn for bid in self._waiting)

    def _measure(self) -> None:
        held = sum(bid.held.get("memory", 0) for bid in self._waiting)
        running = sum(bid.held["memory"] for _, _, bid in self._running)
        self._wasted += held
        self._idle.append(held / self._memory)
        self._used.append(running / self._memory)

    def _figures(self, turns: int) -> Figures:
        return Figures(
            policy=self._policy.name,
            gangs=self._gangs,
            placed=len(self._waits),
            turns=turns,
            mean_wait=sum(self._waits) / len(self._waits) if self._waits else 0.0,
            longest_wait=max(self._waits, default=0),
            wasted=self._wasted / _GI,
            conflicts=self._conflicts,
            deadlocks=self._deadlocks,
            used=tuple(self._used),
            idle=tuple(self._idle),
        )


def compare(work: Workload, policies: Sequence[Policy]) -> list[Figures]:
    return [simulate(work, policy) for policy in policies]
