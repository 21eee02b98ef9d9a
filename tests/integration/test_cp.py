"""``podrun cp`` with real containers: volumes, users, hostile processes, images with nothing in."""

from __future__ import annotations

import os
import shutil
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.test_cli_session import container, pod
from tests.node import PROJECT, Node

NOBODY = 65534


@pytest.fixture
def web(node: Node, tmp_path: Path) -> Node:
    """Container a is root, b is nobody; both have the pod's volume at /data."""
    (tmp_path / "host").mkdir()
    mounts = "volumeMounts: [{name: d, mountPath: /data}], image:"
    user = f"securityContext: {{runAsUser: {NOBODY}, runAsGroup: {NOBODY}}}, {mounts}"
    apps = container("a").replace("image:", mounts) + container("b").replace("image:", user)
    node.apply_text(pod("web", apps) + "  volumes: [{name: d, emptyDir: {}}]\n")
    return node


def run(node: Node, script: str, name: str = "a") -> str:
    return node.podrun("exec", "web", "-c", name, "--", "sh", "-c", script).stdout


def test_there_and_back(web: Node, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = tmp_path / "source"
    (source / "sub").mkdir(parents=True)
    (source / "sub" / "run").write_text("#!/bin/sh\n")
    (source / "sub" / "run").chmod(0o750)
    (source / "link").symlink_to("/nowhere")
    os.utime(source / "sub" / "run", (10**9, 10**9))
    done = web.podrun("cp", source, "web:/data/new", "-c", "b")
    assert (done.stdout, done.stderr) == ("", "")
    told = run(web, "cd /data/new; stat -c '%n %a %u:%g %Y' sub/run; stat -c '%u' sub link .")
    assert told.splitlines() == [f"sub/run 750 {NOBODY}:{NOBODY} {10**9}", *[str(NOBODY)] * 3]

    monkeypatch.setenv("SUDO_UID", "1234")
    monkeypatch.setenv("SUDO_GID", "1235")
    web.podrun("cp", "default/web:/data/new", tmp_path / "back", "-c", "a")
    back = tmp_path / "back"
    for path in (back, back / "sub", back / "sub" / "run", back / "link"):
        looks = path.lstat()
        assert (looks.st_uid, looks.st_gid) == (1234, 1235), path
    looks = (back / "sub" / "run").stat()
    assert (stat.S_IMODE(looks.st_mode), looks.st_mtime) == (0o750, 10**9)
    assert os.readlink(back / "link") == "/nowhere"


def test_the_root_file_system_and_the_working_directory(web: Node, tmp_path: Path) -> None:
    (tmp_path / "f").write_text("one")
    web.podrun("cp", tmp_path / "f", "web:/etc/", "-c", "a")
    assert run(web, "stat -c %u /etc/f; cat /etc/f") == "0\none"
    assert not Path("/etc/f").exists()
    web.podrun("cp", "web:etc/f", tmp_path / "g", "-c", "a")  # relative to /
    assert (tmp_path / "g").read_text() == "one"


def test_a_file_that_is_mounted_is_written_in_place(web: Node, tmp_path: Path) -> None:
    (tmp_path / "hosts").write_text("127.0.0.1 localhost\n10.0.0.1 here\n")
    web.podrun("cp", tmp_path / "hosts", "web:/etc/hosts", "-c", "a")
    for name in "ab":  # one file for the whole pod: the mount is still there
        assert "10.0.0.1 here" in run(web, "cat /etc/hosts; grep -c /etc/hosts /proc/mounts", name)


def test_the_kernels_file_systems_are_left_out(web: Node, tmp_path: Path) -> None:
    run(web, "mkdir /data/in; ln -s /proc/self/root/etc/passwd /data/in/link")
    done = web.podrun("cp", "web:/data/in/link", tmp_path / "x", "-c", "a", check=False)
    assert done.returncode == 1 and not (tmp_path / "x").exists()
    web.podrun("cp", "web:/proc/1/comm", tmp_path / "comm", "-c", "a")
    assert (tmp_path / "comm").read_text() == "sh\n"


def test_links_lead_nowhere_outside(web: Node, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.mkdir()
    (secret / "key").write_text("secret")
    (tmp_path / "f").write_text("hostile")
    # The container is made of the host's files, so look where its own differ: in a volume.
    run(web, "echo own > /data/key; ln -s /data /data/absolute; ln -s ../../../data /data/up")
    run(web, f"ln -s {secret}/nothing /data/dangling; ln -s /proc/1/root/data /data/magic")
    for name in ("absolute", "up"):
        web.podrun("cp", f"web:/data/{name}/key", tmp_path / name, "-c", "a")
        assert (tmp_path / name).read_text() == "own\n"
    for name in ("dangling", "magic/key"):
        done = web.podrun("cp", f"web:/data/{name}", tmp_path / "no", "-c", "a", check=False)
        assert done.returncode == 1, name
    web.podrun("cp", tmp_path / "f", "web:/data/dangling", "-c", "a")
    assert run(web, "test -L /data/dangling || cat /data/dangling") == "hostile"
    done = web.podrun("cp", tmp_path / "f", "web:/data/magic/f", "-c", "a", check=False)
    assert done.returncode == 1
    assert sorted(os.listdir(secret)) == ["key"] and (secret / "key").read_text() == "secret"


RACE = """
mkdir -p /data/r/d; echo own > /data/r/d/key; ln -s SECRET /data/r/link; echo racing
while :; do
  mv -T /data/r/d /data/r/x; mv -T /data/r/link /data/r/d
  mv -T /data/r/d /data/r/link; mv -T /data/r/x /data/r/d
done
"""


def test_a_race_with_the_container(node: Node, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.mkdir()
    (secret / "key").write_text("secret")
    (tmp_path / "new" / "d").mkdir(parents=True)
    (tmp_path / "new" / "d" / "key").write_text("own\n")
    mounts = "volumeMounts: [{name: d, mountPath: /data}], image:"
    app = container("a", RACE.replace("SECRET", str(secret))).replace("image:", mounts)
    node.apply_text(pod("race", app) + "  volumes: [{name: d, emptyDir: {}}]\n")
    node.wait_until(lambda: "racing" in node.podrun("logs", "race").stdout)
    for number in range(12):
        node.podrun("cp", "race:/data/r", tmp_path / str(number), check=False)
        node.podrun("cp", f"{tmp_path}/new/.", "race:/data/r", check=False)
    assert {path.name: path.read_text() for path in secret.iterdir()} == {"key": "secret"}
    read = {path.read_text() for n in range(12) for path in (tmp_path / str(n)).glob("*/key")
            if not path.parent.is_symlink()}  # fmt: skip
    assert read <= {"own\n"}


@pytest.fixture
def static(node: Node, tmp_path: Path) -> Iterator[str]:
    """A pod whose image has one file, and whose root may not be written."""
    root = tmp_path / "root"
    root.mkdir()
    shutil.copy(PROJECT / "pause" / "build" / "pause", root / "pause")
    name = f"localhost/{node.mark}-static"
    node.podrun("image", "import", root, name)
    text = pod("static", container("a")).replace("localhost/host", name)
    fields = "securityContext: {readOnlyRootFilesystem: true}, imagePullPolicy: Never, "
    fields += "volumeMounts: [{name: d, mountPath: /data}], command: [/pause]"
    at = text.index("command:")
    text = f"{text[:at]}{fields}}}\n  volumes: [{{name: d, emptyDir: {{}}}}]\n"
    node.apply_text(text)
    yield "static"
    node.podrun("delete", "static", "--force")
    node.podrun("image", "rm", name)


def test_an_image_with_nothing_in_it(node: Node, static: str, tmp_path: Path) -> None:
    (tmp_path / "f").write_text("x" * 100_000)
    node.podrun("cp", tmp_path / "f", "static:/data")
    node.podrun("cp", "static:/data/f", tmp_path / "g")
    assert (tmp_path / "g").read_text() == "x" * 100_000
    node.podrun("cp", "static:/pause", tmp_path / "pause")
    assert os.access(tmp_path / "pause", os.X_OK)
    done = node.podrun("cp", tmp_path / "f", "static:/f", check=False)
    assert done.returncode == 1 and "mounted read-only" in done.stderr


def test_a_container_that_has_ended(node: Node, tmp_path: Path) -> None:
    node.apply_text(pod("job", container("a", "true"), spec="restartPolicy: Never"))
    node.podrun("wait", "job", "--for=phase=Succeeded")
    done = node.podrun("cp", "job:/etc/passwd", tmp_path, check=False)
    assert done.returncode == 1 and 'container "a" of pod "job" is not running' in done.stderr
