"""Attacks on the agent: what a client may send it, and what containers may take from the host.

After each one it still answers, and so does another pod.
"""

from __future__ import annotations

import contextlib
import os
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from podrun.agent.server import MAX_CLIENTS
from podrun.cgroup.group import Group
from podrun.container import control
from tests.integration.test_rights import context, inside, pod
from tests.node import PATIENCE, Node

BOUND = 15 * PATIENCE
MIB = 1 << 20


def goes_on(node: Node, name: str = "other") -> None:
    """ps, exec and an apply answer in time."""
    begin = time.monotonic()
    assert name in node.podrun("ps", timeout=BOUND).stdout
    assert inside(node, name, "echo fine").stdout == "fine\n"
    node.apply_text(pod(name), timeout=BOUND)
    assert time.monotonic() - begin < 2 * BOUND


@pytest.fixture
def other(node: Node) -> Node:
    node.apply_text(pod("other"))
    return node


# ── the agent's socket ───────────────────────────────────────────────────────────────────────────


def connect(node: Node) -> socket.socket:
    client = socket.socket(socket.AF_UNIX)
    client.connect(str(node.paths.socket))  # waits while the queue is full
    client.settimeout(BOUND)
    return client


def resident(node: Node) -> int:
    pid = node.agent_pid()
    assert pid
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def answer(client: socket.socket) -> bytes:
    """All it says until it hangs up; b"" when it does so at once."""
    found = b""
    with contextlib.suppress(ConnectionError):
        while data := client.recv(65536):
            found += data
    return found


@pytest.mark.parametrize("sent", [
    b"\n", b"\0\xff\xfe\n", b"{}\n", b"[" * 100_000 + b"\n", b'{"version":1,"verb":"eat"}\n',
    b'{"version":9,"verb":"ping"}\n', b'{"version":1,"verb":"delete","uids":[1]}\n',
    b'{"version":1,"verb":"delete","uids":["../../../../etc"]}\n',
    b'{"version":1,"verb":"apply","sources":[{"name":"x","size":-1}]}\n',
    b'{"version":1,"verb":"apply","sources":[{"name":"x","size":99999999999}]}\n',
    b'{"version":1,"verb":"apply","sources":[{"name":"x","size":5}]}\n\0\0\0\0\0',
])  # fmt: skip
def test_nonsense_is_answered_with_an_error(other: Node, sent: bytes) -> None:
    with connect(other) as client:
        client.sendall(sent)
        client.shutdown(socket.SHUT_WR)
        said = answer(client)
    assert said.startswith((b'{"error"', b'{"done"')), said
    assert Path("/etc/passwd").exists()
    goes_on(other)


def test_a_gigabyte_costs_the_agent_a_bounded_amount_of_memory(other: Node) -> None:
    before = resident(other)
    with connect(other) as client:
        sent = 0
        with contextlib.suppress(ConnectionError):
            while sent < 1 << 30:
                sent += client.send(b"x" * MIB)
        assert sent < 100 * MIB
    assert resident(other) - before < 100 * MIB
    goes_on(other)


@pytest.fixture
def crowd(other: Node) -> Iterator[list[socket.socket]]:
    clients: list[socket.socket] = []
    yield clients
    for client in clients:
        client.close()


def test_half_a_message_and_silence_hold_nobody_up(other: Node, crowd: list[socket.socket]) -> None:
    halves = (b"", b'{"version":1,"ver', b'{"version":1,"verb":"apply","sources":['
              b'{"name":"x","size":1000000}]}\nkind: Po')  # fmt: skip
    for half in halves * 8:
        crowd.append(connect(other))
        crowd[-1].sendall(half)
    goes_on(other)
    for client in crowd:  # after ten seconds it is tired of them
        client.settimeout(30 * PATIENCE)
        assert b"done" not in answer(client)


def test_thousands_of_connections_leave_descriptors_and_room_for_others(
    other: Node, crowd: list[socket.socket]
) -> None:
    """What comes above a limit is hung up on at once; the rest when it says nothing."""
    pid = other.agent_pid()
    for _ in range(3000):
        crowd.append(connect(other))
    assert other.agent_pid() == pid
    other.wait_until(lambda: len(os.listdir(f"/proc/{pid}/fd")) < MAX_CLIENTS + 100)
    assert resident(other) < 300 * MIB
    other.wait_until(lambda: other.podrun("apply", "-f", "-", input=pod("other"), check=False)
                     .returncode == 0, timeout=40)  # fmt: skip
    goes_on(other)


def test_somebody_else_may_not_even_connect_and_is_refused_if_he_can(other: Node) -> None:
    """The mode of the socket keeps others out; SO_PEERCRED does where somebody has changed it."""
    path = other.paths.socket
    assert path.stat().st_mode & 0o777 == 0o600 and path.stat().st_uid == 0
    assert as_nobody(other) == b"PermissionError"
    path.chmod(0o666)
    try:
        assert b"only root may talk to the agent" in as_nobody(other)
    finally:
        path.chmod(0o600)
    goes_on(other)


def as_nobody(node: Node) -> bytes:
    read, write = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            os.setgroups([])
            os.setresgid(65534, 65534, 65534)
            os.setresuid(65534, 65534, 65534)
            with connect(node) as client:
                with contextlib.suppress(ConnectionError):  # refused unheard
                    client.sendall(b'{"version":1,"verb":"stop"}\n')
                os.write(write, answer(client))
        except BaseException as error:
            os.write(write, type(error).__name__.encode())
        finally:
            os._exit(0)
    os.close(write)
    with open(read, "rb") as file:
        said = file.read()
    os.waitpid(pid, 0)
    return said


# ── what a container may take ────────────────────────────────────────────────────────────────────


