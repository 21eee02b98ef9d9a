"""Command lines run in this process, against records written to a directory: no agent, no root."""

from __future__ import annotations

import fcntl
import io
import os
import sys
import time
import weakref
from pathlib import Path
from typing import NamedTuple

import msgspec
import pytest

from podrun.agent.podstore import StoredPod
from podrun.api.change import spec_hash
from podrun.api.defaults import with_defaults
from podrun.api.pod import Container, ObjectMeta, Pod, PodSpec
from podrun.cli.main import entry
from podrun.node.config import Config
from podrun.node.paths import Paths
from podrun.node.records import write_record
from podrun.pod.events import Event
from podrun.pod.facts import ContainerFacts, Exit, Facts, Run, Sandbox
from podrun.pod.when import rfc3339


class Done(NamedTuple):
    code: int
    out: str
    err: str


class Cli:
    def __init__(
        self,
        root: Path,
        monkeypatch: pytest.MonkeyPatch,
        capsys: pytest.CaptureFixture[str],
    ) -> None:
        self.config = Config(
            state_root=str(root / "state"), run_root=str(root / "run"), log_root=str(root / "log"),
            node_name="node1",
        )  # fmt: skip
        self.paths = Paths(self.config)
        self.config_file = root / "config.json"
        self.config_file.write_bytes(msgspec.json.encode(self.config))
        self._monkeypatch = monkeypatch
        self._capsys = capsys
        monkeypatch.setenv("PODRUN_CONFIG", str(self.config_file))
        monkeypatch.setenv("NO_COLOR", "1")
        self._pretend_an_agent()

    def _pretend_an_agent(self) -> None:
        """Hold its lock, so that no reader starts a real one."""
        self.paths.run.mkdir(parents=True)
        lock = os.open(self.paths.agent_lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC)
        self._let_go = weakref.finalize(self, os.close, lock)
        fcntl.flock(lock, fcntl.LOCK_EX)

    def without_agent(self) -> None:
        self._let_go()

    def __call__(self, *args: str | Path, stdin: str = "") -> Done:
        self._capsys.readouterr()
        text = io.TextIOWrapper(io.BytesIO(stdin.encode()))
        self._monkeypatch.setattr(sys, "stdin", text)
        code = entry([str(arg) for arg in args])
        out, err = self._capsys.readouterr()
        return Done(code, out, err)

    def pod(
        self,
        name: str,
        *containers: str,
        init: tuple[str, ...] = (),
        namespace: str = "default",
        labels: dict[str, str] | None = None,
        running: bool = True,
        policy: str = "Always",
        replaces: str = "",
    ) -> StoredPod:
        """A pod on disk, ten minutes old; its init containers succeeded, the others run."""
        now = time.time() - 600
        uid = f"uid-{namespace}-{name}" + ("-new" if replaces else "")
        pod = with_defaults(
            Pod(
                metadata=ObjectMeta(
                    name=name, namespace=namespace, uid=uid, labels=labels or {},
                    creation_timestamp=rfc3339(now),
                ),
                spec=PodSpec(
                    init_containers=tuple(Container(name=each, image="busybox:1") for each in init),
                    containers=tuple(
                        Container(name=each, image="busybox:1") for each in containers or ("app",)
                    ),
                    restart_policy=policy,
                ),
            )
        )  # fmt: skip
        facts = Facts(accepted_at=now, replaces=replaces)
        if running and not replaces:
            facts.sandbox = Sandbox(0, now, ips=("10.85.0.7", "fd85::7"))
            for each in pod.spec.all_containers:
                facts.containers[each.name] = ContainerFacts(current=self.run(each, now))
            for each in pod.spec.init_containers:
                self.ends(facts, each.name, 0, at=now)
        stored = StoredPod(pod, facts, self.paths.pod(uid, namespace, name))
        self.save(stored)
        return stored

    def run(self, container: Container, now: float, attempt: int = 0) -> Run:
        return Run(
            id=f"{container.name}-{attempt}",
            attempt=attempt,
            image=container.image,
            image_id="sha256:0",
            spec_hash=spec_hash(container),
            sandbox_attempt=0,
            created_at=now,
            started_at=now,
        )

    def ends(self, facts: Facts, name: str, code: int, *, at: float) -> None:
        run = facts.of(name).current
        assert run is not None
        run.exit = Exit(code, at)

    def save(self, stored: StoredPod, events: tuple[Event, ...] = ()) -> None:
        stored.paths.root.mkdir(parents=True, exist_ok=True)
        for container in stored.pod.spec.all_containers:
            stored.paths.attempt(container.name, 0).mkdir(parents=True, exist_ok=True)
        write_record(
            stored.paths.facts, msgspec.json.encode(stored.facts), mode=0o644, durable=False
        )
        write_record(stored.paths.pod, msgspec.json.encode(stored.pod), mode=0o644, durable=False)
        if events:
            lines = msgspec.json.Encoder().encode_lines(events)
            write_record(stored.paths.events, lines, mode=0o644, durable=False)


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True

    @classmethod
    def instead_of_stderr(cls, monkeypatch: pytest.MonkeyPatch, columns: int) -> Terminal:
        terminal = cls()
        monkeypatch.setattr("sys.stderr", terminal)
        monkeypatch.setenv("TERM", "xterm")
        monkeypatch.setenv("COLUMNS", str(columns))
        return terminal
