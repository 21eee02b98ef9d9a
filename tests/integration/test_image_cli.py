"""``podrun image`` as the user calls it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from podrun.pod.facts import ContainerFacts, Facts, Run
from tests.integration import image_lab as lab

Podrun = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def podrun(tmp_path: Path) -> Podrun:
    config = {key: str(tmp_path / key) for key in ("stateRoot", "runRoot", "logRoot")}
    (tmp_path / "config").write_text(json.dumps(config))
    environment = {**os.environ, "PODRUN_CONFIG": str(tmp_path / "config")}

    def run(*args: str | Path, stdin: bytes = b"") -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "podrun", "image", *map(str, args)]
        done = subprocess.run(
            command, input=stdin, capture_output=True, env=environment, check=False
        )
        out, err = done.stdout.decode(errors="replace"), done.stderr.decode()
        assert "Traceback" not in err
        return subprocess.CompletedProcess(command, done.returncode, out, err)

    return run


@pytest.fixture
def tar(tmp_path: Path) -> Path:
    path = tmp_path / "rootfs.tar"
    path.write_bytes(lab.tar_of(lab.directory("etc"), lab.member("etc/x", b"x" * 1000)))
    return path


def ok(done: subprocess.CompletedProcess[str]) -> str:
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_import_list_inspect_tag_remove(podrun: Podrun, tar: Path) -> None:
    settings = [
        "--entrypoint", '["/bin/sh","-c"]', "--cmd", "echo 'a b'", "--env", "A=1=2", "--workdir",
        "/w", "--user", "7", "--stop-signal", "SIGINT", "--label", "x=y",
    ]  # fmt: skip
    assert ok(podrun("import", tar, "me/app:1", *settings)) == "image/docker.io/me/app:1 imported\n"
    assert ok(podrun("tag", "me/app:1", "localhost/b")) == "image/localhost/b:latest tagged\n"
    table = ok(podrun("ls")).splitlines()
    assert [line.split()[:2] for line in table] == [
        ["REPOSITORY", "TAG"], ["localhost/host", "latest"], ["docker.io/me/app", "1"],
        ["localhost/b", "latest"],
    ]  # fmt: skip
    seen = json.loads(ok(podrun("inspect", "me/app:1")))
    assert seen["config"] == {
        "entrypoint": ["/bin/sh", "-c"], "cmd": ["echo", "a b"], "env": ["A=1=2"],
        "working_dir": "/w", "user": "7", "stop_signal": "SIGINT", "labels": {"x": "y"},
    }  # fmt: skip
    listed = json.loads(ok(podrun("ls", "-o", "json")))
    assert [i["id"] for i in listed if i["name"] == "docker.io/me/app:1"] == [seen["id"]]
    assert "name: docker.io/me/app:1" in ok(podrun("ls", "-o", "yaml"))
    assert ok(podrun("ls", "-o", "name")).split()[1] == "image/docker.io/me/app:1"
    assert ok(podrun("rm", "b")) == "image/localhost/b:latest untagged\n"
    assert f"image/{seen['id']} deleted" in ok(podrun("rm", seen["id"][7:19]))
    assert len(ok(podrun("ls")).splitlines()) == 2


def test_standard_input_and_output(podrun: Podrun, tar: Path, tmp_path: Path) -> None:
    ok(podrun("import", "-", "app", stdin=tar.read_bytes()))
    ok(podrun("save", "app", "-f", tmp_path / "saved.tar"))
    assert "oci-layout" in lab.run("tar", "-tf", tmp_path / "saved.tar")
    ok(podrun("rm", "app"))
    loaded = ok(podrun("load", "-", "--name", "new:2", stdin=(tmp_path / "saved.tar").read_bytes()))
    assert loaded == "image/docker.io/library/new:2 loaded\n"


@pytest.mark.parametrize(
    ("args", "code", "says"),
    [
        (["import", "TAR", "Bad Name"], 2, "couldn't parse image name"),
        (["import", "/nonexistent", "x"], 2, "does not exist"),
        (["import", "TAR", "x", "--cmd", '["a"'], 2, "--cmd"),
        (["import", "TAR", "x", "--cmd", "'a"], 2, "--cmd"),
        (["import", "TAR", "x", "--env", "A"], 2, "NAME=VALUE"),
        (["import", "TAR", "x", "--workdir", "w"], 2, "absolute"),
        (["import", "/etc/passwd", "x"], 1, "not a tar archive"),
        (["import", "-", "x"], 1, "empty"),
        (["import", "TAR", "localhost/host"], 2, "host"),
        (["load", "TAR"], 1, "podrun image import"),
        (["rm", "nothing"], 1, "store (`podrun image ls` shows what is there)"),
        (["import", "TAR", "x", "--user", "a:b:c"], 2, "a:b:c is not USER or USER:GROUP"),
        (["import", "TAR", "x", "--user", "a:"], 2, "is not USER or USER:GROUP"),
        (["import", "TAR", "x", "--stop-signal", "foo"], 2, "SIGTERM, TERM, 15"),
        (["import", "TAR", "x", "--entrypoint", '["a"'], 2, "a JSON array of strings"),
        (["import", "TAR", "x", "--cmd", "echo 'a"], 2, "words for a shell"),
        (["rm", "localhost/host"], 2, "cannot be removed"),
        (["inspect", "nothing"], 1, "not in the local store"),
        (["save", "nothing", "-f", "/nonexistent/x"], 1, "nonexistent"),
        (["pull", "Bad Name"], 2, "couldn't parse image name"),
        (["pull", "localhost:1/x", "--platform", "windows/amd64"], 2, "no platform of Linux"),
        (["push", "nothing"], 1, "not in the local store"),
        (["push", "localhost/host"], 2, "cannot be pushed"),
        (["ls", "-o", "wide"], 2, "output format"),
    ],
)
def test_what_goes_wrong_is_said_in_a_line(
    podrun: Podrun, tar: Path, args: list[str], code: int, says: str
) -> None:
    done = podrun(*[str(tar) if arg == "TAR" else arg for arg in args])
    assert done.returncode == code, done.stderr
    assert says in done.stderr
    assert done.stdout == ""
    assert len(done.stderr.splitlines()) <= 3


def test_an_image_of_a_pod_is_not_removed(podrun: Podrun, tar: Path, tmp_path: Path) -> None:
    import msgspec

    ok(podrun("import", tar, "app"))
    image_id = json.loads(ok(podrun("inspect", "app")))["id"]
    pod = tmp_path / "stateRoot/pods/uid-1"
    pod.mkdir(parents=True)
    run = Run("i", 0, "app", image_id, "hash", 0, 1.0)
    facts = Facts(1.0, containers={"c": ContainerFacts(current=run)})
    (pod / "facts.json").write_bytes(msgspec.json.encode(facts))
    (pod / "pod.json").write_text('{"metadata": {"name": "web", "namespace": "default"}}')
    done = podrun("rm", "app")
    assert done.returncode == 1
    assert "used by pod default/web" in done.stderr
    ok(podrun("rm", "--force", "app"))
    assert "deleted" not in ok(podrun("prune"))
    (pod / "facts.json").unlink()
    assert f"image/{image_id} deleted" in ok(podrun("prune"))
