"""The command that `make install` puts on the PATH."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from tests.node import PROJECT


def launcher(directory: Path) -> Path:
    paths = [str(PROJECT), *(path for path in sys.path if path.endswith("site-packages"))]
    text = (PROJECT / "packaging/podrun").read_text()
    made = directory / "podrun"
    made.write_text(text.replace("@python@", sys.executable).replace("@paths@", repr(paths)))
    made.chmod(0o755)
    return made


def test_it_takes_nothing_from_the_environment(tmp_path: Path) -> None:
    (tmp_path / "click.py").write_text("raise SystemExit('not this one')")
    environment = {**os.environ, "PYTHONPATH": str(tmp_path), "PYTHONSTARTUP": "/nowhere"}
    done = subprocess.run(
        [launcher(tmp_path), "explain", "pod.spec.hostname"],
        env=environment,
        cwd=tmp_path,
        text=True,
        capture_output=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert "hostname" in done.stdout


def test_its_agent_would_run_with_the_same_python(tmp_path: Path) -> None:
    text = (
        launcher(tmp_path)
        .read_text()
        .replace("run()\n", "", 1)
        .replace("import run", "import entry")
    )
    script = (
        text + "\nfrom podrun.agent.client import detached_command\nprint(detached_command()[0])\n"
    )
    (tmp_path / "ask").write_text(script)
    (tmp_path / "ask").chmod(0o755)
    assert subprocess.check_output([tmp_path / "ask"], text=True).strip() == sys.executable
