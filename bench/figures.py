"""Times: the same thing done by both, alternating, in one run; medians are compared."""

from __future__ import annotations

import json
import statistics
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec

from bench.image import LINES_BYTES, NAME
from bench.peer import Podman, timed
from bench.report import Figure
from podrun.agent.client import call
from tests.node import Node

LOG_BYTES = 1_000_000_000


class Sides(msgspec.Struct):
    node: Node
    podman: Podman
    work: Path
    rounds: int

    def manifest(self, pod: dict[str, Any]) -> Path:
        path = self.work / f"{pod['metadata']['name']}.json"
        path.write_text(json.dumps(pod))
        return path


def pod(name: str, *scripts: str) -> dict[str, Any]:
    """A pod with a container for each shell script."""
    containers = [
        {"name": f"c{n}", "image": NAME, "command": ["/bin/sh", "-c", script]}
        for n, script in enumerate(scripts)
    ]
    spec = {"restartPolicy": "Never", "terminationGracePeriodSeconds": 0, "containers": containers}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name}, "spec": spec}


SLEEPER = "exec /bin/sleep 100000"


def milliseconds(times: list[float]) -> float:
    return statistics.median(times) * 1000


def apply_beside_kube_play(sides: Sides) -> list[Figure]:
    """A pod of two containers, from the command to both running; the first round warms up."""
    node, podman = sides.node, sides.podman
    manifest = sides.manifest(pod("two", SLEEPER, SLEEPER))
    ours, theirs = [], []
    for _ in range(sides.rounds + 1):
        ours.append(timed(lambda: node.podrun("apply", "-f", manifest)))
        node.podrun("delete", "two", "--force")
        theirs.append(timed(lambda: podman.run("kube", "play", str(manifest))))
        podman.run("kube", "down", str(manifest))
    peer = milliseconds(theirs[1:]) - podman.overhead() * 1000
    name = "apply, two containers, agent up"
    return [Figure(name, "ms", milliseconds(ours[1:]), peer, 0.35, sides.rounds)]


def cold_apply(sides: Sides) -> list[Figure]:
    """The same with no agent running: the command starts it."""
    manifest = sides.manifest(pod("cold", SLEEPER, SLEEPER))
    times = []
    for _ in range(max(3, sides.rounds // 2)):
        sides.node.kill_agent()
        times.append(timed(lambda: sides.node.podrun("apply", "-f", manifest)))
        sides.node.podrun("delete", "cold", "--force")
    return [Figure("apply, two containers, no agent", "ms", milliseconds(times))]


def inside_the_agent(sides: Sides) -> list[Figure]:
    """From the request on its socket to both containers running, without any command line."""
    node = sides.node
    manifest = sides.manifest(pod("inside", SLEEPER, SLEEPER)).read_bytes()
    source = {"name": "inside", "size": len(manifest)}
    request = {"verb": "apply", "sources": [source], "wait": "started"}
    times = []
    for _ in range(sides.rounds + 1):
        times.append(timed(lambda: list(call(node.config, request, manifest))))
        node.podrun("delete", "inside", "--force")
    return [Figure("apply, inside the agent", "ms", milliseconds(times[1:]), None, 50)]


def ps_of_many(sides: Sides) -> list[Figure]:
    figures = []
    many = [pod(f"ps{n}", SLEEPER) for n in range(100)]
    for pods in (many[:1], many):
        apply_many(sides, pods)
        times = [timed(lambda: sides.node.podrun("ps")) for _ in range(sides.rounds)]
        figures.append(Figure(f"ps, {len(pods)} pods", "ms", milliseconds(times), None, 90))
    return figures


def apply_many(sides: Sides, pods: list[dict[str, Any]]) -> None:
    manifest = sides.work / "many.json"
    manifest.write_text(json.dumps({"apiVersion": "v1", "kind": "List", "items": pods}))
    sides.node.podrun("apply", "-f", manifest, timeout=600)


def log_throughput(sides: Sides) -> list[Figure]:
    """A container that writes 1 GB of 100-byte lines: from the command to its end."""
    script = f"for n in $(seq {LOG_BYTES // LINES_BYTES}); do cat /lines; done"
    manifest = sides.manifest(pod("log", script))
    node, podman = sides.node, sides.podman

    def ours() -> None:
        node.podrun("apply", "-f", manifest, "--no-wait")
        node.podrun("wait", "log", "--for=phase=Succeeded", timeout=600)

    def theirs() -> None:
        podman.run("kube", "play", str(manifest))
        podman.run("wait", "log-c0")

    def pair(clean: Callable[[], object], action: Callable[[], None]) -> float:
        seconds = timed(action)
        clean()
        return seconds

    times = [
        (
            pair(lambda: node.podrun("delete", "log", "--force"), ours),
            pair(lambda: podman.run("kube", "down", str(manifest)), theirs),
        )
        for _ in range(3)
    ]
    mine, peer = (statistics.median(column) for column in zip(*times, strict=True))
    return [Figure("log, 1 GB of 100-byte lines", "s", mine, peer, 1.0, len(times))]
