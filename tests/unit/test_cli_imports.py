"""What a command loads is what it costs."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from tests.unit.cli_node import Cli

# Each costs several milliseconds, and a list of pods needs none of them. (msgspec itself loads
# uuid, urllib.parse and ipaddress; click loads difflib for any short option.)
TOO_HEAVY = {
    "asyncio", "email", "gzip", "importlib.metadata", "prctl", "psutil", "pyroute2",
    "selectors", "shutil", "socket", "ssl", "subprocess", "tempfile", "traceback", "yaml",
}  # fmt: skip
NOT_OURS = {"agent.client", "agent.server", "api.load", "network", "image", "sandbox"}


@pytest.mark.parametrize(
    "args",
    [("ps",), ("ps", "-A"), ("ps", "-c"), ("get", "pods"), ("get", "pods", "-o", "name")],
)
def test_reading_verbs_are_light(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    args: tuple[str, ...],
) -> None:
    cli = Cli(tmp_path, monkeypatch, capsys)
    cli.pod("web", "app", init=("setup",))
    done, loaded = run(cli, *args)
    assert done.returncode == 0, done.stderr
    assert "web" in done.stdout
    light = args[-1] != "name"  # objects have the host's addresses
    heavy = TOO_HEAVY & loaded - (set() if light else {"socket", "selectors"})
    assert heavy == set()
    rooms = {name.removeprefix("podrun.") for name in loaded if name.startswith("podrun.")}
    assert not rooms & NOT_OURS


def test_apply_leaves_the_manifests_to_the_agent(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    cli = Cli(tmp_path, monkeypatch, capsys)
    manifest = tmp_path / "pod.yaml"
    manifest.write_text("kind: Pod")
    answer = b'{"progress": {"object": "pod/web", "result": "created"}}\n{"done": {}}\n'
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(cli.paths.socket))
        listener.listen()
        agent = os.fork()
        if agent == 0:
            connection, _ = listener.accept()
            connection.makefile("rb").readline()
            connection.sendall(answer)
            os._exit(0)
        done, loaded = run(cli, "apply", str(manifest))
        os.waitpid(agent, 0)
    assert (done.returncode, done.stdout) == (0, "pod/web created\n")
    needless = TOO_HEAVY | {"ast", "click", "msgspec", "pathlib", "locale", "typing", "podrun.api"}
    assert needless & loaded == set()


def run(cli: Cli, *args: str) -> tuple[subprocess.CompletedProcess[str], set[str]]:
    """One command as root, and the modules it loaded."""
    script = (
        "import json, os, sys; os.geteuid = lambda: 0; before = set(sys.modules);"
        "from podrun.cli.start import entry; code = entry(sys.argv[1:]);"
        "print(json.dumps(sorted(set(sys.modules) - before)), file=sys.stderr); sys.exit(code)"
    )
    done = subprocess.run(
        [sys.executable, "-S", "-c", script, *args],
        env={**os.environ, "PODRUN_CONFIG": str(cli.config_file), "PYTHONPATH": _path()},
        text=True,
        capture_output=True,
        check=False,
    )
    return done, set(json.loads(done.stderr.splitlines()[-1]))


def _path() -> str:
    """Without site: a .pth file of somebody else must not count."""
    return os.pathsep.join(filter(None, sys.path))
