"""subPath: what a volume's own links and names can do, and that none of it leads out."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from podrun.errors import MechanismFailed
from podrun.node.config import Config
from podrun.node.paths import Paths, PodPaths
from podrun.volume import subpath, volumes
from podrun.volume.spec import Volume
from tests.node import Node

DATA = Volume("data", "emptyDir")


@pytest.fixture
def pod(tmp_path: Path) -> PodPaths:
    pod = Paths(Config(state_root=str(tmp_path / "state"))).pod("u", "default", "web")
    volumes.make(DATA, pod)
    return pod


@contextmanager
def opened(
    pod: PodPaths, sub_path: str, *, read_only: bool = False, volume: Volume = DATA
) -> Iterator[Path]:
    """The detached mount, as a path to look into."""
    fd = volumes.open_mount(volume, pod, read_only=read_only, sub_path=sub_path)
    try:
        yield Path(f"/proc/self/fd/{fd}")
    finally:
        os.close(fd)


@pytest.mark.parametrize("umask", [0, 0o022, 0o077])
def test_a_missing_directory_is_made_with_the_mode_of_the_volume(pod: PodPaths, umask: int) -> None:
    root = pod.volume("data")
    root.chmod(0o2775)
    (root / "there").mkdir(mode=0o700)
    old = os.umask(umask)
    try:
        with opened(pod, "there/new//deep/") as mounted:
            (mounted / "file").write_text("x")
        assert os.umask(umask) == umask
    finally:
        os.umask(old)
    assert (root / "there/new/deep/file").read_text() == "x"
    modes = {name: stat.S_IMODE((root / name).stat().st_mode) & 0o777 for name in
             ("there", "there/new", "there/new/deep")}  # fmt: skip
    assert modes == {"there": 0o700, "there/new": 0o775, "there/new/deep": 0o775}


def test_a_file_is_mounted_as_a_file_and_read_only_is_kept(pod: PodPaths) -> None:
    (pod.volume("data") / "file").write_text("x")
    with opened(pod, "file", read_only=True) as mounted:
        assert mounted.read_text() == "x"
        with pytest.raises(OSError, match="Read-only"):
            mounted.write_text("y")
    with opened(pod, "file") as mounted:
        mounted.write_text("y")
    assert (pod.volume("data") / "file").read_text() == "y"


@pytest.mark.parametrize(
    "target", ["/etc", "../../../../../../etc", "/proc/self/root/etc", "a/../../../etc"]
)
def test_links_stay_inside_whatever_they_say(pod: PodPaths, target: str) -> None:
    """They mean what they would mean if the volume were the root; here: nothing."""
    (pod.volume("data") / "link").symlink_to(target)
    with pytest.raises(MechanismFailed, match="failed to prepare subPath") as raised:
        volumes.open_mount(DATA, pod, sub_path="link/hostname")
    assert raised.value.reason == "CreateContainerConfigError"
    assert os.listdir(pod.volume("data")) == ["link"]


def test_a_link_within_the_volume_is_followed(pod: PodPaths) -> None:
    root = pod.volume("data")
    (root / "real").mkdir()
    (root / "absolute").symlink_to("/real")
    (root / "up").symlink_to("../../real")
    for name in ("absolute", "up"):
        with opened(pod, f"{name}/made") as mounted:
            assert mounted.stat().st_ino == (root / "real/made").stat().st_ino


def test_magic_links_are_not_followed(tmp_path: Path) -> None:
    """A hostPath of /proc: its links lead anywhere, without a path."""
    pod = Paths(Config(state_root=str(tmp_path))).pod("u", "default", "web")
    proc = Volume("proc", "hostPath", "/proc")
    with pytest.raises(MechanismFailed):
        volumes.open_mount(proc, pod, sub_path="self/root")
    with opened(pod, "self/status", volume=proc) as mounted:
        assert mounted.read_text().startswith("Name:")


@pytest.mark.parametrize(("sub_path", "said"), [
    ("file/x", "Not a directory"),
    ("dangling", "No such file"),
    ("loop", "Too many levels"),
])  # fmt: skip
def test_what_cannot_be(pod: PodPaths, sub_path: str, said: str) -> None:
    root = pod.volume("data")
    (root / "file").touch()
    (root / "dangling").symlink_to("nowhere")
    (root / "loop").symlink_to("loop")
    with pytest.raises(MechanismFailed, match=said):
        volumes.open_mount(DATA, pod, sub_path=sub_path)
    assert sorted(os.listdir(root)) == ["dangling", "file", "loop"]


def test_what_is_swapped_while_we_look_never_leads_out(pod: PodPaths, tmp_path: Path) -> None:
    """CVE-2021-25741: a container exchanges a directory for a link, again and again."""
    root = pod.volume("data")
    (root / "dir/in").mkdir(parents=True)
    (root / "link").symlink_to(f"{tmp_path}/outside")
    (tmp_path / "outside/in").mkdir(parents=True)
    outside = (tmp_path / "outside/in").stat().st_ino
    attacker = os.fork()
    if attacker == 0:
        try:
            while os.getppid() != 1:
                os.rename(root / "dir", root / "aside")
                os.rename(root / "link", root / "dir")
                os.rename(root / "dir", root / "link")
                os.rename(root / "aside", root / "dir")
        finally:
            os._exit(0)
    try:
        fd = os.open(root, os.O_PATH | os.O_DIRECTORY)
        for _ in range(2000):
            try:
                found = subpath.open_or_make(fd, "dir/in")
            except OSError:
                continue
            assert os.fstat(found).st_ino != outside
            os.close(found)
        os.close(fd)
    finally:
        os.kill(attacker, 9)
        os.waitpid(attacker, 0)
    assert os.listdir(tmp_path / "outside/in") == []


# With containers ─────────────────────────────────────────────────────────────────────────────────

POD = """
apiVersion: v1
kind: Pod
metadata: {name: subpath}
spec:
  restartPolicy: Never
  terminationGracePeriodSeconds: 1
  volumes: [{name: data, emptyDir: {}}, {name: host, hostPath: {path: HOST}}]
  initContainers:
  - name: writes
    image: localhost/host
    env: [{name: WHO, value: web-0}]
    command: [sh, -c, "echo hello > /d/file; ln -s /etc /d/link; stat -c %a /d > /d/mode"]
    volumeMounts: [{name: data, mountPath: /d, subPathExpr: logs/$(WHO)}]
  containers:
  - name: reads
    image: localhost/host
    command: [sh, -c, "cat /mnt/file /mnt/mode /tmp/one; echo x > /mnt/new; ls /mnt/logs"]
    volumeMounts:
    - {name: data, mountPath: /mnt, subPath: logs/web-0, readOnly: true}
    - {name: host, mountPath: /tmp/one, subPath: sub/one}
