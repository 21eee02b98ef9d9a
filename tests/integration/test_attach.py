"""``podrun attach`` with real pods and a real terminal; stdin, stdinOnce and tty from inside."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import pty
import signal
import struct
import subprocess
import sys
import termios
from typing import Any

import pytest

from podrun.container import control
from podrun.container.spec import ContainerRecord
from tests.integration.test_cli_session import Terminal
from tests.node import PROJECT, Node, wait_until

# As `podrun apply`, and fields that the table still holds back are accepted.
APPLY = """
import sys
from podrun.api import admit, fields
from podrun.api.fields import pending
accepted = admit.admit
admit.admit = lambda *args, **kwargs: accepted(*args, **{**kwargs, "pending": True})
from podrun.cli.main import entry
sys.exit(entry(["apply", "-f", "-"]))
"""

CTRL_C, CTRL_D, DETACH = "\x03", "\x04", "\x10\x11"
SHELL = {"command": ["sh"], "stdin": True, "tty": True}


def apply(node: Node, name: str, container: dict[str, Any], **spec: Any) -> None:
    """A pod with one container, "c"."""
    manifest = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name},
        "spec": {
            "terminationGracePeriodSeconds": 1,
            "restartPolicy": "Never",
            "containers": [{"name": "c", "image": "localhost/host", **container}],
            **spec,
        },
    }
    done = subprocess.run(
        [sys.executable, "-c", APPLY],
        env=node.environment,
        cwd=PROJECT,
        input=json.dumps(manifest),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr


def script(text: str, **more: Any) -> dict[str, Any]:
    return {"command": ["sh", "-c", text], **more}


def record(node: Node) -> ContainerRecord:
    return next(iter(control.records(node.paths.runtime)))


def state(node: Node, name: str) -> dict[str, Any]:
    found: dict[str, Any] = node.status(name)["containerStatuses"][0]["state"]
    return found


def resized(terminal: Terminal, rows: int, columns: int) -> None:
    fcntl.ioctl(terminal._fd, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
    os.kill(terminal.process.pid, signal.SIGWINCH)  # as for the leader of the terminal


def interrupt(terminal: Terminal) -> None:
    """Until the shell is back: one that is just about to run its command takes no notice."""
    for _ in range(20):
        terminal.write(CTRL_C)
        with contextlib.suppress(AssertionError):
            terminal.expect(r"\^C\s*# ", timeout=1)
            return
    raise AssertionError(f"no prompt in {terminal.seen!r}")


def attributes(terminal: Terminal) -> list[Any]:
    return termios.tcgetattr(terminal._fd)


# ── the terminal ─────────────────────────────────────────────────────────────────────────────────


def test_a_session_at_a_shell(node: Node) -> None:
    apply(node, "shell", SHELL)
    terminal = Terminal(node, "attach", "-it", "shell", columns=91)
    before = attributes(terminal)
    terminal.expect("ctrl-p ctrl-q detaches")
    terminal.write("\nstty size; tty; echo $TERM-$((40+2))\n")
    terminal.expect("24 91\r\n/dev/pts/0\r\nxterm-42\r\n")
    resized(terminal, 33, 111)
    wait_until(lambda: _size(terminal) == "33 111")
    terminal.write("sleep 1000\n")
    interrupt(terminal)
    terminal.write("echo still-$((1+1))\n")
    terminal.expect("still-2\r\n")
    terminal.write(DETACH)
    terminal.expect("detached")
    assert attributes(terminal) == before
    assert terminal.end() == 0
    assert "running" in state(node, "shell")
    again = Terminal(node, "attach", "-it", "shell")
    again.expect("detaches")
    again.write("exit 5\n")
    assert again.end() == 5
    node.wait_until(lambda: state(node, "shell").get("terminated", {}).get("exitCode") == 5)


def _size(terminal: Terminal) -> str:
    terminal.write("stty size\n")
    return terminal.expect(r"\d+ \d+\r\n").split("\r\n")[-2]


def test_the_console_and_the_users_terminal(node: Node) -> None:
    text = (
        "echo to the console >/dev/console; echo to the tty >/dev/tty; "
        "stat -c '%u %g %a' /dev/pts/0; test -t 0 && test -t 2 && echo all; ls /dev/pts"
    )
    apply(node, "console", script(text, tty=True, securityContext={"runAsUser": 1234}))
    node.wait_until(lambda: "terminated" in state(node, "console"))
    lines = node.podrun("logs", "console").stdout.splitlines()
    assert lines == ["to the console", "to the tty", "1234 5 620", "all", "0  ptmx"]


def test_a_terminal_ends_with_its_container(node: Node) -> None:
    apply(node, "ends", script("read x; seq 999", stdin=True, tty=True))
    terminal = Terminal(node, "attach", "-it", "ends")
    terminal.expect("detaches")
    terminal.write("\n")
    terminal.expect("\n999\r\n")
    assert terminal.end() == 0


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_client_that_is_told_to_go_leaves_the_terminal_as_it_was(
    node: Node, number: signal.Signals
) -> None:
    apply(node, "told", SHELL)
    terminal = Terminal(node, "attach", "-it", "told")
    before = attributes(terminal)
    terminal.expect("detaches")
    wait_until(lambda: attributes(terminal) != before, what="raw")
    terminal.process.send_signal(number)
    wait_until(lambda: attributes(terminal) == before, what="as before")
    assert terminal.end() == 128 + number


def test_two_clients_and_the_death_of_one(node: Node) -> None:
    apply(node, "two", SHELL)
    first, second = (Terminal(node, "attach", "-it", "two") for _ in range(2))
    for terminal in (first, second):
        terminal.expect("detaches")
    first.write("echo one-$((1+0))\n")
    for terminal in (first, second):
        terminal.expect("one-1\r\n")
    first.process.kill()
    first.end()
    second.write("echo two-$((1+1))\n")
    second.expect("two-2\r\n")
    second.write(CTRL_D)
    assert second.end() == 0


# ── pipes ────────────────────────────────────────────────────────────────────────────────────────


def run(node: Node, *args: str, data: bytes = b"") -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        node.command("attach", *args),
        env=node.environment,
        cwd=PROJECT,
        input=data,
        capture_output=True,
        timeout=60,
        check=False,
    )


def test_a_filter(node: Node) -> None:
    apply(node, "filter", script("tr a-z A-Z; echo over >&2; exit 3", stdin=True, stdinOnce=True))
    done = run(node, "-i", "filter", data=b"some text\n" * 50_000)
    assert (done.returncode, done.stderr) == (3, b"over\n")
    assert done.stdout == b"SOME TEXT\n" * 50_000


def test_the_end_of_input_is_the_clients_alone_without_stdin_once(node: Node) -> None:
    apply(node, "stays", script("exec cat", stdin=True))
    for text in (b"one\n", b"two\n"):
        client = node.popen("attach", "-i", "stays", stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        assert client.stdin and client.stdout
        client.stdin.write(text)
        client.stdin.close()
        assert client.stdout.readline() == text
        client.kill()
        client.wait()
        client.stdout.close()
    assert node.podrun("logs", "stays").stdout == "one\ntwo\n"
    assert "running" in state(node, "stays")


def test_only_looking_on(node: Node) -> None:
    apply(node, "look", script("read x; echo out; echo err >&2; exit 9", stdin=True))
    looking = node.popen("attach", "look", stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    other = node.popen("attach", "-i", "look", stdin=subprocess.PIPE, stdout=subprocess.DEVNULL,
                       stderr=subprocess.DEVNULL)  # fmt: skip
    wait_until(lambda: len(sessions(node)) == 2)
    other.communicate(b"\n", timeout=30)
    assert looking.communicate(timeout=30) == (b"out\n", b"err\n")
    assert (looking.returncode, other.returncode) == (9, 9)


def sessions(node: Node) -> list[str]:
    """The monitor's connections, but for its listening socket."""
    monitor = record(node).monitor_pid
    links = []
    for fd in os.listdir(f"/proc/{monitor}/fd"):
        with contextlib.suppress(FileNotFoundError):  # closed since
            links.append(os.readlink(f"/proc/{monitor}/fd/{fd}"))
    return [link for link in links if link.startswith("socket:")][1:]


