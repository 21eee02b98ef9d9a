"""Where the agent is reached: all that a command has to know which leaves the rest to the agent.

Reading the whole configuration means importing msgspec, and PyYAML where it is YAML: 6 ms and 17.
"""

from __future__ import annotations

import contextlib
import json
import os

from podrun.errors import TYPE_CHECKING

if TYPE_CHECKING:
    from podrun.node.config import Config

DEFAULT_FILE = "/etc/podrun/config.yaml"
#: run_root/c/<16 characters>.sock must fit into sun_path, 108 bytes with the one that ends it
LONGEST_RUN_ROOT = 107 - len("/c/0123456789abcdef.sock")
_PATH_BYTES = 4000


class Endpoint:
    """The part of a ``Config`` that a client needs, with the same names."""

    def __init__(self, run_root: str = "/run/podrun", log_root: str = "/var/log/podrun") -> None:
        self.run_root = run_root
        self.log_root = log_root

    def environment(self) -> dict[str, str]:
        source = os.environ.get("PODRUN_CONFIG")
        return {"PODRUN_CONFIG": source} if source else {}


def load() -> Endpoint | Config:
    """Of the configuration in force. Raises UsageError when the file cannot be read.

    What is wrong with the rest of the file is the agent's to find, which starts with all of it.
    """
    named = os.environ.get("PODRUN_CONFIG")
    with contextlib.suppress(OSError, ValueError):
        with open(named or DEFAULT_FILE) as file:
            text = file.read()
        said = json.loads(text) if text.lstrip().startswith("{") else None
        if isinstance(said, dict):
            default = Endpoint()
            run = said.get("runRoot", default.run_root)
            log = said.get("logRoot", default.log_root)
            if _is_plain(run, LONGEST_RUN_ROOT) and _is_plain(log, _PATH_BYTES):
                return Endpoint(run, log)
    if not named and not os.path.exists(DEFAULT_FILE):
        return Endpoint()
    from podrun.node import config

    return config.load()  # YAML; or it says what is wrong


def _is_plain(root: object, most: int) -> bool:
    """Right beyond doubt; else ``podrun.node.configrules`` decide."""
    if not isinstance(root, str) or root[:1] != "/" or len(root) > most:
        return False
    return root.isascii() and root.isprintable()
