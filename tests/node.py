"""A podrun of a test's own: own roots, bridge, table, cgroups, addresses; driven by its commands.

Everything an instance makes carries its mark (``prt`` and eight hex digits) in its name, path,
environment or cgroup, so that ``tests.leaks`` can tell what is left of it from what is others'.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import secrets
import shutil
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from podrun.agent.objectstore import ObjectStore
from podrun.api.kinds import DAEMON_SET, DEPLOYMENT, JOB
from podrun.node.config import Config
from podrun.node.paths import Paths
from tests import leaks

T = TypeVar("T")
PROJECT = Path(__file__).resolve().parent.parent
# Time limits say when something hangs; on an emulated machine they are longer.
PATIENCE = float(os.environ.get("PODRUN_TEST_PATIENCE", "1"))

#: a request to the agent, which is started if there is none
_ASK = (
    "import json, sys; from podrun.agent.client import call; from podrun.node import config; "
    "[print(json.dumps(each)) for each in call(config.load(), json.loads(sys.argv[1]))]"
)


def wait_until(look: Callable[[], T | None], timeout: float = 20.0, what: str = "") -> T:
    """The first truthy value of ``look``. AssertionError when there is none in ``timeout`` s."""
    deadline = time.monotonic() + timeout * PATIENCE
    pause = 0.01
    while not (value := look()):
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {timeout:g} s: {what or look}; last seen: {value!r}")
        time.sleep(pause)
        pause = min(pause * 1.5, 0.25)
    return value


def pod_text(name: str, spec: str, *, grace: int = 0, policy: str = "Always") -> str:
    """A v1 Pod; ``spec`` has the lines of the rest of its spec, indented by two."""
    return f"""
