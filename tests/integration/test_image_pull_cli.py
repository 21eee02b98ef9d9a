"""``podrun image pull`` and ``push`` as a person sees them."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import struct
import subprocess
import sys
import termios
from pathlib import Path

import msgspec
import pytest

from tests.integration import pull_lab
from tests.integration.pull_lab import Pulling, files, noise, put
from tests.node import PROJECT
from tests.registry import Registry, oci_image

LAYERS = [files(**{f"f{n}": noise(400_000, str(n))}) for n in range(3)]
LOGIN = ("anna", "secret")


@pytest.fixture(scope="module")
def registry(registry: Registry) -> Registry:
    put(registry, "team/app:v1", LAYERS)
    return registry


@pytest.fixture
def here(tmp_path: Path) -> Pulling:
    found = Pulling(tmp_path / "node")
    config = msgspec.structs.replace(found.config, auth_file=str(tmp_path / "auth.json"))
    (tmp_path / "config.json").write_bytes(msgspec.json.encode(config))
    return found


def environment(here: Pulling) -> dict[str, str]:
    return {**os.environ, "PODRUN_CONFIG": str(here.conf.parent.parent / "config.json")}


def podrun(here: Pulling, *args: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "podrun", *args],
        env=environment(here), cwd=PROJECT, input=stdin, capture_output=True, text=True,
        check=False,
    )  # fmt: skip


def on_terminal(here: Pulling, columns: int, *args: str) -> str:
    """What the command writes to a terminal of that width."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
    env = {**environment(here), "TERM": "xterm"}
    env.pop("COLUMNS", None)
    running = subprocess.Popen(
        [sys.executable, "-m", "podrun", *args],
        env=env, cwd=PROJECT, stdin=theirs, stdout=theirs, stderr=theirs,
    )  # fmt: skip
    os.close(theirs)
    written = b""
    try:
        while data := os.read(ours, 65536):
            written += data
    except OSError:  # EIO: the other end is closed
        pass
    os.close(ours)
    assert running.wait(20) == 0, written
    return written.decode()


def test_plain_lines_where_there_is_no_terminal(registry: Registry, here: Pulling) -> None:
    name = f"{registry.host}/team/app:v1"
    first = podrun(here, "image", "pull", name)
    assert (first.returncode, first.stdout) == (0, f"image/{name} pulled\n")
    assert sorted(first.stderr.splitlines()) == sorted(
        f"layer {x.digest[7:19]}: done, 400 kB" for x in LAYERS
    )
    again = podrun(here, "image", "pull", name)
    assert (again.stdout, again.stderr) == (f"image/{name} unchanged\n", "")
    quiet = podrun(here, "image", "push", "-q", name, f"{registry.host}/team/other:v1")
    assert quiet.stderr == ""
    assert re.fullmatch(rf"image/{registry.host}/team/other:v1 pushed, sha256:\w+\n", quiet.stdout)


@pytest.mark.parametrize("columns", [30, 80, 200])
def test_a_line_for_each_layer_on_a_terminal(
    registry: Registry, here: Pulling, columns: int
) -> None:
    name = f"{registry.host}/team/app:v1"
    seen = on_terminal(here, columns, "image", "pull", name)
    assert seen.endswith(f"image/{name} pulled\r\n")
    lines = re.split(r"\x1b\[\d*[AJK]|\r\n|\r", seen)
    for layer in LAYERS:
        assert any(line.startswith(layer.digest[7:19]) for line in lines)
    assert all(len(line) < columns for line in lines[:-2])


def test_several_at_once_and_the_first_that_fails_ends_it(
    registry: Registry, here: Pulling
) -> None:
    name = f"{registry.host}/team/app:v1"
    done = podrun(here, "image", "pull", "-q", name, f"{registry.host}/nobody:1", "never/asked:1")
    assert (done.returncode, done.stdout) == (1, f"image/{name} pulled\n")
    assert done.stderr.count("\n") == 1
    assert "nobody" in done.stderr and "never" not in done.stderr


def test_a_login_is_used(here: Pulling, tmp_path: Path) -> None:
    with Registry(tmp_path / "closed", login=LOGIN) as closed:
        layout = tmp_path / "layout"
        name = closed.push(oci_image(layout, [{"f": b"1"}]), "app:v1")
        refused = podrun(here, "image", "pull", name)
        assert refused.returncode == 1
        assert f"podrun login {closed.host}" in refused.stderr
        command = ("login", closed.host, "-u", LOGIN[0], "--password-stdin")
        assert podrun(here, *command, stdin=LOGIN[1]).returncode == 0
        assert podrun(here, "image", "pull", "-q", name).returncode == 0
        assert podrun(here, "image", "push", "-q", name, f"{closed.host}/b:1").returncode == 0


def test_another_platform(registry: Registry, here: Pulling) -> None:
    config = pull_lab.config_of(LAYERS, architecture="s390x")
    put(registry, "team/far:v1", LAYERS, config=config)
    name = f"{registry.host}/team/far:v1"
    assert "for linux/s390x, not for" in podrun(here, "image", "pull", name).stderr
    assert podrun(here, "image", "pull", name, "--platform", "linux/s390x").returncode == 0
