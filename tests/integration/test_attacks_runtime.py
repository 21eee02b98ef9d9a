"""Attacks on podrun's own programs, and on the descriptors they hold while they are inside."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from podrun.container import control
from podrun.container.launch import MONITOR
from podrun.linux import sealed
from podrun.probe.command import ENTER
from podrun.sandbox.pause import BINARY as PAUSE
from tests.integration.test_rights import inside, pod
from tests.node import Node

OURS = (Path(sys.executable).resolve(), MONITOR, ENTER, PAUSE)

#: what a program of ours does once it runs inside: 1 when its mount lets nobody write
SEALED = "import os; print(os.fstatvfs(os.open('/proc/self/exe', 0)).f_flag & 1, flush=True)"


def digests() -> list[str]:
    return [hashlib.sha256(path.read_bytes()).hexdigest() for path in OURS]


@pytest.fixture(autouse=True)
def programs_unchanged() -> Iterator[None]:
    before = digests()
    yield
    assert digests() == before, "a container has changed a program of the host"


def log_of(node: Node, name: str) -> str:
    return node.wait_until(lambda: node.podrun("logs", name, check=False).stdout, what="the log")


# ── CVE-2019-5736 ────────────────────────────────────────────────────────────────────────────────


def test_an_entrypoint_that_is_our_own_program(node: Node) -> None:
    """/proc/self/exe is the interpreter of whoever becomes the application. The container keeps
    a descriptor of it, waits until it runs nowhere, and writes: the next agent is its own code.
    Against a mount that is read-only, all descriptors of it are."""
    node.apply_text(
        pod("exe", {"command": ["/proc/self/exe", "-c", SEALED]}, restartPolicy="Never")
    )
    assert log_of(node, "exe") == "1\n"


def test_a_command_or_a_script_that_executes_our_own_program(node: Node) -> None:
    """The same with ``podrun exec``: directly, through a link, and by a script's first line, which
    the kernel resolves itself, after all that podrun could check."""
    node.apply_text(pod("exe2"))
    inside(node, "exe2", "ln -s /proc/self/exe /link; echo '#!/proc/self/exe' > /x; chmod 755 /x")
    inside(node, "exe2", f'echo "{SEALED}" >> /x')
    for command in (["/proc/self/exe", "-c", SEALED], ["/link", "-c", SEALED], ["/x"]):
        assert node.podrun("exec", "exe2", "--", *command).stdout == "1\n", command


def test_a_script_as_entrypoint_that_executes_our_own_program(node: Node) -> None:
    """The second run finds the script that the first one left in the pod's volume."""
    script = f"#!/proc/self/exe\n{SEALED}\n"
    mounts = {"volumeMounts": [{"name": "v", "mountPath": "/v"}]}
    write = ["sh", "-c", 'printf %s "$TEXT" > /v/x; chmod 755 /v/x']
    first = {"name": "first", "image": "localhost/host", "command": write, **mounts,
             "env": [{"name": "TEXT", "value": script}]}  # fmt: skip
    node.apply_text(
        pod(
            "exe3",
            {"command": ["/v/x"], **mounts},
            initContainers=[first],
            volumes=[{"name": "v", "emptyDir": {}}],
            restartPolicy="Never",
        )
    )
    assert log_of(node, "exe3") == "1\n"


CATCH = """
import errno, os, signal, time
own, caught, said = os.getpid(), None, "ETXTBSY"
while caught is None:
    for pid in [int(name) for name in os.listdir("/proc") if name.isdecimal() and int(name) != own]:
        try:
            os.kill(pid, signal.SIGSTOP)
            caught = os.open(f"/proc/{pid}/exe", os.O_RDONLY)
            os.kill(pid, signal.SIGKILL)
        except PermissionError:
            os.kill(pid, signal.SIGCONT)
        except OSError:
            pass
while said == "ETXTBSY":
    try:
        os.open(f"/proc/self/fd/{caught}", os.O_WRONLY)
        said = "WRITABLE"
    except OSError as error:
        said = errno.errorcode[error.errno]
print(said, flush=True)
time.sleep(60)
"""


def test_a_probe_that_executes_its_own_helper(node: Node) -> None:
    """The container makes the probe's helper run itself inside, where the container's root may
    look at it; stops and continues it until it does; takes its /proc/PID/exe, ends it, and opens
    its file for writing."""
    probe = {"exec": {"command": ["/proc/self/exe"]}, "periodSeconds": 1, "timeoutSeconds": 5}
    program = {"command": [os.path.realpath(sys.executable), "-c", CATCH]}
    node.apply_text(pod("exe4", {**program, "readinessProbe": probe}))
    assert log_of(node, "exe4") == "EROFS\n"


