"""What the monitor leaves behind and takes up: the agent it starts, descriptors, memory."""

from __future__ import annotations

import contextlib
import os
import socket
from pathlib import Path

import pytest

from tests.integration.monitor_harness import BIN, monitor
from tests.node import wait_until

# ── the agent ────────────────────────────────────────────────────────────────────────────────────

AGENT = """
env | sort > {0}/new
cat /proc/$$/status | grep -E '^Sig(Blk|Ign)' >> {0}/new
ls -l /proc/$$/fd >> {0}/new
echo sid $(ps -o sid= -p $$) pid $$ cwd $PWD >> {0}/new
mv {0}/new {0}/agent
"""


#: 32 and 33 belong to the C library; whoever started the tests (make) may hand them on ignored
_GLIBC_SIGNALS = 0x180000000


def test_starts_an_agent_when_nobody_listens(
    binary: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PODRUN_CONFIG", "/some/file")
    agent = ["/bin/sh", "-c", AGENT.format(tmp_path)]
    with monitor(binary, tmp_path, "exit 0", agent=agent) as m:
        m.wait()
        wait_until((tmp_path / "agent").exists)
    told = (tmp_path / "agent").read_text()
    environment = {line.split("=")[0] for line in told.splitlines() if "=" in line}
    assert environment - {"PWD", "OLDPWD", "SHLVL", "_"} == {"PATH", "PODRUN_CONFIG"}
    assert "SigBlk:\t0000000000000000" in told
    ignored = int(told.split("SigIgn:\t")[1].split()[0], 16)
    assert ignored & ~_GLIBC_SIGNALS == 0
    assert "cwd /\n" in told
    assert all("/dev/null" in line or "new" in line for line in told.splitlines() if "->" in line)
    sid, pid = told.split("sid ")[1].split()[0], told.split("pid ")[1].split()[0]
    assert sid != str(os.getsid(0))
    assert sid != pid  # not the leader: it can never get a terminal


def test_starts_an_agent_when_a_dead_one_left_its_socket(binary: Path, tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(tmp_path / "agent.sock"))
    agent = ["/usr/bin/touch", str(tmp_path / "agent")]
    with monitor(binary, tmp_path, "exit 0", agent=agent) as m:
        m.wait()
        wait_until((tmp_path / "agent").exists)


def test_starts_no_agent_when_one_listens(binary: Path, tmp_path: Path) -> None:
    agent = ["/usr/bin/touch", str(tmp_path / "agent")]
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(tmp_path / "agent.sock"))
        listener.listen(1)
        with monitor(binary, tmp_path, "exit 0", agent=agent) as m:
            m.wait()
        listener.settimeout(5)
        listener.accept()[0].close()
    assert not (tmp_path / "agent").exists()


# ── what it costs and holds ──────────────────────────────────────────────────────────────────────


def test_holds_only_what_it_was_given(binary: Path, tmp_path: Path) -> None:
    kept = {"/dev/null", str(tmp_path), str(tmp_path / "0.log"), "anon_inode:[signalfd]"}

    def starter(_: int) -> None:
        os.set_inheritable(os.open(__file__, os.O_RDONLY), True)
        os.dup2(os.open(__file__, os.O_RDONLY), 200, inheritable=True)

    with monitor(binary, tmp_path, "exec sleep 1000", starter=starter) as m:
        m.report()
        held = {fd.name: os.readlink(fd) for fd in Path(f"/proc/{m.pid}/fd").iterdir()}
        assert [held[name] for name in "012"] == ["/dev/null"] * 3
        others = [held[name] for name in held if held[name] not in kept]
        assert sorted(other.split(":")[0] for other in others) == ["pipe", "pipe", "socket"]
        assert os.readlink(f"/proc/{m.pid}/cwd") == "/"


def proportional_kib(pid: int) -> int:
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
        if line.startswith("Pss:"):
            return int(line.split()[1])
    raise AssertionError("no Pss")


def test_ten_of_them_are_small_after_much_output(tmp_path: Path) -> None:
    script = "yes $(printf %099d 0) | head -c 20000000; echo done; exec sleep 1000"
    with contextlib.ExitStack() as stack:
        all_ten = [
            stack.enter_context(
                monitor(BIN / "monitor", tmp_path / str(i), script, log_max=1 << 20)
            )
            for i in range(10)
        ]
        for m in all_ten:
            wait_until(lambda m=m: m.wrote(b"stdout F done"), 60)  # type: ignore[misc]
        assert max(proportional_kib(m.pid) for m in all_ten) <= 128
