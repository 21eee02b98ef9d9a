"""What ``podrun schedule`` prints: a table of steps and the outcome, or the comparison."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from podrun.cli.table import table
from podrun.pod.fitting import amount_text
from podrun.schedule.model import Amounts, Node
from podrun.schedule.simulate import Figures
from podrun.schedule.story import End, Fate, Told

_TITLES = {
    "pod": "by pod: a whole pod, or nothing of it",
    "affinity": "by affinity: one container after another, next to the first",
    "hoarding": "hoarding: hold what one has until all is there",
    "optimistic": "optimistic: place at once, roll back on a conflict",
}


def story(told: Told, nodes: Sequence[Node]) -> str:
    """The title, the steps with what is free on each node after them, and how it ended."""
    names = [node.name for node in nodes]
    header = ("TURN", "POD", "CONTAINER", "STEP", "NODE", *(f"FREE {n}" for n in names), "WHY")
    rows = []
    for step, free in zip(told.steps, told.free, strict=True):
        left = [_free(free[name]) for name in names]
        rows.append(
            (str(step.turn), step.gang, step.member or "*", step.did, step.node, *left, step.why)
        )
    ends = "".join(f"{_ending(end)}\n" for end in told.ends)
    return f"# {_TITLES[told.policy]}\n{table(header, rows)}{ends}"


def _free(amounts: Amounts) -> str:
    """``2.5Gi``; with the resource's name unless it is memory: ``cpu:4,3Gi``."""
    texts = [
        amount_text(name, amount) if name == "memory" else f"{name}:{amount_text(name, amount)}"
        for name, amount in amounts.items()
    ]
    return ",".join(texts) or "-"


def _ending(end: End) -> str:
    has = ", ".join(end.members)
    held = _free(end.holds)
    return {
        Fate.RUNS: f"pod/{end.gang} runs on {end.node}",
        Fate.WAITS: f"pod/{end.gang} waits, and holds nothing",
        Fate.STUCK: f"pod/{end.gang} is stuck: {has} hold {held} of {end.node}",
        Fate.DEADLOCKED: f"pod/{end.gang} is deadlocked: it holds {held} of {end.node} ({has})",
    }[end.fate]


def as_object(told: Told) -> dict[str, Any]:
    whole: dict[str, Any] = msgspec.to_builtins(told)
    for step, free in zip(whole["steps"], whole.pop("free"), strict=True):
        step["free"] = free
    return whole


def comparison(figures: Sequence[Figures]) -> str:
    header = (
        "POLICY",
        "PLACED",
        "TURNS",
        "MEAN WAIT",
        "LONGEST",
        "WASTED",
        "CONFLICTS",
        "DEADLOCKS",
    )
    rows = [
        (
            each.policy,
            f"{each.placed}/{each.gangs}",
            str(each.turns),
            f"{each.mean_wait:.1f}",
            str(each.longest_wait),
            f"{each.wasted:.0f}",
            str(each.conflicts),
            str(each.deadlocks),
        )
        for each in figures
    ]
    return table(header, rows) + "# WASTED: GiB held by pods that did not run, times turns\n"
