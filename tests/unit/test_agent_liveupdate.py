"""A pod's mounted files that cannot be written: told, and tried again when asked."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from podrun.agent import worker
from podrun.agent.liveupdate import LiveUpdate
from podrun.agent.podstore import StoredPod
from podrun.api.admit import admit
from podrun.errors import PodrunError
from podrun.node.config import Config
from podrun.node.paths import Paths
from podrun.pod.events import Event
from podrun.pod.facts import Facts, Sandbox

POD = """
apiVersion: v1
kind: Pod
metadata: {name: web}
spec:
  volumes: [{name: v, configMap: {name: c}}]
  containers: [{name: app, image: x}]
"""


def test_a_disk_too_full_even_for_the_event_ends_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tries: list[object] = []

    async def fails(*work: Any) -> None:
        tries.append(work)
        raise PodrunError("no space left on device", reason="FailedMount")

    def tell(event: Event) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(worker, "run", fails)
    facts = Facts(accepted_at=1.0, sandbox=Sandbox(attempt=0, created_at=1.0))
    paths = Paths(Config(state_root=str(tmp_path))).pod("u", "default", "web")
    stored = StoredPod(admit([(POD, "f.yaml")]).objects[0].pod, facts, paths)

    async def scenario() -> None:
        live = LiveUpdate(None, stored, tell)  # type: ignore[arg-type]  # of no use to it here
        for number in (1, 2):
            live.ask()
            task = live._task
            assert task is not None
            await task
            assert len(tries) == number

    asyncio.run(scenario())
