"""The objects on disk that are no pods: written by the agent alone, read by everybody who may.

    state/objects/<plural>/<hash of namespace and name>.json

A Secret is root's alone; what else there is may be read by the group of who applied it.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from pathlib import Path

import msgspec

from podrun.api.kinds import SECRET, Kind
from podrun.api.objects import HANDLING, AnyObject, kind_of
from podrun.errors import NotFound
from podrun.node.paths import Paths
from podrun.node.records import fsync_directory, fsync_path, read_record, write_record


class ObjectStore:
    def __init__(self, paths: Paths) -> None:
        self._root = paths.objects

    def read(self, kind: Kind, namespace: str, name: str) -> AnyObject | None:
        """None when there is none. PermissionError for who may not read it."""
        found: AnyObject | None = read_record(
            self._path(kind, namespace, name), HANDLING[kind.name].type
        )
        return found

    def version(self, kind: Kind, namespace: str, name: str) -> str:
        """Another one after each change; "" where there is no such object. Reads nothing of it."""
        try:
            found = self._path(kind, namespace, name).stat()
        except FileNotFoundError:
            return ""
        return f"{found.st_ino}.{found.st_mtime_ns}"

    def find(self, kind: Kind, namespace: str, name: str) -> AnyObject:
        """Raises NotFound."""
        found = self.read(kind, namespace, name)
        if found is None:
            hint = f"`podrun get {kind.plural} -A` lists all"
            raise NotFound(f'{kind.plural} "{name}" not found', hint=hint)
        return found

    def list(self, kind: Kind, namespace: str = "") -> list[AnyObject]:
        """Of one namespace or, with "", of all; by namespace and name. Those that the caller may
        not read are left out."""
        found = [each for each in self._all(kind) if namespace in ("", each.metadata.namespace)]
        return sorted(found, key=lambda each: (each.metadata.namespace, each.metadata.name))

    def _all(self, kind: Kind) -> Iterator[AnyObject]:
        try:
            names = os.listdir(self._root / kind.plural)
        except (FileNotFoundError, PermissionError):
            return
        for name in names:
            if not name.startswith("."):
                # One record that is damaged must not hide all others.
                with contextlib.suppress(PermissionError, msgspec.MsgspecError):
                    found = read_record(self._root / kind.plural / name, HANDLING[kind.name].type)
                    if found is not None:
                        yield found

    # ── the agent's half ────────────────────────────────────────────────────────────────────────

    def write(self, thing: AnyObject, owner_gid: int = 0) -> None:
        """Durable on return; its group stays that of who applied it first. OSError."""
        self.write_all((thing,), owner_gid)

    def write_all(self, things: Iterable[AnyObject], owner_gid: int = 0) -> None:
        """As ``write``. OSError: none of them is written, as long as the agent lives."""
        with ExitStack() as undo:
            paths = [self._stage(thing, owner_gid, undo) for thing in things]
            for path in paths:  # of many the first takes the time: the others were on their way
                fsync_path(_staged(path))
            for path in paths:
                os.rename(_staged(path), path)
            for directory in {path.parent for path in paths}:
                fsync_directory(directory)
            undo.pop_all()

    def _stage(self, thing: AnyObject, owner_gid: int, undo: ExitStack) -> Path:
        """The path at which it will be."""
        kind = kind_of(thing)
        path = self._path(kind, thing.metadata.namespace, thing.metadata.name)
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o755)
        mode = 0o600 if kind is SECRET else 0o640
        with contextlib.suppress(FileNotFoundError):
            owner_gid = path.stat().st_gid
        undo.callback(_staged(path).unlink, missing_ok=True)
        data = msgspec.json.encode(thing)
        write_record(_staged(path), data, mode=mode, gid=max(owner_gid, 0), durable=False)
        return path

    def owner_gid(self, kind: Kind, namespace: str, name: str) -> int:
        """The group of who applied it first; 0 when there is no such object."""
        with contextlib.suppress(FileNotFoundError):
            return self._path(kind, namespace, name).stat().st_gid
        return 0

    def remove(self, kind: Kind, namespace: str, name: str) -> bool:
        """Whether it was there. Idempotent; durable on return. OSError."""
        path = self._path(kind, namespace, name)
        try:
            path.unlink()
        except FileNotFoundError:
            return False
        fsync_directory(path.parent)
        return True

    def sweep(self) -> None:
        """Remove what a killed agent had half-written: it may be of a Secret. OSError."""
        for path in self._root.glob("*/.*"):
            path.unlink(missing_ok=True)

    def _path(self, kind: Kind, namespace: str, name: str) -> Path:
        """Names of objects may be as long as a file's, without room for an ending."""
        digest = hashlib.sha256(f"{namespace}/{name}".encode()).hexdigest()[:40]
        return self._root / kind.plural / f"{digest}.json"


def _staged(path: Path) -> Path:
    return path.with_name(f".{path.name}")
