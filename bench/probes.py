"""How late probes are, what they cost, and how quiet an agent without probes is.

``python -m bench.probes FILE`` is an agent that also writes when each probe was tried: a line with
its handler and how many seconds late it was.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from bench.figures import SLEEPER, Sides, apply_many, pod
from bench.memory import agent_pid
from bench.report import Figure
from tests.node import PROJECT, wait_until

PODS = 100
SETTLE_SECONDS = 10
PROBED_SECONDS = 30
IDLE_SECONDS = 60
LATEST_MS = 200
TICKS = os.sysconf("SC_CLK_TCK")


def late(sides: Sides) -> list[Figure]:
    """100 pods with an exec probe each second and 100 with an HTTP one, all at once."""
    observed = sides.work / "probes"
    with _observing_agent(sides, observed) as pid, _server() as port:
        handlers: dict[str, dict[str, Any]] = {
            "exec": {"command": ["true"]},
            "httpGet": {"port": port},
        }
        pods = [_probed(f"{n}-{h.lower()}", h, handlers[h]) for n in range(PODS) for h in handlers]
        apply_many(sides, pods)
        time.sleep(SETTLE_SECONDS)
        skip, before, begun = observed.stat().st_size, _cpu_seconds(pid), time.monotonic()
        time.sleep(PROBED_SECONDS)
        seconds = time.monotonic() - begun
        busy = {name: after - before[name] for name, after in _cpu_seconds(pid).items()}
        rows = [line.split() for line in observed.read_text()[skip:].splitlines()[1:]]
        sides.node.delete_pods()
    figures = [f for handler in handlers for f in _lateness(handler, rows)]
    for name, spent in busy.items():
        figures.append(Figure(f"200 probes a second, CPU of {name}", "%", spent / seconds * 100))
    return figures


def _probed(name: str, handler: str, action: dict[str, Any]) -> dict[str, Any]:
    made = pod(f"probed-{name}", SLEEPER)
    made["spec"]["hostNetwork"] = True  # the server of all of them is the benchmark's
    probe = {handler: action, "periodSeconds": 1, "timeoutSeconds": 1}
    made["spec"]["containers"][0]["livenessProbe"] = probe
    return made


def _lateness(handler: str, rows: list[list[str]]) -> list[Figure]:
    found = sorted(float(row[1]) * 1000 for row in rows if row[0] == handler)
    assert len(found) > PODS * PROBED_SECONDS * 0.8, f"only {len(found)} {handler} probes"
    half, last = found[len(found) // 2], found[len(found) * 99 // 100]
    name = f"probe each second in {PODS} pods, {handler}, late"
    return [
        Figure(f"{name} (median)", "ms", half, samples=len(found)),
        Figure(f"{name} (99 %)", "ms", last, target=LATEST_MS, samples=len(found)),
    ]


def _cpu_seconds(pid: int) -> dict[str, float]:
    """Of the agent itself, and of its children that have ended: helpers and their commands."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    own, children = int(fields[11]) + int(fields[12]), int(fields[13]) + int(fields[14])
    return {"the agent": own / TICKS, "its probes' commands": children / TICKS}


@contextlib.contextmanager
def _observing_agent(sides: Sides, observed: Path) -> Iterator[int]:
    node = sides.node
    node.kill_agent()
    command = [sys.executable, "-m", "bench.probes", str(observed)]
    with subprocess.Popen(command, env=node.environment, cwd=PROJECT) as agent:
        try:
            wait_until(lambda: node.agent_pid() == agent.pid, what="the observing agent")
            yield agent.pid
        finally:
            agent.terminate()


@contextlib.contextmanager
def _server() -> Iterator[int]:
    """The port of a process that answers every HTTP request alike."""
    with subprocess.Popen(
        [sys.executable, "-m", "bench.probes"],
        cwd=PROJECT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as server:
        assert server.stdin is not None and server.stdout is not None
        try:
            yield int(server.stdout.readline())
        finally:
            server.stdin.close()


def idle(sides: Sides) -> list[Figure]:
    """Voluntary context switches: how often the agent went back to sleep."""
    apply_many(sides, [pod(f"idle-{n}", SLEEPER) for n in range(PODS)])
    pid = agent_pid(sides.node)
    time.sleep(SETTLE_SECONDS)
    before = _switches(pid)
    time.sleep(IDLE_SECONDS)
    count = _switches(pid) - before
    name = f"idle agent, {PODS} pods, wake-ups in {IDLE_SECONDS} s"
    return [Figure(name, "", count, target=IDLE_SECONDS / 10)]


def _switches(pid: int) -> int:
    found = re.search(r"^voluntary_ctxt_switches:\s+(\d+)$", _status(pid), re.MULTILINE)
    assert found is not None
    return int(found[1])


def _status(pid: int) -> str:
    return Path(f"/proc/{pid}/status").read_text()


# ── the processes ────────────────────────────────────────────────────────────────────────────────


def _observe(path: str) -> None:
    """Be an agent that writes how late each probe is."""
    from podrun.agent import main, prober
    from podrun.pod.probes import Due
    from podrun.probe.outcome import Outcome

    original = prober.Prober._outcome
    with open(path, "w", buffering=1) as file:

        async def observed(self: prober.Prober, due: Due) -> Outcome:
            handler = "exec" if due.probe.exec is not None else "httpGet"
            file.write(f"{handler} {time.time() - due.at:.6f}\n")
            return await original(self, due)

        prober.Prober._outcome = observed  # type: ignore[method-assign]
        main.main([])


async def _serve() -> None:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            await reader.readuntil(b"\r\n\r\n")
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
        writer.close()

    server = await asyncio.start_server(answer, "0.0.0.0", 0)
    sys.stdout.write(f"{server.sockets[0].getsockname()[1]}\n")
    sys.stdout.flush()
    ended = asyncio.Event()
    asyncio.get_running_loop().add_reader(sys.stdin, ended.set)
    await ended.wait()


if __name__ == "__main__":
    if len(sys.argv) > 1:
        _observe(sys.argv[1])
    else:
        asyncio.run(_serve())
