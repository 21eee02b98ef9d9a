"""Containers of images that were made to hurt: their /etc, their links, their entrypoints."""

from __future__ import annotations

import os
import platform
import secrets
import shutil
import struct
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.node import Node, pod_text

POD = pod_text(
    "NAME",
    """
  volumes: [{name: v, emptyDir: {}}]
  containers:
  - name: app
    image: localhost/NAME
    imagePullPolicy: Never
    command: COMMAND
    volumeMounts: [{name: v, mountPath: MOUNT}]
    resources: {limits: {memory: 64Mi}}
""",
    grace=1,
    policy="POLICY",
)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A small root file system: a shell and what it is linked with."""
    root = tmp_path / "root"
    for name in ("bin", "etc", "tmp", "proc", "sys", "dev", "run"):
        (root / name).mkdir(parents=True)
    for program in ("dash", "cat", "id", "ls", "mkdir"):
        path = shutil.which(program)
        assert path
        shutil.copy(path, root / "bin" / program)
        listed = subprocess.run(["ldd", path], capture_output=True, text=True, check=True).stdout
        for word in listed.split():
            if word.startswith("/") and not (root / word[1:]).exists():
                (root / word[1:]).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(word, root / word[1:])
    os.symlink("dash", root / "bin/sh")
    return root


@pytest.fixture
def launch(node: Node, root: Path, tmp_path: Path) -> Iterator[Callable[..., str]]:
    """Import the root, as a tar that keeps its holes; apply a pod of it, and give its name."""
    names: list[str] = []

    def run(command: str, mount: str = "/v", policy: str = "Never", **config: str) -> str:
        name = f"hostile-{secrets.token_hex(3)}"
        names.append(name)
        flags = [word for key, value in config.items() for word in (f"--{key}", value)]
        tar = tmp_path / f"{name}.tar"
        subprocess.run(["tar", "--sparse", "-cf", tar, "-C", root, "."], check=True)
        node.podrun("image", "import", tar, f"localhost/{name}", *flags)
        text = POD.replace("NAME", name).replace("COMMAND", command).replace("MOUNT", mount)
        node.apply_text(text.replace("POLICY", policy), check=False)
        return name

    yield run
    node.delete_pods()
    for name in names:
        node.podrun("image", "rm", f"localhost/{name}")


Start = Callable[..., tuple[dict[str, object], str]]


@pytest.fixture
def start(node: Node, launch: Callable[..., str]) -> Start:
    """The container's terminated state and its log."""

    def run(*args: str, **config: str) -> tuple[dict[str, object], str]:
        name = launch(*args, **config)
        state = node.wait_until(
            lambda: node.status(name)["containerStatuses"][0]["state"].get("terminated")
        )
        return state, node.podrun("logs", name).stdout

    return run


def fifo(path: Path) -> None:
    os.mkfifo(path)


def endless(path: Path) -> None:
    path.symlink_to("/dev/zero")


def outside(path: Path) -> None:
    path.symlink_to("../../../../../../etc/shadow")


def huge(path: Path) -> None:
    """One line of a gigabyte, then a sensible one. The container may use 64 MiB."""
    with path.open("wb") as file:
        file.write(b"app:x:0:0:")
        file.seek(1 << 30)
        file.write(b"\napp:x:71:72::/:\n")


def nonsense(path: Path) -> None:
    path.write_bytes(b":::\nroot:x:999999999999999999:0::/:\nx\n" + bytes(range(256)) * 9)


@pytest.mark.parametrize("make", [fifo, endless, outside, huge, nonsense])
def test_a_hostile_passwd_and_group_do_not_hold_up_or_mislead(
    start: Start, root: Path, make: Callable[[Path], None]
) -> None:
    make(root / "etc/passwd")
    make(root / "etc/group")
    state, log = start('[sh, -c, "id -u; id -g"]')
    assert state["exitCode"] == 0, state
    assert log.split() == ["0", "0"]


def test_a_user_that_no_passwd_knows_is_told(start: Start) -> None:
    state, _ = start('[sh, -c, "id -u"]', user="nobody-there")
    assert (state["exitCode"], state["reason"]) == (128, "StartError")
    assert "nobody-there" in str(state["message"])


def test_a_user_behind_a_line_without_end_is_told(start: Start, root: Path) -> None:
    huge(root / "etc/passwd")
    state, _ = start('[sh, -c, "id -u"]', user="app")
    assert (state["exitCode"], state["reason"]) == (128, "StartError")
    assert "no user 'app' in the image's /etc/passwd" in str(state["message"])


@pytest.mark.parametrize("digits", [12, 5000])
def test_a_user_whose_number_is_too_large_is_told(start: Start, root: Path, digits: int) -> None:
    (root / "etc/passwd").write_text(f"app:x:{'9' * digits}:0::/:\n")
    state, _ = start('[sh, -c, "id -u"]', user="app")
    assert (state["exitCode"], state["reason"]) == (128, "StartError")
    assert "is no valid user or group id" in str(state["message"])


