"""Whole sessions at the command line, with real pods behind them."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import pty
import re
import select
import signal
import struct
import subprocess
import termios
import time
from collections.abc import Iterator

import pytest

from podrun.linux import namespace
from tests.node import PATIENCE, Node

IDLE = "trap 'exit 0' TERM; while :; do sleep 0.05; done"


def container(name: str, script: str = IDLE) -> str:
    return f"\n  - {{name: {name}, image: localhost/host, command: [sh, -c, {json.dumps(script)}]}}"


def pod(name: str, containers: str, *, init: str = "", spec: str = "") -> str:
    inits = f"initContainers:{init}" if init else ""
    return f"""
apiVersion: v1
kind: Pod
metadata: {{name: {name}, labels: {{test: cli}}}}
spec:
  terminationGracePeriodSeconds: 1
  {spec}
  {inits}
  containers:{containers}
"""


class Terminal:
    """A command on a pseudo-terminal of its own."""

    def __init__(self, node: Node, *args: str, columns: int = 80) -> None:
        self.seen = ""
        self._fd, theirs = pty.openpty()
        self.resize(columns)
        environment = {k: v for k, v in node.environment.items() if k != "NO_COLOR"}
        self.process = node_popen(node, args, theirs, {**environment, "TERM": "xterm"})
        os.close(theirs)

    def resize(self, columns: int) -> None:
        fcntl.ioctl(self._fd, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))

    def write(self, text: str) -> None:
        os.write(self._fd, text.encode())

    def expect(self, pattern: str, timeout: float = 20.0) -> str:
        """Everything shown until ``pattern`` is; it is taken off what was seen."""
        deadline = time.monotonic() + timeout
        while not (match := re.search(pattern, self.seen)):
            assert time.monotonic() < deadline, f"no {pattern!r} in {self.seen!r}"
            if not self._read(0.1) and self.process.poll() is not None:
                assert re.search(pattern, self.seen), f"ended without {pattern!r}: {self.seen!r}"
        self.seen = self.seen[match.end() :]
        return match.string[: match.end()]

    def end(self) -> int:
        """Wait for the command; its exit code."""
        deadline = time.monotonic() + 20
        while self.process.poll() is None:
            assert time.monotonic() < deadline, self.seen
            self._read(0.05)
        while self._read(0):
            pass
        os.close(self._fd)
        return self.process.returncode

    def _read(self, timeout: float) -> bool:
        if not select.select([self._fd], [], [], timeout)[0]:
            return False
        with contextlib.suppress(OSError):  # EIO: nobody has the other end any more
            data = os.read(self._fd, 65536)
            self.seen += data.decode(errors="replace")
            return bool(data)
        return False


def node_popen(
    node: Node, args: tuple[str, ...], fd: int, environment: dict[str, str]
) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        node.command(*args), env=environment, stdin=fd, stdout=fd, stderr=fd, start_new_session=True
    )


@pytest.fixture
def idle(node: Node) -> Iterator[str]:
    """A pod with two containers that do nothing."""
    node.apply_text(pod("idle", container("a") + container("b"), init=container("first", "true")))
    yield "idle"


# ── apply and delete ────────────────────────────────────────────────────────────────────────────


def test_created_unchanged_configured_deleted(node: Node) -> None:
    text = pod("web", container("a"))
    assert node.apply_text(text).stdout == "pod/web created\n"
    assert node.apply_text(text).stdout == "pod/web unchanged\n"
    changed = text.replace("{test: cli}", "{test: other}")
    assert node.apply_text(changed).stdout == "pod/web configured\n"
    assert node.podrun("ps", "-l", "test=other", "-o", "name").stdout == "pod/web\n"
    assert node.podrun("delete", "web").stdout == 'pod "web" deleted\n'
    assert node.podrun("delete", "web", check=False).returncode == 1


def test_one_invalid_document_and_nothing_is_there(node: Node) -> None:
    text = pod("good", container("a")) + "---" + pod("bad", container("a") + container("a"))
    done = node.apply_text(text, check=False)
    assert done.returncode == 3 and "spec.containers[1].name" in done.stderr
    assert node.podrun("ps", "-o", "name").stdout == ""


def test_an_application_that_is_not_there_fails_the_apply(node: Node) -> None:
    text = pod("web", container("a")).replace("localhost/host", "localhost/no-such-image")
    done = node.apply_text(text, check=False)
    assert done.returncode == 1 and done.stdout == "pod/web created\n"
    assert "pod/web cannot go on" in done.stderr and "no-such-image" in done.stderr


def test_apply_gives_up_waiting(node: Node) -> None:
    text = pod("web", container("a"), init=container("slow", "sleep 60"))
    done = node.apply_text(text, "--timeout", "500ms", check=False)
    assert done.returncode == 124 and "pod/web" in done.stderr


def test_delete_without_waiting(node: Node, idle: str) -> None:
    assert node.podrun("delete", idle, "--wait=false").stdout == 'pod "idle" deleted\n'
    assert node.podrun("wait", idle, "--for=delete").returncode == 0
    assert node.pod(idle) == {}


def test_apply_on_a_terminal_shows_what_happens(node: Node) -> None:
    manifest = node.root / "slow.yaml"
    manifest.write_text(pod("slow", container("a"), init=container("wait", "sleep 0.7")))
    terminal = Terminal(node, "apply", str(manifest), columns=60)
    terminal.expect("pod/slow created")
    terminal.expect("pod/slow: Started container wait")
    assert terminal.end() == 0
    assert terminal.seen.endswith("\x1b[J")  # no live line stays


# ── exec ────────────────────────────────────────────────────────────────────────────────────────


def test_exec_gives_the_commands_output_and_code(node: Node, idle: str) -> None:
    done = node.podrun(
        "exec", idle, "-c", "b", "--", "sh", "-c", "echo out; echo err >&2; exit 7", check=False
    )
    assert (done.returncode, done.stdout, done.stderr) == (7, "out\n", "err\n")


def test_exec_passes_input_on_only_when_asked(node: Node, idle: str) -> None:
    with_input = node.podrun("exec", "-i", idle, "-c", "a", "--", "cat", input="hello\n")
    without = node.podrun("exec", idle, "-c", "a", "--", "cat", input="hello\n")
    assert (with_input.stdout, without.stdout) == ("hello\n", "")


def test_exec_with_a_terminal_that_is_resized(node: Node, idle: str) -> None:
    terminal = Terminal(node, "exec", "-it", idle, "-c", "a", "--", "sh", columns=71)
    terminal.expect(r"[#$] ")
    terminal.write("tty; stty size\n")
    terminal.expect(r"/dev/pts/\d+\s+24 71")
    terminal.resize(93)
    terminal.process.send_signal(signal.SIGWINCH)
    terminal.write("sleep 0.2; stty size\n")
    terminal.expect("24 93")
    terminal.write("exit 5\n")
    assert terminal.end() == 5


def test_exec_where_nothing_runs(node: Node) -> None:
    node.apply_text(pod("job", container("a", "exit 0"), spec="restartPolicy: Never"))
    node.podrun("wait", "job", "--for=phase=Succeeded")
    done = node.podrun("exec", "job", "--", "true", check=False)
    assert done.returncode == 1 and 'container "a" of pod "job" is not running' in done.stderr
    assert node.podrun("exec", "nope", "--", "true", check=False).returncode == 1


# ── logs ────────────────────────────────────────────────────────────────────────────────────────


def test_following_a_real_log_across_rotations(fresh_node: Node) -> None:
    config = {**json.loads(fresh_node.config_file.read_bytes()), "logMaxBytes": 65536}
    fresh_node.config_file.write_text(json.dumps(config))
    lines = 20_000  # some 2 MB: thirty rotations, of which five files are kept
    script = f"i=0; while [ $i -lt {lines} ]; do echo $i {'x' * 60}; i=$((i+1)); done; sleep 1"
    script = f"echo ready; until [ -e /tmp/go ]; do sleep 0.05; done; {script}"
    fresh_node.apply_text(pod("loud", container("a", script), spec="restartPolicy: Never"))
    with fresh_node.popen("logs", "-f", "loud", stdout=subprocess.PIPE) as following:
        assert following.stdout is not None and following.stdout.readline() == b"ready\n"
        fresh_node.podrun("exec", "loud", "--", "touch", "/tmp/go")
        seen = following.communicate(timeout=60 * PATIENCE)[0].decode().splitlines()
    assert following.returncode == 0
    numbers = [int(line.split()[0]) for line in seen]
    assert numbers == sorted(set(numbers))
    assert numbers[0] == 0 and numbers[-1] == lines - 1
    again = fresh_node.podrun("logs", "loud", "--tail", "1500")
    assert again.stdout.splitlines() == seen[-1500:]


def test_logs_of_a_restarted_container(node: Node) -> None:
    node.apply_text(
        pod("again", container("a", "echo run; sleep 0.2; exit 1"), spec="restartPolicy: OnFailure")
    )
    node.wait_until(
        lambda: node.status("again")["containerStatuses"][0]["restartCount"] >= 1, what="a restart"
    )
    assert node.podrun("logs", "again", "--previous").stdout == "run\n"


def test_logs_into_a_closed_pipe(node: Node) -> None:
    node.apply_text(pod("much", container("a", "seq 100000"), spec="restartPolicy: Never"))
    node.podrun("wait", "much", "--for=phase=Succeeded")
    read, write = os.pipe()
    process = node.popen("logs", "much", stdout=write, stderr=subprocess.PIPE)
    os.close(write)
    assert os.read(read, 2) == b"1\n"
    os.close(read)
    _, errors = process.communicate(timeout=20)
    assert (process.returncode, errors) == (141, b"")


# ── looking ─────────────────────────────────────────────────────────────────────────────────────


def test_describe_draws_the_namespaces_that_are(node: Node, idle: str) -> None:
    text = node.podrun("describe", "pod", idle).stdout
    pause = re.search(r"pause \(process (\d+)\)\n.*holds +(.*)", text)
    assert pause is not None
    for kind in ("net", "ipc", "uts"):
        assert f"{kind} {namespace.inode(int(pause[1]), kind)}" in pause[2]
    shared = re.findall(r"─ (\w+) \(process (\d+)\)\n.*shares +(.*)\n.*own +(.*)", text)
    assert [name for name, *_ in shared] == ["a", "b"]
    for _, pid, shares, own in shared:
        assert shares == "net, ipc, uts"
        for kind in ("pid", "mnt", "cgroup"):
            assert f"{kind} {namespace.inode(int(pid), kind)}" in own


def test_events_tell_the_story(node: Node, idle: str) -> None:
    items = node.json("events", idle, "-o", "json")["items"]
    story = [(each["reason"], each["involvedObject"].get("fieldPath", "")) for each in items]
    assert story[0][0] == "Scheduled"
    assert story.index(("Started", "spec.initContainers{first}")) < story.index(
        ("Started", "spec.containers{a}")
    )


def test_wait_for_exit_gives_the_pods_code(node: Node) -> None:
    node.apply_text(
        pod("job", container("a", "sleep 0.3; exit 9"), spec="restartPolicy: Never"), "--no-wait"
    )
    assert node.podrun("wait", "job", "--for=exit", check=False).returncode == 9


def test_watching_pods_come_and_go(node: Node) -> None:
    process = node.popen("ps", "-w", "-l", "test=cli", stdout=subprocess.PIPE)
    assert process.stdout is not None
    try:
        assert process.stdout.readline().startswith(b"NAME")
        node.apply_text(pod("web", container("a")))
        while b"Running" not in process.stdout.readline():
            pass
        node.podrun("delete", "web", "--force")
    finally:
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=20)
    assert process.returncode == 130


# ── the system ──────────────────────────────────────────────────────────────────────────────────


def test_check_finds_what_this_host_has(node: Node) -> None:
    found = {each["name"]: each for each in node.json("system", "check", "-o", "json")["checks"]}
    for name in ("kernel", "cgroups", "mount API", "bridge and veth", "nftables"):
        assert found[name]["level"] == "ok", found[name]
    assert not any(node.paths.state.glob(".check*"))


def test_disk_use_sees_a_pods_layers(node: Node, idle: str) -> None:
    node.podrun("exec", idle, "-c", "a", "--", "sh", "-c", "head -c 3000000 /dev/zero >/tmp/big")
    uses = {each["kind"]: each for each in node.json("system", "df", "-o", "json")["uses"]}
    assert uses["writable layers"]["count"] >= 2
    assert uses["writable layers"]["bytes"] > 2_000_000


def test_reset_takes_everything_away(fresh_node: Node) -> None:
    fresh_node.apply_text(pod("web", container("a")))
    assert fresh_node.podrun("system", "reset", check=False).returncode == 2  # nobody to ask
    assert fresh_node.podrun("system", "reset", "--force").stdout == ""
    assert fresh_node.traces() == []
    assert fresh_node.agent_pid() is None
    assert not fresh_node.paths.pods.exists()
    fresh_node.podrun("system", "reset", "--force")  # and once more, of nothing


def test_the_agent_in_the_foreground(fresh_node: Node) -> None:
    process = fresh_node.popen("agent")
    fresh_node.wait_until(fresh_node.agent_pid, what="the agent")
    second = fresh_node.podrun("agent", check=False)
    assert second.returncode == 1 and "an agent runs already" in second.stderr
    fresh_node.podrun("agent", "--stop")
    assert process.wait(timeout=20) == 0
    assert fresh_node.podrun("agent", "--stop").stderr == "no agent runs\n"