def test_a_client_that_does_not_read_is_dropped_and_the_log_is_whole(node: Node) -> None:
    apply(node, "slow", script("read x; seq 2000000; exec sleep 1000", stdin=True))
    read, write = os.pipe()
    slow = node.popen("attach", "-i", "slow", stdin=subprocess.PIPE, stdout=write,
                      stderr=subprocess.PIPE)  # fmt: skip
    os.close(write)
    assert slow.stdin
    slow.stdin.write(b"\n")
    slow.stdin.flush()
    wait_until(lambda: "2000000\n" in node.podrun("logs", "slow", "--tail", "1").stdout, 60)
    assert sessions(node) == []
    with open(read, "rb") as pipe:
        while pipe.read(1 << 20):
            pass
    _, message = slow.communicate(timeout=30)
    assert slow.returncode == 1 and b"cannot keep up" in message


# ── what cannot be ───────────────────────────────────────────────────────────────────────────────


def test_what_the_container_does_not_have(node: Node) -> None:
    apply(node, "plain", script("exec sleep 1000"))
    master, slave = pty.openpty()
    client = node.popen("attach", "-it", "plain", stdin=slave, stdout=slave, stderr=subprocess.PIPE)
    os.close(slave)
    assert client.stderr
    assert b"no stdin: true" in client.stderr.readline()
    assert b"no tty: true" in client.stderr.readline()
    client.send_signal(signal.SIGINT)
    client.communicate(timeout=30)
    assert client.returncode == 130
    os.close(master)


