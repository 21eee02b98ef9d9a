"""Commands in real containers, as exec probes and hooks run them (semantics §6, §13)."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from podrun.agent import worker
from podrun.cgroup.group import Group
from podrun.container import control
from podrun.container.spec import ContainerRecord
from podrun.container.user import User
from podrun.errors import NotFound
from podrun.linux import namespace, process
from podrun.probe import command
from podrun.probe.command import Entrance
from podrun.probe.outcome import KEPT_BYTES, Outcome
from podrun.probe.ready import readable
from tests.node import Node, pod_text, wait_until

SPEC = """
  {spec}
  containers:
  - name: a
    image: localhost/host
    command: [sh, -c, "exec sleep 100000"]
    {container}
"""


def started(node: Node, container: str = "", spec: str = "") -> ContainerRecord:
    node.apply_text(pod_text("cmd", SPEC.format(container=container, spec=spec)))
    return next(r for r in control.records(node.paths.runtime) if r.name == "a")


async def entrance(record: ContainerRecord) -> Entrance:
    who = await worker.run(command.resolve_user, record)
    return Entrance(record, User(**who))


def run(record: ContainerRecord, *words: str, timeout: float | None = 10.0) -> Outcome:
    async def one() -> Outcome:
        inside = await entrance(record)
        try:
            return await command.run(inside, words, timeout)
        finally:
            inside.close()

    return asyncio.run(one())


def output(record: ContainerRecord, script: str) -> str:
    outcome = run(record, "sh", "-c", script)
    assert outcome.kind == "success", outcome
    return outcome.message


@pytest.fixture
def plain(node: Node) -> Iterator[ContainerRecord]:
    yield started(node)


def test_exit_0_is_success_and_the_output_is_kept(plain: ContainerRecord) -> None:
    assert run(plain, "sh", "-c", "echo out; echo err >&2") == Outcome("success", "out\nerr\n")


def test_any_other_end_is_a_failure(plain: ContainerRecord) -> None:
    assert run(plain, "sh", "-c", "echo no; exit 3") == Outcome("failure", "no\n")
    assert run(plain, "false") == Outcome("failure", "command exited with 1")
    assert run(plain, "sh", "-c", "kill -9 $$").message == "command was ended by signal 9"


def test_a_command_that_is_not_there_is_an_error(plain: ContainerRecord) -> None:
    text = 'exec "no-such-thing": executable file not found in $PATH'
    assert run(plain, "no-such-thing") == Outcome("error", text)
    assert run(plain, "/etc/passwd") == Outcome("error", 'exec "/etc/passwd": Permission denied')
    assert run(plain, "/no/such").kind == "error"


def test_output_beyond_10_kib_is_read_and_forgotten(plain: ContainerRecord) -> None:
    outcome = run(plain, "sh", "-c", "head -c 3000000 /dev/zero | tr '\\0' x")
    assert outcome == Outcome("success", "x" * KEPT_BYTES)


def test_what_goes_on_in_the_background_is_not_waited_for(plain: ContainerRecord) -> None:
    begun = time.monotonic()
    assert run(plain, "sh", "-c", "sleep 100 & echo done") == Outcome("success", "done\n")
    assert time.monotonic() - begun < 20


def test_it_runs_in_every_namespace_and_cgroup_of_the_container(plain: ContainerRecord) -> None:
    kinds = [kind for kind in namespace.FLAGS if kind != "user"]
    script = f"for n in {' '.join(kinds)}; do readlink /proc/self/ns/$n; done"
    expected = [f"{kind}:[{namespace.inode(plain.pid, kind)}]" for kind in kinds]
    assert output(plain, script).split() == expected
    # Seen from the host, while it runs: the container's own cgroups, all of them.
    seen = output(plain, "cat /proc/self/cgroup")
    assert Path(plain.cgroup).name not in seen  # its cgroup namespace has them as the root
    assert {line.rpartition(":")[2] for line in seen.split()} >= {"/"}


def test_it_is_in_the_containers_cgroup(plain: ContainerRecord) -> None:
    group = Group(plain.cgroup)

    async def look() -> int:
        inside = await entrance(plain)
        before = set(group.pids())
        task = asyncio.create_task(command.run(inside, ("sleep", "30"), 20.0))
        while not set(group.pids()) - before:
            await asyncio.sleep(0.01)
        more = len(set(group.pids()) - before)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        inside.close()
        return more

    assert asyncio.run(look()) >= 1
    wait_until(lambda: len(live(group)) == 1)


def live(group: Group) -> list[int]:
    found = [(pid, process.stat(pid)) for pid in group.pids()]
    return [pid for pid, stat in found if stat is not None and stat.state not in "ZX"]


def test_a_timeout_is_a_failure_and_ends_its_children_too(plain: ContainerRecord) -> None:
    script = "trap '' TERM INT; sleep 1000 & sleep 1000"
    outcome = run(plain, "sh", "-c", script, timeout=0.3)
    text = f'command timed out: "sh -c {script}" timed out after 0.3s'
    assert outcome == Outcome("failure", text)
    wait_until(lambda: len(live(Group(plain.cgroup))) == 1, what="only the container itself")


def test_cancelling_ends_the_command(plain: ContainerRecord) -> None:
    async def cancel() -> None:
        inside = await entrance(plain)
        task = asyncio.create_task(command.run(inside, ("sleep", "1000"), None))
        while len(live(Group(plain.cgroup))) < 2:  # the container, the command
            await asyncio.sleep(0.01)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        while len(live(Group(plain.cgroup))) > 1:
            await asyncio.sleep(0.01)
        inside.close()

    asyncio.run(asyncio.wait_for(cancel(), 20))


def test_a_command_does_not_outlive_the_agent(plain: ContainerRecord) -> None:
    """The agent here is a forked process that is killed with -9."""
    pid = os.fork()
    if pid == 0:
        try:
            run(plain, "sleep", "1000", timeout=None)
        finally:
            os._exit(0)
    wait_until(lambda: len(live(Group(plain.cgroup))) == 2)
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    wait_until(lambda: len(live(Group(plain.cgroup))) == 1, what="only the container itself")


def test_no_descriptor_of_the_agent_reaches_the_command(plain: ContainerRecord) -> None:
    # not by a pipe: the shell itself holds its ends for a moment
    look = "for fd in $(seq 0 99); do [ -e /proc/$$/fd/$fd ] && echo $fd; done; true"
    assert output(plain, look).split() == ["0", "1", "2"]
    assert output(plain, "readlink /proc/$$/fd/0").strip() == "/dev/null"


def test_signals_are_as_execve_should_find_them(plain: ContainerRecord) -> None:
    rows = dict(row.split(":\t") for row in output(plain, "cat /proc/self/status").splitlines())
    mask = sum(1 << number - 1 for number in signal.valid_signals())  # libc keeps some for itself
    assert int(rows["SigBlk"], 16) & mask == int(rows["SigIgn"], 16) & mask == 0


def test_user_rights_directory_and_environment_are_the_containers(node: Node) -> None:
    record = started(
        node,
        container="""workingDir: /tmp
    env: [{name: A, value: "1"}]
    securityContext:
      runAsUser: 1234
      runAsGroup: 2345
      allowPrivilegeEscalation: false
      capabilities: {drop: [ALL]}""",
        spec="securityContext: {supplementalGroups: [77]}",
    )
    assert output(record, "id -u; id -g; id -G").split() == ["1234", "2345", "2345", "77"]
    assert output(record, "pwd; echo $A $HOME").split() == ["/tmp", "1", "/"]
    rows = dict(row.split(":\t") for row in output(record, "cat /proc/self/status").splitlines())
    main = dict(
        row.split(":\t") for row in Path(f"/proc/{record.pid}/status").read_text().splitlines()
    )
    for key in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb", "NoNewPrivs", "Uid", "Gid"):
        assert rows[key] == main[key], key
    assert rows["CapBnd"] == "0" * 16 and rows["NoNewPrivs"] == "1"


def test_root_has_the_containers_capabilities_and_no_more(plain: ContainerRecord) -> None:
    rows = dict(row.split(":\t") for row in output(plain, "cat /proc/self/status").splitlines())
    main = dict(
        row.split(":\t") for row in Path(f"/proc/{plain.pid}/status").read_text().splitlines()
    )
    for key in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb", "NoNewPrivs"):
        assert rows[key] == main[key], key
    inside = output(plain, "cat /proc/self/oom_score_adj")
    assert inside == Path(f"/proc/{plain.pid}/oom_score_adj").read_text()


def test_nobody_can_look_into_the_helper(node: Node) -> None:
    """With the host's processes in sight: the helper has the agent's rights until execve."""
    record = started(node, spec="hostPID: true")
    assert output(record, "cat /proc/1/comm").strip()
    outcome = run(record, "sh", "-c", "cat /proc/$PPID/environ | wc -c; readlink /proc/$PPID/exe")
    assert "enter" not in outcome.message or outcome.kind == "failure"


def test_a_container_that_has_ended_is_an_error(node: Node) -> None:
    record = started(node)

    async def late() -> Outcome:
        inside = await entrance(record)
        control.kill(record)
        pidfd = process.pidfd_of(record.pid, record.start_time)
        if pidfd is not None:
            await readable(pidfd)
            os.close(pidfd)
        try:
            return await command.run(inside, ("true",), 5.0)
        finally:
            inside.close()

    assert asyncio.run(late()).kind == "error"
    with pytest.raises(NotFound):
        asyncio.run(entrance(record))


def test_nothing_is_left_in_the_agent(plain: ContainerRecord) -> None:
    children = Path(f"/proc/self/task/{os.getpid()}/children")
    before = set(os.listdir("/proc/self/fd")), children.read_text()
    for _ in range(3):
        run(plain, "true")
        run(plain, "sleep", "9", timeout=0.05)
    assert (set(os.listdir("/proc/self/fd")), children.read_text()) == before
