"""The wish that no agent runs: of whoever stopped it, until a command that changes something.

    podrun agent --stop, SIGTERM ──► run/agent.stopped ──an agent starts──► gone
                                          │ meanwhile
                                          └─ readers, and containers that end, start none

The file holds the boot's id: a reboot ends the wish, wherever ``run`` lies.
"""

from __future__ import annotations

from podrun.linux import process
from podrun.node.paths import Paths
from podrun.node.records import write_record


def remember(paths: Paths) -> None:
    """OSError when it cannot be written."""
    write_record(paths.agent_stopped, process.boot_id().encode() + b"\n", durable=False)


def is_wished(paths: Paths) -> bool:
    try:
        return paths.agent_stopped.read_text().strip() == process.boot_id()
    except OSError:
        return False


def forget(paths: Paths) -> None:
    paths.agent_stopped.unlink(missing_ok=True)