def test_what_is_not_there(node: Node) -> None:
    assert b'"none" not found' in run(node, "none").stderr
    apply(node, "over", script("exit 0"))
    node.wait_until(lambda: "terminated" in state(node, "over"))
    done = run(node, "over")
    assert done.returncode == 1 and b"not running" in done.stderr


def test_a_volume_at_dev_pts_and_a_terminal(node: Node) -> None:
    mounts = [{"name": "v", "mountPath": "/dev/pts"}]
    manifest = script("true", tty=True, volumeMounts=mounts)
    with pytest.raises(AssertionError, match="tty needs /dev/pts"):
        apply(node, "covered", manifest, volumes=[{"name": "v", "emptyDir": {}}])


def test_kill_0_in_a_container_does_not_reach_its_monitor(node: Node) -> None:
    apply(node, "zero", script("trap '' TERM; kill -9 0; sleep 1000"), shareProcessNamespace=True)
    ended = node.wait_until(lambda: state(node, "zero").get("terminated"))
    assert (ended["exitCode"], ended["reason"]) == (137, "Error")


# ── termination messages ─────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("text", "more", "message"),
    [
        ("echo -n last words >/dev/termination-log; exit 1", {}, "last words"),
        ("echo said; exit 1", {}, None),
        (
            "echo said; exit 1",
            {"terminationMessagePolicy": "FallbackToLogsOnError"},
            "said\n",
        ),
        (
            "echo -n mine >/run/deep/below/message",
            {"terminationMessagePath": "/run/deep/below/message"},
            "mine",
        ),
        (
            "echo -n kept >/dev/termination-log; rm -f /dev/termination-log; "
            "ln -sf /etc/passwd /dev/termination-log; mv /dev/termination-log /dev/x; true",
            {},
            "kept",
        ),
        (
            "echo -n mine >/dev/termination-log",
            {"securityContext": {"runAsUser": 4321, "readOnlyRootFilesystem": True}},
            "mine",
        ),
    ],
)
def test_termination_messages(
    node: Node, text: str, more: dict[str, Any], message: str | None
) -> None:
    apply(node, "words", script(text, **more))
    ended = node.wait_until(lambda: state(node, "words").get("terminated"))
    assert ended.get("message") == message


# ── rotated logs ─────────────────────────────────────────────────────────────────────────────────


def test_older_rotated_logs_are_compressed_and_read(leak_marks: set[str]) -> None:
    node = Node(log_max_bytes=100_000, log_max_files=4)
    leak_marks.add(node.mark)
    try:
        apply(node, "chatty", script("seq 30000; exec sleep 1000"))
        logs = next(node.paths.log.glob("pods/*_chatty_*/c"))

        def files() -> list[str]:
            names = (name.removeprefix("0.log") for name in os.listdir(logs))
            return sorted(names, key=lambda name: name.removesuffix(".gz"))  # by time

        node.wait_until(lambda: [f.endswith(".gz") for f in files()] == [False, True, True, False])
        numbers = [int(line) for line in node.podrun("logs", "chatty").stdout.splitlines()]
        assert numbers == list(range(numbers[0], 30001))
        assert len(numbers) > 6000
    finally:
        node.close()
