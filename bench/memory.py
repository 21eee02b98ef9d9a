"""Memory of what stays resident: pause, monitors, the agent."""

from __future__ import annotations

import re
from pathlib import Path

from bench.figures import SLEEPER, Sides, apply_many, pod
from bench.image import LINES_BYTES
from bench.report import Figure
from tests.node import Node, wait_until

TEN = 10
CARRIED = 1_000_000_000


def smaps(pid: int, *fields: str) -> int:
    """The sum of these fields of /proc/PID/smaps_rollup, in kB."""
    text = Path(f"/proc/{pid}/smaps_rollup").read_text()
    values = dict(re.findall(r"^(\w+): +(\d+) kB$", text, re.MULTILINE))
    return sum(int(values[field]) for field in fields)


def uss(pid: int) -> int:
    return smaps(pid, "Private_Clean", "Private_Dirty")


def pids(node: Node, command: str) -> list[int]:
    """The instance's processes of that name."""
    names = [trace.name for trace in node.traces() if trace.kind == "process"]
    return [int(name.partition("@")[0]) for name in names if name.endswith(f" ({command})")]


def agent_pid(node: Node) -> int:
    pid = node.agent_pid()
    assert pid, "the agent is not running"
    return pid


def pause(sides: Sides) -> list[Figure]:
    apply_many(sides, [pod("pause", SLEEPER)])
    (pid,) = pids(sides.node, "pause")
    size = Path(f"/proc/{pid}/exe").stat().st_size
    return [
        Figure("pause, file", "B", size, None, 1024),
        Figure("pause, memory (RSS)", "kB", smaps(pid, "Rss"), None, 16),
    ]


def monitors(sides: Sides) -> list[Figure]:
    """The PSS of each of ten, the largest, after they carried 1 GB together."""
    times = CARRIED // TEN // LINES_BYTES
    script = f"for n in $(seq {times}); do cat /lines; done; {SLEEPER}"
    apply_many(sides, [pod("ten", *[script] * TEN)])
    wait_until(lambda: len(pids(sides.node, "sleep")) == TEN, 300, "the end of the writing")
    found = pids(sides.node, "monitor")
    assert len(found) == TEN
    largest = max(smaps(pid, "Pss") for pid in found)
    return [Figure("monitor, PSS after 1 GB, ten running", "kB", largest, None, 128)]


def agent(sides: Sides) -> list[Figure]:
    pods = [pod(f"memory{n}", SLEEPER) for n in range(400)]
    apply_many(sides, pods[:1])
    resident = smaps(agent_pid(sides.node), "Rss") / 1024
    apply_many(sides, pods[:100])
    small = uss(agent_pid(sides.node))
    apply_many(sides, pods)
    each = (uss(agent_pid(sides.node)) - small) / 300
    return [
        Figure("agent, RSS with 1 pod", "MB", resident, None, 50),
        Figure("agent, USS for each pod, 100 to 400", "kB", each, None, 60),
    ]
