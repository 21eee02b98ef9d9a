"""``podrun system prune``: remove what nobody needs. Pods, and what they use, stay."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Iterator
from pathlib import Path

import msgspec

from podrun.linux.diskuse import bytes_of
from podrun.linux.trees import remove_tree
from podrun.node.config import Config
from podrun.node.paths import Paths

#: a pod's directory without its record may be a pod that is being accepted, or forgotten, just now
_SETTLED = 600.0


class Pruned(msgspec.Struct, frozen=True):
    """``bytes`` of disk came free; ``lines`` say what went, ``object verb``."""

    lines: tuple[str, ...]
    bytes: int


def prune(config: Config, *, all_unused: bool) -> Pruned:
    """Images without a name that no pod uses (``all_unused``: named ones, too), what pulls have
    left behind, directories of pods that are no more. Raises PodrunError, OSError."""
    from podrun.agent.podstore import PodStore
    from podrun.cli.imageuse import users
    from podrun.image.store import ImageStore

    paths, store = Paths(config), ImageStore.of(config)
    before = _kept(paths)
    removed = store.prune(lambda: users(store, PodStore(paths).list()), all_unused=all_unused)
    lines = [f"image/{name} untagged" for name in removed.untagged]
    lines += [f"image/{image_id} deleted" for image_id in removed.deleted]
    for path in _orphans(paths):
        remove_tree(path)
        lines.append(f"{path} removed")
    return Pruned(tuple(lines), max(before - _kept(paths), 0))


def _kept(paths: Paths) -> int:
    return bytes_of([paths.images, paths.snapshots, paths.pods, paths.log / "pods"])


def _orphans(paths: Paths) -> Iterator[Path]:
    """Logs are listed before pods: a pod's directory is there before those of its logs."""
    logs = _entries(paths.log / "pods")
    pods = {path.name for path in _entries(paths.pods)}
    yield from (path for path in logs if path.name.rpartition("_")[2] not in pods)
    for path in _entries(paths.pods):
        with contextlib.suppress(FileNotFoundError):
            settled = time.time() - path.stat().st_mtime > _SETTLED
            if settled and not (path / "pod.json").exists():
                yield path


def _entries(directory: Path) -> list[Path]:
    with contextlib.suppress(FileNotFoundError):
        return [directory / name for name in sorted(os.listdir(directory))]
    return []
