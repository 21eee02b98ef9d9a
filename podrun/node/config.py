"""The node's configuration: where podrun keeps things and what it may use.

Read from the file ``PODRUN_CONFIG`` names, else ``/etc/podrun/config.yaml``, else all defaults.
Two instances with different roots, bridge, table and ranges live beside each other on one machine:
the test suite lives from that.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import msgspec

from podrun.errors import UsageError

DEFAULT_FILE = Path("/etc/podrun/config.yaml")


class Config(msgspec.Struct, frozen=True, forbid_unknown_fields=True, rename="camel"):
    """One node's settings; sizes in bytes, times in seconds."""

    state_root: str = "/var/lib/podrun"
    run_root: str = "/run/podrun"
    log_root: str = "/var/log/podrun"
    cgroup_root: str = "podrun"
    node_name: str = ""
    bridge: str = "podrun0"
    nft_table: str = "podrun"
    pod_cidrs: tuple[str, ...] = ("10.85.0.0/16", "fd85:706f:6472::/64")
    cluster_domain: str = "cluster.local"
    log_max_bytes: int = 10 * 1024 * 1024
    log_max_files: int = 5
    agent_idle_seconds: float = 30.0
    max_container_restart_period: int = 300

    def environment(self) -> dict[str, str]:
        """What a child process needs in its environment to read the same configuration."""
        source = os.environ.get("PODRUN_CONFIG")
        return {"PODRUN_CONFIG": source} if source else {}


def load() -> Config:
    """The configuration in force. Raises UsageError when the file is not valid."""
    named = os.environ.get("PODRUN_CONFIG")
    path = Path(named) if named else DEFAULT_FILE
    try:
        text = path.read_text()
    except FileNotFoundError:
        if named:
            raise UsageError(f"PODRUN_CONFIG names {path}, which does not exist") from None
        return Config()
    try:
        return msgspec.convert(_parse(text), Config)
    except (msgspec.ValidationError, ValueError) as error:
        raise UsageError(f"{path}: {error}", hint="see docs/configuration.md") from None


def _parse(text: str) -> Any:
    if text.lstrip().startswith("{"):  # JSON is YAML too, and costs no import of PyYAML
        return msgspec.json.decode(text)
    import yaml

    try:
        return yaml.safe_load(text) or {}
    except yaml.YAMLError as error:
        raise ValueError(str(error)) from None
