"""The pods on disk: written by the agent alone, read by everybody who may.

A reader needs no agent: what the monitors recorded since the agent last wrote is merged in, so an
exit is seen the moment it is on disk.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

import msgspec

from podrun.agent import observe
from podrun.agent.eventfile import read_events
from podrun.api.pod import Pod
from podrun.errors import NotFound
from podrun.linux.trees import remove_tree
from podrun.node.paths import Paths, PodPaths
from podrun.node.records import fsync_directory, fsync_path, read_record, write_record
from podrun.pod.events import Event
from podrun.pod.facts import Facts


class StoredPod(msgspec.Struct):
    pod: Pod
    facts: Facts
    paths: PodPaths

    @property
    def key(self) -> tuple[str, str]:
        """(namespace, name): unique, but for a pod and the one that waits to replace it."""
        return self.pod.metadata.namespace, self.pod.metadata.name

    def events(self) -> list[Event]:
        """Oldest first; those of now-forgotten repeats are counted in ``count``."""
        return read_events(self.paths.events)


class PodStore:
    def __init__(self, paths: Paths) -> None:
        self._paths = paths

    def list(self) -> list[StoredPod]:
        """By namespace and name. Pods that the caller may not read are left out."""
        try:
            uids = os.listdir(self._paths.pods)
        except FileNotFoundError:
            return []
        found = []
        for uid in uids:
            # One record that is damaged must not hide all other pods.
            with contextlib.suppress(PermissionError, msgspec.MsgspecError):
                stored = self.read(uid)
                if stored is not None:
                    found.append(stored)
        return sorted(found, key=lambda stored: (*stored.key, stored.facts.accepted_at))

    def find(self, namespace: str, name: str) -> StoredPod:
        """The pod of that name; not the one that waits to replace it, while there are both."""
        known = [stored for stored in self.list() if stored.key == (namespace, name)]
        if not known:
            raise NotFound(f'pods "{name}" not found', hint="`podrun ps -A` lists all pods")
        return next((stored for stored in known if not stored.facts.replaces), known[0])

    def read(self, uid: str) -> StoredPod | None:
        """None when it is not there, or only half: being made or being removed."""
        root = self._paths.pods / uid
        pod = read_record(root / "pod.json", Pod)
        facts = read_record(root / "facts.json", Facts)
        if pod is None or facts is None:
            return None
        paths = self._paths.pod(uid, pod.metadata.namespace, pod.metadata.name)
        observe.merge(pod, facts, paths)
        return StoredPod(pod, facts, paths)

    # ── the agent's half ────────────────────────────────────────────────────────────────────────

    def create(self, pod: Pod, facts: Facts, owner_gid: int) -> StoredPod:
        """Accept a pod: facts first, so that a pod.json always has them. Durable once ``sync``ed.

        OSError (a full disk): nothing of it stays.
        """
        paths = self._paths.pod(pod.metadata.uid, pod.metadata.namespace, pod.metadata.name)
        stored = StoredPod(pod, facts, paths)
        with ExitStack() as undo:
            for path in (paths.root, paths.logs):
                undo.callback(remove_tree, path)
                path.mkdir(parents=True, exist_ok=True)
                os.chown(path, 0, max(owner_gid, 0))
                os.chmod(path, 0o750)
            self.save_facts(stored, durable=False)
            self.save_pod(stored, durable=False)
            undo.pop_all()
        return stored

    def sync(self, stored: StoredPod) -> None:
        """Let a pod that was created outlive the machine. OSError."""
        for path in (stored.paths.facts, stored.paths.pod):
            fsync_path(path)
        fsync_directory(stored.paths.root)

    def save_pod(self, stored: StoredPod, *, durable: bool = True) -> None:
        data = msgspec.json.encode(stored.pod)
        self._write(stored.paths.pod, data, stored.paths, durable=durable)

    def save_facts(self, stored: StoredPod, *, durable: bool = True) -> None:
        data = msgspec.json.encode(stored.facts)
        self._write(stored.paths.facts, data, stored.paths, durable=durable)

    def save_events(self, stored: StoredPod, events: Sequence[Event]) -> None:
        data = msgspec.json.Encoder().encode_lines(events)
        self._write(stored.paths.events, data, stored.paths, durable=False)

    def _write(self, path: Path, data: bytes, paths: PodPaths, *, durable: bool = True) -> None:
        write_record(path, data, gid=paths.root.stat().st_gid, durable=durable)