"""


def test_sub_paths_of_a_pod(node: Node, tmp_path: Path) -> None:
    (tmp_path / "host/sub").mkdir(parents=True)
    (tmp_path / "host/sub/one").write_text("a file of the host\n")
    node.apply_text(POD.replace("HOST", str(tmp_path / "host")))
    node.wait_until(lambda: node.status("subpath")["phase"] in ("Failed", "Succeeded"))
    said = node.podrun("logs", "subpath", "-c", "reads").stdout
    assert said.splitlines()[:3] == ["hello", "777", "a file of the host"]
    assert "Read-only file system" in said
    assert "cannot access '/mnt/logs'" in said


LINK = """
apiVersion: v1
kind: Pod
metadata: {name: subpath}
spec:
  terminationGracePeriodSeconds: 1
  volumes: [{name: host, hostPath: {path: HOST}}]
  containers:
  - name: app
    image: localhost/host
    command: [sleep, "60"]
    volumeMounts: [{name: host, mountPath: /mnt, subPath: x}]
"""


def test_a_link_that_leads_nowhere_is_told(node: Node, tmp_path: Path) -> None:
    (tmp_path / "host").mkdir()
    (tmp_path / "host/x").symlink_to("/etc")
    node.apply_text(LINK.replace("HOST", str(tmp_path / "host")), check=False)
    waiting = node.status("subpath")["containerStatuses"][0]["state"]["waiting"]
    assert waiting["reason"] == "CreateContainerConfigError"
    assert 'failed to prepare subPath "x" for volumeMount "host"' in waiting["message"]