def test_a_fork_bomb_stops_at_the_pods_limit(leak_marks: set[str]) -> None:
    """Without a limit it takes every pid of the host."""
    own = Node(pod_pids_limit=200)
    leak_marks.add(own.mark)
    try:
        own.apply_text(pod("other"))
        bomb = (  # a shell would leave when it cannot fork
            "import os, time\nwhile True:\n  try:\n    if os.fork() == 0: time.sleep(1000)\n"
            "  except OSError: time.sleep(0.1)"
        )
        own.apply_text(pod("bomb", {"command": ["/usr/bin/python3", "-c", bomb]}), check=False)
        uid = own.pod("bomb")["metadata"]["uid"]
        group = Group(f"{own.config.cgroup_root}/besteffort/pod{uid}")
        (most,) = (d / "pids.max" for d in group.directories() if (d / "pids.max").exists())
        assert most.read_text() == "200\n"
        current = most.parent / "pids.current"
        own.wait_until(lambda: int(current.read_text()) >= 190)
        assert int(current.read_text()) <= 200
        goes_on(own)
        own.podrun("delete", "pod", "bomb", "--now", timeout=40)
    finally:
        own.close()


def test_inotify_handles_that_a_container_has_taken_away(fresh_node: Node) -> None:
    """128 for each user: root in a container is root to this limit. The agent does without."""
    fresh_node.apply_text(pod("other"))
    take = (
        "import ctypes, time; libc = ctypes.CDLL(None); n = 0\n"
        "while libc.inotify_init() >= 0: n += 1\nprint(n, flush=True); time.sleep(1000)"
    )
    fresh_node.apply_text(pod("taker", {"command": ["/usr/bin/env", "python3", "-c", take]}))
    fresh_node.wait_until(lambda: fresh_node.podrun("logs", "taker").stdout)
    goes_on(fresh_node)
    fresh_node.kill_agent()
    goes_on(fresh_node)  # the next one gets none at all
    fresh_node.podrun("delete", "pod", "taker", "--now")


def test_a_full_dev_shm_is_the_pods_own(other: Node) -> None:
    other.apply_text(pod("filler", {}, {}))
    before = os.statvfs("/dev/shm").f_bfree
    done = inside(other, "filler", "dd if=/dev/zero of=/dev/shm/x bs=1M count=100", check=False)
    assert "No space left" in done.stderr
    size = int(inside(other, "filler", "stat -c %s /dev/shm/x", "c1").stdout)
    assert size == 64 * MIB
    assert os.statvfs("/dev/shm").f_bfree >= before - (8 * MIB) // os.statvfs("/dev/shm").f_bsize
    assert inside(other, "other", "ls /dev/shm; echo x > /dev/shm/x").stdout == ""
    goes_on(other)


def _size(log: Path) -> int:
    """Nothing of one that was rotated away since it was seen."""
    try:
        return log.stat().st_size
    except FileNotFoundError:
        return 0


def test_an_endless_log_is_rotated_and_harms_nobody(leak_marks: set[str]) -> None:
    own = Node(log_max_bytes=100_000, log_max_files=2)
    leak_marks.add(own.mark)
    try:
        own.apply_text(pod("other"))
        limits = {"resources": {"limits": {"cpu": "300m"}}}
        own.apply_text(pod("chatter", {"command": ["yes", "x" * 2000], **limits}))
        logs = own.paths.log / "pods"
        own.wait_until(lambda: len(list(logs.glob("*chatter*/c0/0.log*"))) > 1)
        goes_on(own)
        used = sum(map(_size, logs.glob("*chatter*/c0/*")))
        assert used < 2_000_000
        own.podrun("delete", "pod", "chatter", "--now")
    finally:
        own.close()


def test_spinning_on_all_cores_delays_no_probe_of_others(node: Node) -> None:
    """Limited to a tenth of one CPU it gets that, and others' probes stay in time."""
    probe = {"exec": {"command": ["true"]}, "periodSeconds": 1, "timeoutSeconds": 5,
             "failureThreshold": 2}  # fmt: skip
    node.apply_text(pod("other"))
    node.apply_text(pod("probed", {"livenessProbe": probe}))
    spin = "for i in 1 2 3 4; do (while :; do :; done) & done; wait"
    limits = {"resources": {"limits": {"cpu": "100m"}}}
    node.apply_text(pod("spinner", {"command": ["sh", "-c", spin], **limits}))
    uid = node.pod("spinner")["metadata"]["uid"]
    (record,) = (r for r in control.records(node.paths.runtime) if r.pod_uid == uid)
    files = (directory / "cpu.stat" for directory in Group(record.cgroup).directories())
    stat = next(path for path in files if path.exists() and "nr_throttled" in path.read_text())

    def throttled() -> int:
        return next(int(line.split()[1]) for line in stat.read_text().splitlines()
                    if line.startswith("nr_throttled"))  # fmt: skip

    node.wait_until(lambda: throttled() > 10)
    goes_on(node)
    assert node.status("probed")["containerStatuses"][0]["restartCount"] == 0


# ── groups ───────────────────────────────────────────────────────────────────────────────────────


def test_exactly_the_groups_that_were_asked_for(node: Node) -> None:
    """CVE-2022-2989: the primary group left out of the list can be given up, and with it what its
    members may not read; or those of whoever started the runtime are kept."""
    node.apply_text(
        pod("groups", context(runAsUser=1234, runAsGroup=5678),
            securityContext={"supplementalGroups": [4, 70000], "fsGroup": 9,
                             "supplementalGroupsPolicy": "Strict"})
    )  # fmt: skip
    probe = inside(node, "groups", "grep Groups /proc/1/status; grep Groups /proc/self/status")
    for line in probe.stdout.splitlines():
        assert sorted(map(int, line.split()[1:])) == [4, 9, 5678, 70000]
