"""The agent as a process: its socket, its lock, its start and its leaving; its workers."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import resource
import signal
import socket
from pathlib import Path

import pytest

from podrun.agent import admission, worker
from podrun.errors import Conflict, InvalidManifest, MechanismFailed
from tests.node import Node, wait_until

POD = """
apiVersion: v1
kind: Pod
metadata: {name: web}
spec:
  restartPolicy: Never
  hostNetwork: true
  containers: [{name: app, image: localhost/host, command: [sh, -c, "exit 0"]}]
"""


def ping(node: Node) -> dict[str, object]:
    with socket.socket(socket.AF_UNIX) as client:
        client.settimeout(10)
        client.connect(str(node.paths.socket))
        client.sendall(b'{"version":1,"verb":"ping"}\n')
        answer: dict[str, object] = json.loads(client.makefile().readline())
    return answer


def start(node: Node) -> None:
    node.apply_text(POD)


def test_it_leaves_when_no_pod_needs_it_and_takes_its_traces_along(leak_marks: set[str]) -> None:
    node = Node(agent_idle_seconds=0.3)
    leak_marks.add(node.mark)
    start(node)  # a pod that has ended needs no agent
    wait_until(lambda: node.agent_pid() is None, what="the agent's leaving")
    wait_until(lambda: not node.paths.socket.exists())
    wait_until(lambda: not list(Path("/sys/fs/cgroup").glob(f"*/{node.config.cgroup_root}/agent")))
    assert "Completed" in node.podrun("ps").stdout
    node.podrun("delete", "web")  # starts another one
    node.close()


def test_only_one_agent_however_many_commands_start_at_once(fresh_node: Node) -> None:
    commands = [
        fresh_node.popen("apply", "-f", "-", stdin=-1, stdout=-3, stderr=-3) for _ in range(4)
    ]
    for index, command in enumerate(commands):
        assert command.stdin is not None
        command.stdin.write(POD.replace("web", f"web{index}").encode())
        command.stdin.close()
    assert [command.wait(60) for command in commands] == [0] * 4
    assert len(fresh_node.podrun("ps").stdout.splitlines()) == 5
    marker = str(fresh_node.config_file).encode()

    def agents() -> list[str]:
        return [
            pid
            for pid in filter(str.isdecimal, os.listdir("/proc"))
            if b"podrun.agent.main" in _read(f"/proc/{pid}/cmdline")
            and marker in _read(f"/proc/{pid}/environ")
        ]

    wait_until(lambda: len(agents()) == 1, what="the others, which found the lock taken, gone")


def test_the_agent_keeps_the_way_to_registries_and_nothing_else(
    fresh_node: Node, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("SECRET", "of the user")
    fresh_node.apply_text(POD)
    environment = _read(f"/proc/{fresh_node.agent_pid()}/environ").split(b"\0")
    assert b"HTTPS_PROXY=http://127.0.0.1:9" in environment
    assert not any(entry.startswith(b"SECRET=") for entry in environment)


def _read(path: str) -> bytes:
    try:
        return Path(path).read_bytes()
    except OSError:
        return b""


@pytest.mark.parametrize(
    "garbage",
    [
        b"",
        b"\n",
        b"not json\n",
        b'{"version":1}\n',
        b'{"version":99,"verb":"ping"}\n',
        b'{"version":1,"verb":"apply","sources":[{"name":',
        b'{"version":1,"verb":"apply","sources":"x"}\n',
        b'{"version":1,"verb":"apply","sources":[{"name":"x","size":-1}]}\n',
        b'{"version":1,"verb":"apply","sources":[{"name":"x","size":20000000}]}\n',
        b'{"version":1,"verb":"apply","sources":[{"name":"x","size":9}]}\nshort',
        b"[" * 100_000 + b"\n",
        b"x" * (17 << 20),
        bytes(range(256)) * 10,
    ],
)
def test_a_client_that_sends_garbage_hurts_nobody(node: Node, garbage: bytes) -> None:
    start(node)
    with socket.socket(socket.AF_UNIX) as client:
        client.settimeout(20)
        client.connect(str(node.paths.socket))
        try:
            client.sendall(garbage)
            if garbage.endswith(b"\n"):
                answer = json.loads(client.makefile().readline())
                assert "error" in answer
        except (BrokenPipeError, ConnectionResetError):
            pass
    assert "done" in ping(node)


def test_a_line_that_is_too_long_is_said_to_be(node: Node) -> None:
    start(node)
    with socket.socket(socket.AF_UNIX) as client:
        client.settimeout(20)
        client.connect(str(node.paths.socket))
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            client.sendall(b"x" * (40 << 20))
        answer = json.loads(client.makefile("rb").readline())
    assert answer["error"]["kind"] == "UsageError"
    assert answer["error"]["message"] == "a request is longer than 16 MiB"
    log = node.paths.agent_log
    assert not log.exists() or "longer than" not in log.read_text()


def test_manifests_are_admitted_by_the_agent_or_without_one(fresh_node: Node) -> None:
    """The same words and exit code, and nothing changed; no agent is started for a bad manifest."""
    bad = POD + "---\n" + POD.replace("name: web", "name: Bad")
    without = fresh_node.apply_text(bad, check=False)
    assert fresh_node.agent_pid() is None and not fresh_node.paths.pods.exists()
    good = POD.replace("web", "first")
    assert fresh_node.apply_text(good).stdout == "pod/first created\n"
    beside = fresh_node.apply_text(bad, check=False)
    assert (beside.returncode, beside.stderr) == (without.returncode, without.stderr)
    assert without.returncode == 3 and "metadata.name" in without.stderr
    elsewhere = POD.replace("{name: web}", "{name: web, namespace: a}")
    other = fresh_node.apply_text(elsewhere, "-n", "b", check=False)
    assert (other.returncode, other.stdout) == (2, "") and "but -n says b" in other.stderr
    assert fresh_node.podrun("get", "pods", "-A", "-o", "name").stdout == "pod/first\n"
    noted = fresh_node.apply_text(POD.replace("spec:", "spec:\n  nodeSelector: {a: b}", 1))
    assert noted.stdout == "pod/web created\n" and noted.stderr.startswith("note: ")


def test_long_manifests_and_those_with_aliases_are_admitted_too(node: Node) -> None:
    alias = POD.replace("metadata: {name: web}", "metadata: {name: &n web, labels: {a: *n}}")
    assert node.apply_text(alias).stdout.startswith("pod/web ")
    long = POD.replace("web", "long") + f"# {'x' * 70}\n" * 1000
    assert node.apply_text(long).stdout == "pod/long created\n"
    bad = node.apply_text(alias.replace("image:", "imagge:"), check=False)
    assert bad.returncode == 3 and "spec.containers[0].imagge" in bad.stderr


def test_a_bomb_of_aliases_is_no_work_for_the_agent_itself() -> None:
    assert admission.is_harmless([(POD.encode(), "x")])
    assert not admission.is_harmless([(b"a: &a 1", "x"), (b"b: *a", "y")])
    assert not admission.is_harmless([(b"#" * 5000, "x"), (b"#" * 5000, "y")])


def test_what_admits_is_bounded() -> None:
    pid = os.fork()
    if pid == 0:
        with contextlib.suppress(InvalidManifest):
            admission.bounded([(b"", "x")], "", "")
        limits = [
            resource.getrlimit(each)[1] for each in (resource.RLIMIT_CPU, resource.RLIMIT_DATA)
        ]
        os._exit(0 if all(0 < limit <= 4 << 30 for limit in limits) else 1)
    assert os.waitpid(pid, 0)[1] == 0


def test_many_silent_clients_hurt_nobody(node: Node) -> None:
    start(node)
    clients = [socket.socket(socket.AF_UNIX) for _ in range(60)]
    try:
        for client in clients:
            client.connect(str(node.paths.socket))
        assert "done" in ping(node)
    finally:
        for client in clients:
            client.close()


def test_the_socket_is_roots_alone(node: Node) -> None:
    start(node)
    assert node.paths.socket.stat().st_mode & 0o777 == 0o600
    pid = os.fork()
    if pid == 0:
        os.setresuid(65534, 65534, 65534)
        with socket.socket(socket.AF_UNIX) as client:
            try:
                client.connect(str(node.paths.socket))
            except PermissionError:
                os._exit(0)
        os._exit(1)
    assert os.waitpid(pid, 0)[1] == 0


def test_sigterm_lets_it_leave_and_pods_go_on(fresh_node: Node) -> None:
    text = POD.replace("exit 0", "trap 'exit 0' TERM; while :; do sleep 0.05; done")
    fresh_node.apply_text(text)
    fresh_node.kill_agent(signal.SIGTERM)
    assert "Running" in fresh_node.podrun("ps").stdout


# ── workers ─────────────────────────────────────────────────────────────────────────────────────


def run(operation: object, *arguments: object) -> object:
    return asyncio.run(worker.run(operation, *arguments))  # type: ignore[arg-type]


def test_a_workers_result_comes_back() -> None:
    assert run(lambda a, b: {"sum": a + b}, 1, 2) == {"sum": 3}


def test_a_workers_error_keeps_its_class_and_hint() -> None:
    def fail() -> None:
        raise Conflict("taken", hint="wait", reason="Because")

    with pytest.raises(Conflict) as caught:
        run(fail)
    assert (caught.value.hint, caught.value.reason) == ("wait", "Because")


def test_a_worker_that_is_killed_is_an_error() -> None:
    with pytest.raises(MechanismFailed, match="died"):
        run(lambda: os.kill(os.getpid(), signal.SIGKILL))


def test_a_worker_holds_no_descriptor_but_its_own() -> None:
    with open("/dev/null") as other:
        fds = run(lambda: sorted(int(fd) for fd in os.listdir("/proc/self/fd")))
        assert isinstance(fds, list)
        assert other.fileno() not in fds
    assert len(fds) <= 6  # the three standard ones, report, go, and the directory it lists


def test_a_worker_dies_with_its_agent() -> None:
    """Also when it is in the middle of something: what it left is swept by the next agent."""
    read, write = os.pipe()
    agent = os.fork()
    if agent == 0:

        def endless() -> None:
            os.write(1, b"")
            signal.pause()

        async def live() -> None:
            forked = worker.Forked(lambda report, go: endless())
            os.write(write, b"%d\n" % forked.pid)
            signal.pause()

        asyncio.run(live())
        os._exit(0)
    os.close(write)
    child = int(os.read(read, 20))
    os.close(read)
    os.kill(agent, signal.SIGKILL)
    os.waitpid(agent, 0)
    wait_until(lambda: "State:\tZ" in _status(child) or not _status(child), what="the worker's end")


def _status(pid: int) -> str:
    return _read(f"/proc/{pid}/status").decode()