apiVersion: v1
kind: Pod
metadata: {{name: {name}}}
spec:
  restartPolicy: {policy}
  terminationGracePeriodSeconds: {grace}
{spec.strip(chr(10))}
"""


@contextlib.contextmanager
def memory_held(*, changes: bool = False) -> Iterator[None]:
    """Whoever counts on the machine's amount of memory for pods holds it with the others who do;
    whoever changes it, by huge pages, holds it alone: other tests may run at the same time."""
    with open(Path(tempfile.gettempdir(), "podrun-test-memory.lock"), "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX if changes else fcntl.LOCK_SH)
        yield


class Node:
    """One instance; nothing of it runs until the first command that needs an agent."""

    def __init__(self, **settings: Any) -> None:
        self.mark = f"prt{secrets.token_hex(4)}"
        self.root = Path(tempfile.gettempdir(), self.mark)  # short: a socket's path has 108 bytes
        self.root.mkdir(mode=0o755)
        self.config = Config(**{**self._defaults(), **settings})
        self.paths = Paths(self.config)
        self.config_file = self.root / "config.json"
        self.config_file.write_bytes(msgspec.json.encode(self.config))
        self.program = [sys.executable, "-m", "podrun"]

    def _defaults(self) -> dict[str, Any]:
        net = secrets.randbelow(122) + 128
        v6 = ":".join(secrets.token_hex(2) for _ in range(3))
        return {
            "state_root": str(self.root / "state"),
            "run_root": str(self.root / "run"),
            "log_root": str(self.root / "log"),
            "cgroup_root": self.mark,
            "bridge": self.mark,
            "nft_table": self.mark,
            "pod_cidrs": (f"10.{net}.{secrets.randbelow(256)}.0/24", f"fd{v6[2:]}::/64"),
            "agent_idle_seconds": 5.0,
        }

    @property
    def environment(self) -> dict[str, str]:
        return {**os.environ, "PODRUN_CONFIG": str(self.config_file), "NO_COLOR": "1"}

    # ── commands ─────────────────────────────────────────────────────────────────────────────────

    def command(self, *args: str | Path) -> list[str]:
        return [*self.program, *map(str, args)]

    def podrun(
        self, *args: str | Path, check: bool = True, input: str | None = None, timeout: float = 60.0
    ) -> subprocess.CompletedProcess[str]:
        """Run one command to its end. With ``check`` an exit code other than 0 fails the test."""
        try:
            done = subprocess.run(
                self.command(*args),
                env=self.environment,
                cwd=PROJECT,
                input="" if input is None else input,
                timeout=timeout * PATIENCE,
                capture_output=True,
                text=True,
                check=False,
            )
        except subprocess.TimeoutExpired as error:
            raise AssertionError(f"{error}: {error.stderr!r}\n{self._agent_log()}") from None
        if check and done.returncode != 0:
            raise AssertionError(f"podrun {' '.join(map(str, args))}: {self._account(done)}")
        return done

    def popen(self, *args: str | Path, **kwargs: Any) -> subprocess.Popen[bytes]:
        """Start a command that runs on (``logs -f``, ``exec -it``); the caller ends it."""
        return subprocess.Popen(self.command(*args), env=self.environment, cwd=PROJECT, **kwargs)

    def apply_text(
        self, manifest: str, *flags: str, check: bool = True, timeout: float = 60.0
    ) -> subprocess.CompletedProcess[str]:
        return self.podrun("apply", "-f", "-", *flags, input=manifest, check=check, timeout=timeout)

    def json(self, *args: str | Path) -> Any:
        return json.loads(self.podrun(*args).stdout)

    def pod(self, name: str, namespace: str = "default") -> dict[str, Any]:
        """The v1 Pod as ``podrun get`` gives it; {} when there is none of that name."""
        done = self.podrun("get", "pods", name, "-n", namespace, "-o", "json", check=False)
        found: dict[str, Any] = json.loads(done.stdout) if done.returncode == 0 else {}
        items = found.get("items")
        return found if items is None else (items[0] if items else {})

    def status(self, name: str, namespace: str = "default") -> dict[str, Any]:
        status: dict[str, Any] = self.pod(name, namespace).get("status", {})
        return status

    def wait_until(self, look: Callable[[], T | None], timeout: float = 20.0, what: str = "") -> T:
        try:
            return wait_until(look, timeout, what)
        except AssertionError as error:
            raise AssertionError(f"{error}\n{self._agent_log()}") from None

    def _account(self, done: subprocess.CompletedProcess[str]) -> str:
        return f"exit {done.returncode}\n{done.stdout}{done.stderr}{self._agent_log()}"

    def _agent_log(self, lines: int = 30) -> str:
        with contextlib.suppress(OSError):
            text = self.paths.agent_log.read_text(errors="replace").splitlines()
            return "\n".join(["── the agent's log ──", *text[-lines:]])
        return ""

    def ask(self, request: dict[str, Any]) -> list[dict[str, Any]]:
        """What the agent says to ``request``; it is started if there is none."""
        command = [sys.executable, "-c", _ASK, json.dumps(request)]
        done = subprocess.run(
            command,
            env=self.environment,
            cwd=PROJECT,
            capture_output=True,
            text=True,
            timeout=90 * PATIENCE,
            check=False,
        )
        assert done.returncode == 0, self._account(done)
        return [json.loads(line) for line in done.stdout.splitlines()]

    # ── the agent ────────────────────────────────────────────────────────────────────────────────

    def agent_pid(self) -> int | None:
        """The process that listens on the agent's socket, or None when nobody does."""
        with socket.socket(socket.AF_UNIX) as client:
            try:
                client.connect(str(self.paths.socket))
            except (FileNotFoundError, ConnectionRefusedError):
                return None
            credentials = client.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12)
        pid: int = struct.unpack("iii", credentials)[0]
        return pid

    def kill_agent(self, sig: signal.Signals = signal.SIGKILL) -> None:
        """End the agent, if there is one, and wait until it is gone."""
        pid = self.agent_pid()
        if pid is None:
            return
        handle = os.pidfd_open(pid)
        try:
            with contextlib.suppress(ProcessLookupError):
                signal.pidfd_send_signal(handle, sig)
            wait_until(lambda: self.agent_pid() != pid, what=f"the end of the agent, pid {pid}")
        finally:
            os.close(handle)

    # ── the end ──────────────────────────────────────────────────────────────────────────────────

    def permanent(self, trace: leaks.Trace) -> bool:
        """Whether a thing belongs to the instance as a whole, not to one pod of it."""
        name = trace.name
        match trace.kind:
            case "link":
                return name == self.config.bridge
            case "table":
                return name.split()[-1] == self.config.nft_table
            case "cgroup":
                return "/pod" not in name
            case "process":
                return name.startswith(f"{self.agent_pid()}@")
            case "socket":
                return name == str(self.paths.socket)
            case "mount":
                return not any(f"/{part}/" in name for part in ("pods", "c"))
        return False

    def delete_workloads(self) -> None:
        """Before their pods: else they make new ones."""
        store = ObjectStore(self.paths)
        objects = [
            {"kind": kind.name, "namespace": thing.metadata.namespace, "name": thing.metadata.name}
            for kind in (JOB, DEPLOYMENT, DAEMON_SET)
            for thing in store.list(kind)
        ]
        if objects:
            self.ask({"verb": "delete", "objects": objects, "graceSeconds": 0, "timeout": 60.0})

    def delete_pods(self) -> None:
        self.delete_workloads()
        if self.paths.pods.is_dir() and any(self.paths.pods.iterdir()):
            self.podrun("delete", "pods", "--all", "-A", "--force", timeout=90)
        for kept in (self.paths.objects, self.paths.claims):
            shutil.rmtree(kept, ignore_errors=True)

    def traces(self) -> list[leaks.Trace]:
        return [trace for trace in leaks.snapshot() if trace.marked([self.mark])]

    def close(self) -> None:
        """Take the instance away. AssertionError (after removing it) when anything was left."""
        try:
            self.delete_pods()
            self.kill_agent(signal.SIGTERM)
            self.podrun("system", "reset", "--force")
            left = leaks.settled(self.traces)
        finally:
            leaks.remove(self.traces())
            shutil.rmtree(self.root, ignore_errors=True)
        assert not left, "left behind by podrun: " + "; ".join(map(str, left))
