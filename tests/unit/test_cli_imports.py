"""What ``podrun ps`` loads is what it costs."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.unit.cli_node import Cli

# Each costs several milliseconds, and a list of pods needs none of them. (msgspec itself loads
# uuid, urllib.parse and ipaddress; click loads inspect, and difflib for any short option.)
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
    script = (
        "import json, sys; before = set(sys.modules); from podrun.cli.main import entry;"
        "code = entry(sys.argv[1:]); print(json.dumps(sorted(set(sys.modules) - before)),"
        "file=sys.stderr); sys.exit(code)"
    )
    done = subprocess.run(
        [sys.executable, "-S", "-c", script, *args],
        env={**os.environ, "PODRUN_CONFIG": str(cli.config_file), "PYTHONPATH": _path()},
        text=True,
        capture_output=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    loaded = set(json.loads(done.stderr.splitlines()[-1]))
    assert "web" in done.stdout
    light = args[-1] != "name"  # objects have the host's addresses
    heavy = TOO_HEAVY & loaded - (set() if light else {"socket", "selectors"})
    assert heavy == set()
    rooms = {name.removeprefix("podrun.") for name in loaded if name.startswith("podrun.")}
    assert not rooms & NOT_OURS


def _path() -> str:
    """Without site: a .pth file of somebody else must not count."""
    return os.pathsep.join(filter(None, sys.path))
