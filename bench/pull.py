"""Pulling: 200 MB of gzip layers from a registry on loopback to a root file system to be mounted.

Both sides pull the same image from the same program serving the same files, alternating; podman's
registry listens in podman's network namespace. The layers are this machine's own files, so their
number, their sizes and what compression finds in them are a distribution's.
"""

from __future__ import annotations

import contextlib
import glob
import hashlib
import json
import os
import statistics
import subprocess
import tarfile
import time
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, BinaryIO, cast

from bench.figures import Sides
from bench.memory import smaps
from bench.peer import Podman, timed
from bench.report import Figure
from tests.node import Node
from tests.registry import Registry, run

LAYERS = 5
LAYER_BYTES = 40_000_000  # compressed: 200 MB altogether
#: Many small files, then libraries and programs, then what there is: about what images have.
_SOURCES = (
    "/usr/lib/python3*",
    "/usr/share/doc",
    "/usr/share/perl",
    "/usr/bin",
    "/usr/lib/*-linux-gnu",
    "/usr/share",
)
_FILE_MAX = 20_000_000
_PATIENCE = 600.0  # seconds: the disk may be busy with what others write
_NAME, _SECOND, _TAG = "bench/big:1", "bench/second:1", "one"


class _PodmansRegistry(Registry):
    """The same files once more, inside podman's network namespace."""

    def __init__(self, directory: Path, podman: Podman, files: Path) -> None:
        super().__init__(directory)
        self._podman = podman
        settings = json.loads(self._config.read_text())
        settings["storage"]["filesystem"]["rootdirectory"] = str(files)
        self._config.write_text(json.dumps(settings))

    def command(self) -> list[str | Path]:
        return [*self._podman.entering(*map(str, super().command()))]


