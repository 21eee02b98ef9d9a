"""Namespaces as a tree, disk use, and the checks that need no root."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from podrun.api.pod import Volume
from podrun.api.selectors import PersistentVolumeClaimVolumeSource
from podrun.cli import checks, system
from podrun.cli.block import Headed, Value, block
from podrun.cli.diskuse import disk_use
from podrun.cli.imagestore import size as size_text
from podrun.cli.namespaces import Member, draw
from podrun.cli.prune import prune
from podrun.linux.diskuse import bytes_of
from podrun.node.config import Config
from podrun.node.paths import Paths
from tests.unit.cli_node import Cli, Done

HOST = {"net": 1, "ipc": 2, "uts": 3, "pid": 4, "mnt": 5, "cgroup": 6, "user": 7}


def member(name: str, number: int, **inodes: int) -> Member:
    return Member(name, number, {**HOST, **inodes})


def test_the_tree_of_namespaces() -> None:
    pause = member("pause", 10, net=11, ipc=12, uts=13, mnt=15)
    app = member("app", 20, net=11, ipc=12, uts=13, pid=24, mnt=25, cgroup=26)
    log = member("log", 30, net=11, ipc=12, uts=13, pid=34, mnt=35, cgroup=36)
    assert "\n".join(draw(pause, [app, log], HOST)) == (
        "pause (process 10)\n"
        "│    holds   net 11, ipc 12, uts 13, mnt 15\n"
        "│    host's  pid, cgroup, user\n"
        "├─ app (process 20)\n"
        "│    shares  net, ipc, uts\n"
        "│    own     pid 24, mnt 25, cgroup 26\n"
        "│    host's  user\n"
        "└─ log (process 30)\n"
        "     shares  net, ipc, uts\n"
        "     own     pid 34, mnt 35, cgroup 36\n"
        "     host's  user"
    )


def test_a_shared_pid_namespace_and_the_hosts_network() -> None:
    pause = member("pause", 10, ipc=12, pid=14, mnt=15)
    app = member("app", 20, ipc=12, pid=14, mnt=25, cgroup=26)
    lines = list(draw(pause, [app], HOST))
    assert "     shares  ipc, pid" in lines
    assert "     host's  net, uts, user" in lines


def test_blocks_keep_scalars_in_one_column() -> None:
    values: dict[str, Value] = {
        "Name": "web",
        "Longer name": "a\nb",
        "In": {"x": "1", "list": ["p", "q"]},
        "No": "",
    }
    assert list(block(values)) == [
        "Name:         web",
        "Longer name:  a",
        "              b",
        "In:",
        "  x:  1",
        "  list:",
        "    p",
        "    q",
        "No:",
    ]


def test_details_of_one_name_do_not_overwrite_each_other() -> None:
    values: dict[str, Value] = {
        "State": Headed("Waiting", {"Reason": "CrashLoopBackOff"}),
        "Last State": Headed("Terminated", {"Reason": "OOMKilled"}),
    }
    assert list(block(values)) == [
        "State:       Waiting",
        "  Reason:    CrashLoopBackOff",
        "Last State:  Terminated",
        "  Reason:    OOMKilled",
    ]


def test_disk_use_counts_blocks_once(tmp_path: Path) -> None:
    config = Config(state_root=str(tmp_path / "state"), log_root=str(tmp_path / "log"))
    paths = Paths(config)
    upper = paths.pods / "u1" / "containers" / "app" / "0" / "upper"
    upper.mkdir(parents=True)
    (upper / "file").write_bytes(b"x" * 100_000)
    os.link(upper / "file", upper / "other-name")
    (upper / "out").symlink_to("/usr")
    with (upper / "hole").open("wb") as file:
        file.truncate(1 << 30)
    uses = {each.kind: each for each in disk_use(config)}
    assert uses["writable layers"].count == 1
    assert uses["writable layers"].reclaimable == uses["writable layers"].bytes  # of no pod
    assert 100_000 <= uses["writable layers"].bytes < 300_000
    assert uses["images"].bytes == uses["logs"].bytes == 0
    assert bytes_of([tmp_path / "none"]) == 0


def test_what_claims_hold_is_counted_and_never_reclaimable(cli: Cli) -> None:
    stored = cli.pod("web")
    claim = PersistentVolumeClaimVolumeSource(claim_name="data")
    volume = Volume(name="v", persistent_volume_claim=claim)
    spec = msgspec.structs.replace(stored.pod.spec, volumes=(volume,))
    stored.pod = msgspec.structs.replace(stored.pod, spec=spec)
    cli.save(stored)
    for name in ("data", "old"):
        (cli.paths.claims / "default" / name).mkdir(parents=True)
    (cli.paths.claims / "default" / "old" / "file").write_bytes(b"x" * 100_000)
    (cli.paths.objects / "configmaps").mkdir(parents=True)
    (cli.paths.objects / "configmaps" / "one.json").write_text("{}")
    uses = {each.kind: each for each in disk_use(cli.config)}
    claims, objects = uses["claims"], uses["objects"]
    assert (claims.count, claims.active, claims.reclaimable) == (2, 1, 0)
    assert 100_000 <= claims.bytes < 300_000
    assert [(item.name, item.users) for item in claims.items] == [
        ("default/data", ("default/web",)),
        ("default/old", ()),
    ]
    assert (objects.count, objects.reclaimable) == (1, 0)
    prune(cli.config, all_unused=True)
    assert (cli.paths.claims / "default" / "old" / "file").exists()
    assert (cli.paths.objects / "configmaps" / "one.json").exists()


@pytest.mark.parametrize(
    ("size", "text"),
    [(0, "0 B"), (999, "999 B"), (1536, "1.5 kB"), (1 << 30, "1.1 GB"), (2 * 10**12, "2.0 TB")],
)
def test_sizes(size: int, text: str) -> None:
    assert size_text(size) == text


def test_an_old_kernel_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    uname = os.uname()
    for release, level in (("5.14.21-x", checks.FAIL), ("5.15.0", checks.OK), ("6.1.0-42", "ok")):
        parts = (uname.sysname, uname.nodename, release, uname.version, uname.machine)
        monkeypatch.setattr(os, "uname", lambda parts=parts: os.uname_result(parts))
        assert checks.kernel().level == level


def test_binaries_of_another_processor_are_found_out(tmp_path: Path) -> None:
    program = tmp_path / "pause"
    assert "missing" in checks._binary_problem(program, "x86_64")
    program.write_bytes(b"\x7fELF" + b"\0" * 14 + (183).to_bytes(2, "little") + b"\0" * 40)
    assert "not executable" in checks._binary_problem(program, "aarch64")
    program.chmod(0o755)
    assert checks._binary_problem(program, "aarch64") == ""
    assert "another processor" in checks._binary_problem(program, "x86_64")


def test_little_space_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    paths = Paths(Config(state_root=str(tmp_path / "not" / "there")))
    real = os.statvfs(tmp_path)

    def blocks(free: int) -> None:
        values = list(real)[:10]
        values[4], values[6], values[8] = free // real.f_frsize, 10, 10
        monkeypatch.setattr(os, "statvfs", lambda path: os.statvfs_result(values))

    for free, level in ((10 << 20, checks.FAIL), (500 << 20, checks.WARN), (2 << 30, checks.OK)):
        blocks(free)
        assert checks.disk_space(paths).level == level


def test_a_child_reports_its_failure() -> None:
    def fail() -> str:
        raise OSError(1, "Operation not permitted", "fsopen")

    assert "not permitted" in checks.in_child(fail)
    assert checks.in_child(lambda: "well") == "well"


def test_a_broken_probe_is_a_line(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken() -> checks.Found:
        raise OSError(5, "Input/output error", "/proc/self/status")

    monkeypatch.setattr(checks, "capabilities", broken)
    monkeypatch.setattr(checks, "network", lambda config: iter(()))
    monkeypatch.setattr(checks, "overlayfs", lambda paths: checks.Found("overlayfs", "ok", ""))
    monkeypatch.setattr(checks, "cgroups", lambda config: checks.Found("cgroups", "ok", ""))
    found = {each.name: each for each in checks.all_checks(Config())}
    assert found["capabilities"].level == checks.FAIL
    assert "Input/output error" in found["capabilities"].detail
    assert "disk space" in found


@pytest.mark.parametrize("args", [("check",), ("reset", "--force")])
def test_only_root(cli: Cli, monkeypatch: pytest.MonkeyPatch, args: tuple[str, ...]) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    done = cli("system", *args)
    assert done.code == 1 and "run it with sudo" in done.err


def test_reset_asks_or_is_forced(cli: Cli, as_root: None) -> None:
    done = cli("system", "reset")
    assert done.code == 2 and "--force" in done.err


def test_prune_asks_or_is_forced(cli: Cli, as_root: None) -> None:
    done = cli("system", "prune")
    assert done.code == 2 and "--force" in done.err
    done = cli("system", "prune", "--all", "--force")
    assert (done.code, done.out, done.err) == (0, "", "0 B freed\n")


def test_prune_takes_what_belongs_to_no_pod(cli: Cli, as_root: None) -> None:
    kept = cli.pod("web").paths
    kept.logs.mkdir(parents=True)
    logs, pods = cli.paths.log / "pods", cli.paths.pods
    (logs / "default_old_u-old/app").mkdir(parents=True)
    (logs / "default_old_u-old/app/0.log").write_bytes(bytes(100_000))
    for uid, age in (("u-half", 3600), ("u-being-made", 1)):
        (pods / uid / "volumes/v").mkdir(parents=True)
        then = time.time() - age
        os.utime(pods / uid, (then, then))
    (logs / "default_new_u-being-made").mkdir()
    done = cli("system", "prune", "--force")
    assert done.out.splitlines() == [
        f"{logs}/default_old_u-old removed", f"{pods}/u-half removed",
    ]  # fmt: skip
    assert done.err.endswith("kB freed\n")
    assert (pods / "u-being-made/volumes/v").is_dir()
    assert kept.pod.exists() and kept.logs.is_dir()
    assert cli("system", "prune", "--force").out == ""


def test_df_and_version(cli: Cli) -> None:
    assert cli("system", "df").out.splitlines()[0].split() == [
        "TYPE", "COUNT", "ACTIVE", "SIZE", "RECLAIMABLE",
    ]  # fmt: skip
    assert '"kind": "images"' in cli("system", "df", "-o", "json").out
    assert cli("system", "df", "-o", "jsonpath={.uses[*].count}").out.split() == ["0"] * 7
    assert "writable layers:\nNAME" in cli("system", "df", "-v").out
    assert cli("version").out.splitlines()[0].split() == ["podrun", "0.1.0"]
    assert "kernel: " in cli("version", "-o", "yaml").out
    assert cli("explain", "pod.spec.nope").code == 1


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root, to be somebody else for a while")
def test_who_is_not_root_is_told_that_there_is_more(cli: Cli, tmp_path: Path) -> None:
    for path in (tmp_path, *tmp_path.parents):
        if path.stat().st_uid == os.geteuid() and str(path) != "/tmp" and path != Path("/"):
            path.chmod(0o755)
    for name in ("mine", "hidden"):
        volume = cli.pod(name).paths.volume("v")
        volume.mkdir(parents=True)
        (volume / "file").write_bytes(b"x" * 50_000)
    cli.paths.images.mkdir(mode=0o700)
    whole = cli("system", "df")  # loads what nobody could not
    assert whole.code == 0 and "+" not in whole.out and whole.err == ""
    (cli.paths.pods / "uid-default-hidden").chmod(0o700)
    told = as_nobody(lambda: cli("system", "df"))
    assert told.code == 0
    rows = {line.split("   ")[0]: line.split()[-4:] for line in told.out.splitlines()}
    assert rows["images"] == ["-", "-", "-", "-"]
    assert rows["volumes"][0] == "1+" and rows["volumes"][-1] == "-"
    assert told.err.startswith("note: not all could be read of images, unpacked layers, ")
    assert told.err.endswith(": run it with sudo\n") and "objects" not in told.err


def as_nobody(act: Callable[[], Done]) -> Done:
    """Done by a child without any rights."""
    there, here = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            os.setgroups([])
            os.setresgid(65534, 65534, 65534)
            os.setresuid(65534, 65534, 65534)
            os.write(here, msgspec.json.encode(act()))
        finally:
            os._exit(0)
    os.close(here)
    with open(there, "rb") as answer:
        told = answer.read()
    os.waitpid(pid, 0)
    return msgspec.json.decode(told, type=Done)


def test_the_question_of_reset_names_every_root(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []
    monkeypatch.setattr(system, "_agreed", asked.append)
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    assert cli("system", "reset").code == 1
    for root in (cli.config.state_root, cli.config.run_root, cli.config.log_root):
        assert root in asked[0]
