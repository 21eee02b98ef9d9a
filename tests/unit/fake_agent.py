"""Stands in for the agent, for the verbs that ask it."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import msgspec

from podrun.agent import admission, protocol
from podrun.node.config import Config
from podrun.node.endpoint import Endpoint

POD = """\
apiVersion: v1
kind: Pod
metadata: {name: NAME}
spec:
  containers:
  - {name: app, image: busybox}
"""


class FakeAgent:
    """Stands in for the agent's socket: admits manifests as it does, remembers what it was asked.

    ``pods`` are those of the newest request.
    """

    def __init__(self, *, running: bool) -> None:
        self.running = running
        self.requests: list[dict[str, Any]] = []
        self.pods: list[dict[str, Any]] = []
        self.answers: list[dict[str, Any] | Exception] = [{"done": {}}]

    def call(
        self,
        node: Endpoint | Config,
        request: dict[str, Any],
        payload: bytes = b"",
        *,
        before_start: Callable[[], object] | None = None,
    ) -> Iterator[dict[str, Any]]:
        if before_start is not None and not self.running:
            before_start()
        wanted = protocol.decode(json.dumps({"version": 1, **request}).encode())
        assert protocol.payload_size(wanted) == len(payload)
        if isinstance(wanted, protocol.Apply):
            sources = protocol.split(wanted, payload)
            found = admission.admitted(sources, namespace=wanted.namespace, node_name="node1")
            yield from ({"note": note} for note in found.notes)
            self.pods = msgspec.to_builtins(found.pods)
        self.requests.append(request)
        for answer in self.answers:
            if isinstance(answer, Exception):
                raise answer
            yield answer


def pod(name: str) -> str:
    return POD.replace("NAME", name)


def result(name: str, what: str, namespace: str = "default") -> dict[str, Any]:
    return {"object": f"pod/{name}", "namespace": namespace, "result": what}
