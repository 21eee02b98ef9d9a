"""podman in namespaces of its own.

Its bridge, firewall rules, mounts and records live in a network, mount and PID namespace that end
with this run. Where cgroup v1 and v2 are mixed, crun refuses to work as soon as v2 has a
controller: v2 is unmounted in there, and it sees plain v1.
"""

from __future__ import annotations

import contextlib
import glob
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

from tests.node import wait_until

CONFIGURATION = """\
[containers]
default_ulimits = ["nofile=2000:2000", "nproc=4000:4000"]
log_driver = "k8s-file"
[engine]
cgroup_manager = "cgroupfs"
events_logger = "file"
"""
WORLD = """\
set -e
ip link set lo up
if [ -e /sys/fs/cgroup/memory ] && mountpoint -q /sys/fs/cgroup/unified; then
    umount /sys/fs/cgroup/unified
fi
mount -t tmpfs tmpfs /run
mkdir /run/lock
touch "$1"
exec sleep infinity
"""
NAMESPACES = ("unshare", "--mount", "--net", "--pid", "--fork", "--kill-child", "--mount-proc")
PARENT_CGROUPS = "/sys/fs/cgroup/*/libpod_parent"


class Podman:
    def __init__(self, root: Path) -> None:
        root.mkdir()
        self.root = root
        self._cgroups_before = set(glob.glob(PARENT_CGROUPS))
        self._configuration = root / "containers.conf"
        self._configuration.write_text(CONFIGURATION)
        up = root / "up"
        self._world = subprocess.Popen(
            [*NAMESPACES, "tini", "--", "sh", "-c", WORLD, "sh", str(up)]
        )
        try:
            wait_until(up.exists, what="podman's namespaces")
        except BaseException:
            self.close()
            raise
        children = Path(f"/proc/{self._world.pid}/task/{self._world.pid}/children").read_text()
        self._enter = ["nsenter", "--target", children.split()[0], "--mount", "--net", "--pid"]

    def run(self, *args: str) -> str:
        """podman with these arguments, to its end."""
        command = [*self._enter, "--", "podman", "--root", str(self.root / "storage")]
        command += ["--runroot", "/run/podman", "--network-config-dir", str(self.root / "networks")]
        environment = {**os.environ, "CONTAINERS_CONF": str(self._configuration)}
        return self._checked([*command, *args], environment)

    def entering(self, *command: str) -> list[str]:
        """``command``, to be run on podman's side."""
        return [*self._enter, "--", *command]

    def overhead(self) -> float:
        """Seconds that entering the namespaces adds to each command (the least of ten)."""
        return min(timed(lambda: self._checked([*self._enter, "--", "true"])) for _ in range(10))

    def _checked(self, command: list[str], environment: dict[str, str] | None = None) -> str:
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise RuntimeError(f"{' '.join(command)}: {done.stdout}{done.stderr}")
        return done.stdout

    def close(self) -> None:
        """End its namespaces; all its processes end with PID 1 of theirs."""
        self._world.send_signal(signal.SIGKILL)
        self._world.wait()
        for parent in set(glob.glob(PARENT_CGROUPS)) - self._cgroups_before:
            wait_until(partial(_remove_cgroups, parent), what=f"rmdir {parent}")
        shutil.rmtree(self.root, ignore_errors=True)


def _remove_cgroups(top: str) -> bool:
    for directory, _, _ in os.walk(top, topdown=False):
        with contextlib.suppress(OSError):
            os.rmdir(directory)
    return not os.path.exists(top)


def timed(action: Callable[[], object]) -> float:
    """Seconds that calling ``action`` takes."""
    start = time.perf_counter()
    action()
    return time.perf_counter() - start