def test_the_agent_runs_from_a_read_only_mount_whoever_started_it(fresh_node: Node) -> None:
    """By a command, by a monitor at the end of a container, or by hand."""

    def flags() -> int:
        pid = fresh_node.wait_until(fresh_node.agent_pid)
        assert Path(f"/proc/{pid}/comm").read_text() == "podrun-agent\n"
        return os.statvfs(f"/proc/{pid}/exe").f_flag & os.ST_RDONLY

    fresh_node.apply_text(pod("short", {"command": ["sleep", "1000"]}, restartPolicy="Never"))
    assert flags()
    fresh_node.kill_agent()
    (record,) = control.records(fresh_node.paths.runtime)
    os.kill(record.pid, signal.SIGKILL)
    assert flags()  # the monitor's


def test_a_program_that_is_sealed_stays_what_it_is(tmp_path: Path) -> None:
    program = tmp_path / "program"
    program.write_text("x")
    fd = sealed.open_program(program)
    try:
        with pytest.raises(OSError, match="Read-only"):
            os.open(sealed.path_of(fd), os.O_WRONLY)
        assert Path(sealed.path_of(fd)).read_text() == "x"
    finally:
        os.close(fd)


# ── processes of ours that a container sees ──────────────────────────────────────────────────────


def test_pause_gives_nothing_of_the_host_away(node: Node) -> None:
    """With shareProcessNamespace PID 1 is pause, which has the container's user: its root, its
    program and its directory are open to the container."""
    node.apply_text(pod("shared", shareProcessNamespace=True))
    script = "ls /proc/1/root /proc/1/cwd; ls /proc/1/fd | wc -l; stat -f -c %T /proc/1/exe"
    lines = inside(node, "shared", script).stdout.split()
    assert lines == ["/proc/1/cwd:", "dev", "pause", "/proc/1/root:", "dev", "pause", "0", "tmpfs"]


# ── CVE-2024-21626 ───────────────────────────────────────────────────────────────────────────────


def descriptors(node: Node, *command: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(node.podrun(*command).stdout)
    return found


LIST = (
    "import os, json; print(json.dumps({n: os.readlink(f'/proc/self/fd/{n}')"
    " for n in os.listdir('/proc/self/fd') if os.path.lexists(f'/proc/self/fd/{n}')}), flush=True)"
)


def test_no_descriptor_but_three_in_the_application_and_in_commands(node: Node) -> None:
    """A directory of the host among them would be a way out by ``cd /proc/self/fd/7/../..``."""
    program = [os.path.realpath(sys.executable), "-c", LIST]
    node.apply_text(pod("fds", {"command": program}, restartPolicy="Never"))
    assert set(json.loads(log_of(node, "fds"))) == {"0", "1", "2"}
    node.apply_text(pod("fds2", {"stdin": True, "tty": True}))
    for flags in ((), ("-i",)):
        found = descriptors(node, "exec", *flags, "fds2", "--", *program)
        assert set(found) == {"0", "1", "2"}


def test_no_descriptor_but_three_in_probes_and_hooks(node: Node) -> None:
    script = "ls -l /proc/self/fd > /fds.new && mv /fds.new /fds"
    probe = {"exec": {"command": ["sh", "-c", script]}, "periodSeconds": 1}
    node.apply_text(pod("fds3", {"readinessProbe": probe}), "--wait")
    lines = inside(node, "fds3", "cat /fds").stdout.splitlines()[1:]
    # ls itself holds the directory it lists
    assert [line.split()[8] for line in lines if "/proc/" not in line.split()[-1]] == [
        "0",
        "1",
        "2",
    ]


def test_a_working_directory_that_is_a_descriptor_of_ours(node: Node) -> None:
    """Every number that could be a directory of the host, as the container's workingDir."""
    containers = [{"workingDir": f"/proc/self/fd/{n}", "command": ["pwd", "-P"]} for n in range(21)]
    node.apply_text(pod("cwd", *containers[3:], restartPolicy="Never"), check=False)
    node.wait_until(lambda: node.status("cwd").get("phase") == "Failed", timeout=60)
    for status in node.status("cwd")["containerStatuses"]:
        if status["state"]["terminated"]["exitCode"] != 128:  # its own directory of descriptors
            assert node.podrun("logs", "cwd", "-c", status["name"]).stdout == "/proc/1/fd\n"


def test_a_working_directory_that_becomes_a_descriptor_of_ours(node: Node) -> None:
    """A link takes its place once the container runs: what joins it later holds descriptors, too,
    among them (with AppArmor) one of the host's /proc."""
    probe = {"exec": {"command": ["sh", "-c", "pwd -P >> /pwds"]}, "periodSeconds": 1}
    node.apply_text(pod("cwd2", {"workingDir": "/work/dir", "readinessProbe": probe}))
    inside(node, "cwd2", "rmdir /work/dir; ln -s /proc/self/fd/5 /work/dir")
    done = node.podrun("exec", "cwd2", "--", "pwd", "-P", check=False)
    assert done.returncode != 0 and "Too many levels" in done.stderr, done.stdout

    def told() -> str:
        said = node.podrun("describe", "pod", "cwd2").stdout
        return said if 'change to the working directory "/work/dir"' in said else ""

    said = node.wait_until(told)
    assert "Symbolic link loop" in said or "Too many levels" in said  # musl and glibc
