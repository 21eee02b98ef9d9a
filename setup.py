"""What pyproject.toml cannot say: pause and the monitor are compiled and travel in the package."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py
from setuptools.dist import Distribution
from setuptools.errors import PlatformError

HERE = Path(__file__).resolve().parent
PARTS = ("pause", "monitor", "enter")


def _require_compiler() -> None:
    tools = ("make", os.environ.get("CC", "cc").split()[0])
    missing = [tool for tool in tools if not shutil.which(tool)]
    if missing:
        raise PlatformError(
            f"pause and the monitor are compiled, but there is no {' and no '.join(missing)} here; "
            "on Debian or Ubuntu: apt-get install gcc make libc6-dev musl-tools"
        )


class BuildWithParts(build_py):
    """Build the compiled parts into ``podrun/bin`` of what is being built.

    An editable installation runs from this tree, so there they go into this tree's.
    """

    def run(self) -> None:
        super().run()
        base = HERE if self.editable_mode else Path(self.build_lib).resolve()
        self._install_parts(base / "podrun" / "bin")

    def _install_parts(self, directory: Path) -> None:
        _require_compiler()
        done = subprocess.run(
            ["make", "-C", str(HERE / "pause"), "install", f"BIN={directory}"],
            stdin=subprocess.DEVNULL,
            env={k: v for k, v in os.environ.items() if k not in ("MAKEFLAGS", "MAKELEVEL")},
            check=False,
        )
        if done.returncode != 0:
            raise PlatformError("pause and the monitor do not compile; make said why, above")


class PlatformDistribution(Distribution):
    """Wheels are this machine's: they carry programs."""

    def has_ext_modules(self) -> bool:
        return True


setup(cmdclass={"build_py": BuildWithParts}, distclass=PlatformDistribution)
