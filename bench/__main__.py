"""usage: python -m bench [--json] [--only NAME]... [--rounds N] [--podrun PATH]

(as root; `make bench` does it with a podrun installed as users install it)

Measures podrun beside podman on this machine, in one run, alternating, with the same image and the
same manifest, and compares with the targets. Both live in worlds of their own (``bench.peer``,
``tests.node``): nothing of this machine's own podman or podrun is touched, and nothing stays.
"""

from __future__ import annotations

import argparse
import compileall
import contextlib
import os
import sys
import tempfile
from pathlib import Path

import msgspec

from bench import figures, memory, probes, pull
from bench.image import NAME, bench_tar
from bench.peer import Podman
from bench.report import Figure, table
from tests.node import Node

WIDE_CIDR = ("10.247.0.0/20", "fd24:7247::/64")  # room for 400 pods

MEASURES = {
    "apply": figures.apply_beside_kube_play,
    "cold": figures.cold_apply,
    "agent": figures.inside_the_agent,
    "ps": figures.ps_of_many,
    "pause": memory.pause,
    "monitor": memory.monitors,
    "memory": memory.agent,
    "probes": probes.late,
    "idle": probes.idle,
    "log": figures.log_throughput,
    "pull": pull.pull,
}


def main() -> int:
    parser = argparse.ArgumentParser(prog="make bench")
    parser.add_argument("--json", action="store_true", help="figures as JSON on standard output")
    parser.add_argument("--only", action="append", choices=MEASURES, help="just this measure")
    parser.add_argument("--rounds", type=int, default=10, help="of alternating measures (10)")
    parser.add_argument("--podrun", help="the command to measure; else this checkout's")
    options = parser.parse_args()
    found: list[Figure] = []
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    compileall.compile_dir("podrun", quiet=2)  # as pip does when it installs
    with contextlib.ExitStack() as stack:
        work = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="podrun-bench-")))
        node = Node(pod_cidrs=WIDE_CIDR, agent_idle_seconds=60.0)
        if options.podrun:
            node.program = [str(Path(options.podrun).absolute())]
        stack.callback(node.close)
        podman = Podman(work / "podman")
        stack.callback(podman.close)
        tar = bench_tar(work)
        node.podrun("image", "import", tar, NAME)
        podman.run("import", str(tar), NAME)
        for name in options.only or MEASURES:
            sys.stderr.write(f"bench: {name}\n")
            found += MEASURES[name](figures.Sides(node, podman, work, options.rounds))
            node.delete_pods()
    if options.json:
        wide = [{**msgspec.to_builtins(f), "ratio": f.ratio, "reached": f.reached} for f in found]
        sys.stdout.write(msgspec.json.encode(wide).decode() + "\n")
    else:
        sys.stdout.write(table(found))
    return 0 if all(figure.reached is not False for figure in found) else 1


if __name__ == "__main__":
    sys.exit(main())