def pull(sides: Sides) -> list[Figure]:
    """Every round has stores of its own, which go at the end: ext4 does not use an inode again for
    half a minute, and takes ten times as long to make a file while it looks past thousands of them.
    """
    podman, work = sides.podman, sides.work / "pull"
    with contextlib.ExitStack() as stack:
        ours = stack.enter_context(Registry(work / "registry"))
        shape = _push(ours, work / "layout")
        theirs = stack.enter_context(
            _PodmansRegistry(work / "peer", podman, ours.directory / "data")
        )
        nodes = [Node() for _ in range(max(3, sides.rounds // 2) + 1)]
        for node in nodes:
            stack.callback(node.close)
        times = [_round(node, podman, ours, theirs) for node in nodes]
        fresh = Node()
        stack.callback(fresh.close)
        peak = _peak(fresh, f"{ours.host}/{_NAME}")
    whole, second, whole_peer, second_peer = (
        statistics.median(column) for column in zip(*times[1:], strict=True)
    )
    samples = len(times) - 1
    return [
        Figure(f"pull, {shape}", "s", whole, whole_peer, 0.5, samples),
        Figure("pull of another that shares four layers", "s", second, second_peer, 1.0, samples),
        Figure("pull, memory of all its processes (PSS, peak)", "MB", peak, None, 100),
    ]


def _round(
    node: Node, podman: Podman, ours: Registry, theirs: Registry
) -> tuple[float, float, float, float]:
    """Seconds: we and podman for the first image, then for the one that shares its layers."""

    def mine(name: str) -> float:
        command = ("image", "pull", "--quiet", f"{ours.host}/{name}")
        return _settled(lambda: node.podrun(*command, timeout=_PATIENCE))

    def peers(name: str) -> float:
        command = ("pull", "--quiet", "--tls-verify=false", f"{theirs.host}/{name}")
        return _settled(lambda: podman.run("--root", f"{podman.root}/{node.mark}", *command))

    first, second, enter = mine(_NAME), mine(_SECOND), podman.overhead()
    return first, second, peers(_NAME) - enter, peers(_SECOND) - enter


def _settled(action: Callable[[], object]) -> float:
    """Seconds it takes when nothing that others have written waits for the disk: we see to it that
    all is there before an image has its name, and would wait for that, too."""
    os.sync()
    return timed(action)


def _peak(node: Node, name: str) -> float:
    """The largest sum of what the command and its children have in memory, in MB; looked at often,
    so this run is not timed."""
    peak = 0
    command = node.popen("image", "pull", "--quiet", name, stdout=subprocess.DEVNULL)
    while command.poll() is None:
        peak = max(peak, sum(_pss(pid) for pid in (command.pid, *_children(command.pid))))
        time.sleep(0.02)
    assert command.returncode == 0
    return peak / 1024


def _pss(pid: int) -> int:
    try:
        return smaps(pid, "Pss")
    except (OSError, KeyError):  # it has just ended
        return 0


def _children(pid: int) -> list[int]:
    try:
        return [int(c) for c in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except OSError:
        return []


# The images ──────────────────────────────────────────────────────────────────────────────────────


def _push(registry: Registry, layout: Path) -> str:
    """Two images that share all layers but the last; says what the first one is like."""
    (layout / "blobs/sha256").mkdir(parents=True)
    files = _files()
    layers = [_layer(layout, files) for _ in range(LAYERS + 1)]
    for name, chosen in ((_NAME, layers[:-1]), (_SECOND, [*layers[:-2], layers[-1]])):
        _image(layout, chosen)
        registry.push(layout, name, _TAG)
    first = layers[:LAYERS]
    packed, unpacked = (sum(layer[key] for layer in first) / 1e6 for key in ("size", "unpacked"))
    entries = sum(layer["entries"] for layer in first)
    return f"{packed:.0f} MB ({unpacked:.0f} MB unpacked), {LAYERS} layers, {entries} entries"


def _files() -> Iterator[str]:
    """Every directory and file below the sources, and from the beginning again."""
    while True:
        for source in (found for pattern in _SOURCES for found in sorted(glob.glob(pattern))):
            for directory, below, names in os.walk(source):
                below.sort()
                yield directory
                for name in sorted(names):
                    yield os.path.join(directory, name)


class _Gzip:
    """A file that compresses as `gzip -6` does, and knows both digests."""

    def __init__(self, target: BinaryIO) -> None:
        self._target = target
        self._deflate = zlib.compressobj(6, wbits=31)
        self.size = self.unpacked = 0
        self.digest, self.diff_id = hashlib.sha256(), hashlib.sha256()

    def write(self, data: bytes) -> int:
        self.diff_id.update(data)
        self.unpacked += len(data)
        self._put(self._deflate.compress(data))
        return len(data)

    def finish(self) -> None:
        self._put(self._deflate.flush())

    def _put(self, data: bytes) -> None:
        self.digest.update(data)
        self.size += len(data)
        self._target.write(data)


def _layer(layout: Path, files: Iterator[str]) -> dict[str, Any]:
    path, entries = layout / "layer", 0
    with path.open("wb") as target:
        out = _Gzip(target)
        with tarfile.open(None, "w|", cast("Any", out), format=tarfile.PAX_FORMAT) as tar:
            listed: set[str] = set()
            while out.size < LAYER_BYTES:
                entries += _add(tar, next(files), listed)
        out.finish()
    digest = out.digest.hexdigest()
    path.rename(layout / "blobs/sha256" / digest)
    return {
        "digest": f"sha256:{digest}",
        "diff_id": f"sha256:{out.diff_id.hexdigest()}",
        "size": out.size,
        "unpacked": out.unpacked,
        "entries": entries,
    }


def _add(tar: tarfile.TarFile, name: str, listed: set[str]) -> int:
    """Add it below the directories it is in, as those who build images do; how many entries."""
    if os.lstat(name).st_size > _FILE_MAX:
        return 0
    missing = [parent for parent in _parents(name) if parent not in listed]
    if name in listed:
        return 0
    for one in (*missing, name):
        tar.add(one, recursive=False)
        listed.add(one)
    return len(missing) + 1


def _parents(name: str) -> list[str]:
    """/usr and /usr/lib of /usr/lib/x."""
    parts = name.split("/")
    return ["/".join(parts[:count]) for count in range(2, len(parts))]


def _image(layout: Path, layers: list[dict[str, Any]]) -> None:
    kind = "application/vnd.oci.image"
    config = {
        "architecture": run("dpkg", "--print-architecture").strip(),
        "os": "linux",
        "config": {"Cmd": ["/bin/sh"]},
        "rootfs": {"type": "layers", "diff_ids": [layer["diff_id"] for layer in layers]},
    }
    manifest = {
        "schemaVersion": 2,
        "mediaType": f"{kind}.manifest.v1+json",
        "config": _document(layout, config, f"{kind}.config.v1+json"),
        "layers": [
            {
                "mediaType": f"{kind}.layer.v1.tar+gzip",
                "digest": layer["digest"],
                "size": layer["size"],
            }
            for layer in layers
        ],
    }
    entry = _document(layout, manifest, f"{kind}.manifest.v1+json")
    entry["annotations"] = {"org.opencontainers.image.ref.name": _TAG}
    (layout / "oci-layout").write_text('{"imageLayoutVersion": "1.0.0"}')
    (layout / "index.json").write_text(json.dumps({"schemaVersion": 2, "manifests": [entry]}))


def _document(layout: Path, value: dict[str, Any], media_type: str) -> dict[str, Any]:
    data = json.dumps(value).encode()
    digest = hashlib.sha256(data).hexdigest()
    (layout / "blobs/sha256" / digest).write_bytes(data)
    return {"mediaType": media_type, "digest": f"sha256:{digest}", "size": len(data)}