def test_a_user_by_name_with_its_groups(start: Start, root: Path) -> None:
    (root / "etc/passwd").write_text("app:x:71:72::/home/app:/bin/sh\n")
    (root / "etc/group").write_text("app:x:72:\nmore:x:73:other,app\n")
    state, log = start('[sh, -c, "id -u; id -g; id -G; echo $HOME"]', user="app")
    assert state["exitCode"] == 0
    assert log.split() == ["71", "72", "72", "73", "/home/app"]


@pytest.mark.parametrize("place", ["proc", "sys", "dev"])
def test_kernel_file_systems_over_links_stay_inside(start: Start, root: Path, place: str) -> None:
    """CVE-2019-19921: /proc of the image is a link; nothing of the host may be mounted over."""
    (root / place).rmdir()
    (root / place).symlink_to("../../../../tmp/elsewhere")
    state, _ = start('[sh, -c, "ls /tmp/elsewhere >/tmp/x; exit 0"]')
    assert state["exitCode"] in (0, 128), state
    assert not Path("/tmp/elsewhere").exists()


def test_a_volume_mounted_through_links_stays_inside(
    start: Start, root: Path, tmp_path: Path
) -> None:
    """CVE-2021-30465 and its kin: the mount point is a link to the host's directory."""
    target = tmp_path / "of-the-host"
    target.mkdir()
    (root / "data").symlink_to(f"../../../../..{target}")
    state, _ = start('[sh, -c, "mkdir /data/inside && echo x > /data/inside/y"]', mount="/data")
    assert state["exitCode"] == 0, state
    assert not list(target.iterdir())


@pytest.mark.parametrize("cwd", ["/proc/self/fd/7", "/proc/self/fd/8", "/proc/1/root/../.."])
def test_a_working_directory_through_a_leaked_descriptor(start: Start, cwd: str) -> None:
    """CVE-2024-21626: no descriptor of ours leads out."""
    state, log = start('[sh, -c, "cat etc/hostname; ls"]', workdir=cwd)
    host = Path("/etc/hostname").read_text().strip() if Path("/etc/hostname").exists() else "?"
    assert state["exitCode"] == 128 or host not in log.split()


def executable(content: bytes) -> Callable[[Path], None]:
    def make(path: Path) -> None:
        path.write_bytes(content)
        path.chmod(0o755)

    return make


def foreign_program() -> bytes:
    """elf(5): a header, and one segment that would be loaded, of a machine that this one is not."""
    aarch64, x86_64, ia64 = 183, 62, 50
    machine = x86_64 if platform.machine() == "aarch64" else aarch64
    if any(Path("/proc/sys/fs/binfmt_misc").glob("qemu-*")):
        machine = ia64  # emulated nowhere
    ident = b"\x7fELF" + bytes((2, 1, 1)) + bytes(9)
    header = struct.pack("<HHIQQQIHHHHHH", 2, machine, 1, 0x400078, 64, 0, 0, 64, 56, 1, 0, 0, 0)
    segment = struct.pack("<IIQQQQQQ", 1, 5, 0, 0x400000, 0x400000, 128, 128, 0x1000)
    return (ident + header + segment).ljust(128, b"\0")


@pytest.mark.parametrize(
    ("make", "what"),
    [
        (lambda p: p.mkdir(), "Permission denied"),
        (fifo, "Permission denied"),
        (endless, "Permission denied"),
        (lambda p: p.symlink_to("entry"), "Too many levels of symbolic links"),
        (lambda p: p.write_text("no interpreter\n"), "Permission denied"),
        (executable(b"#!/no/such\n"), "No such file"),
        (executable(b""), "Exec format error"),
        (executable(b"\x7fELF garbage"), "Exec format error"),
        (executable(foreign_program()), "Exec format error"),
    ],
)
def test_an_entrypoint_that_cannot_be_executed_is_a_start_error(
    node: Node, start: Start, root: Path, make: Callable[[Path], None], what: str
) -> None:
    make(root / "entry")
    state, log = start("[]", entrypoint="/entry")
    assert (state["exitCode"], state["reason"], log) == (128, "StartError", "")
    assert '"/entry"' in str(state["message"])
    assert what in str(state["message"])


@pytest.mark.parametrize("content", [b"", foreign_program()])
def test_it_is_tried_again_where_the_pod_says_so(
    node: Node, launch: Callable[..., str], root: Path, content: bytes
) -> None:
    executable(content)(root / "entry")
    name = launch("[]", policy="OnFailure", entrypoint="/entry")

    def status() -> dict[str, Any]:
        found: dict[str, Any] = node.status(name)["containerStatuses"][0]
        return found

    node.wait_until(lambda: status()["restartCount"] >= 1)
    node.wait_until(
        lambda: status()["state"].get("waiting", {}).get("reason") == "CrashLoopBackOff"
    )
    assert status()["lastState"]["terminated"]["reason"] == "StartError"
    assert node.status(name)["phase"] == "Running"


def test_the_runtime_cannot_be_reached_through_proc_self_exe(start: Start) -> None:
    """CVE-2019-5736: what an entrypoint of /proc/self/exe executes is never a file of ours."""
    state, _ = start("[/proc/self/exe, -c, 'print(1)']")
    binary = Path(shutil.which("python3") or "/usr/bin/python3").resolve()
    assert binary.stat().st_size > 0
    assert state["exitCode"] != 0 or state["reason"] == "StartError"
