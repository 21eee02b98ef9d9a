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


class ImageLimits(msgspec.Struct, frozen=True, forbid_unknown_fields=True, rename="camel"):
    """What one layer may ask for at the most. A layer beyond it is refused, and the limit named."""

    bytes: int = 64 << 30
    entries: int = 4_000_000
    path_bytes: int = 4096
    name_bytes: int = 255
    header_bytes: int = 1 << 20  # one extended header: long names, extended attributes
    window_bytes: int = 32 << 20  # of earlier output that a zstd stream may refer to: memory
    layers: int = 127  # of one image
    document_bytes: int = 4 << 20  # a manifest, an index or a configuration


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
    # not for pods: what the system itself needs (the kubelet's system-reserved)
    system_reserved: dict[str, str] = msgspec.field(default_factory=lambda: {"memory": "100Mi"})
    registries_conf: str = "/etc/containers/registries.conf"  # and the directory beside it, .d
    certs_dirs: tuple[str, ...] = ("/etc/containers/certs.d", "/etc/docker/certs.d")
    auth_file: str = ""  # "": where docker and podman look
    max_parallel_image_pulls: int = 2
    image_pull_backoff: float = 10.0  # after the first failure; then twice as long, up to 300
    max_parallel_layers: int = 3
    image_limits: ImageLimits = ImageLimits()
    # processes and threads of one pod; -1: no limit, as is the kubelet's default
    pod_pids_limit: int = 4096
    # image garbage collection, with the kubelet's names and defaults
    image_gc_high_threshold_percent: int = 85
    image_gc_low_threshold_percent: int = 80
    image_minimum_gc_age: int = 120
    # rights, with the kubelet's names; its seccompDefault is false
    seccomp_default: bool = True  # RuntimeDefault where a pod says nothing
    seccomp_profile_root: str = ""  # of Localhost profiles; "": seccomp/profiles in state_root
    allowed_unsafe_sysctls: tuple[str, ...] = ()  # names, or prefixes that end in "*"

    # user namespaces: above systemd's range for containers, below 2^31
    userns_first_id: int = 0x70000000

    def environment(self) -> dict[str, str]:
        """What a child process needs in its environment to read the same configuration."""
        source = os.environ.get("PODRUN_CONFIG")
        return {"PODRUN_CONFIG": source} if source else {}


def load() -> Config:
    """The configuration in force. Raises UsageError when the file is not valid: each key of it that
    is wrong, with its value and what would be right.
    """
    named = os.environ.get("PODRUN_CONFIG")
    path = Path(named) if named else DEFAULT_FILE
    try:
        text = path.read_text()
    except FileNotFoundError:
        if named:
            raise UsageError(f"PODRUN_CONFIG names {path}, which does not exist") from None
        return Config()
    except IsADirectoryError:
        name = "PODRUN_CONFIG names a directory" if named else "not a file"
        raise UsageError(f"{path}: {name}", hint="a YAML or JSON file is wanted") from None
    except OSError as error:
        denied = isinstance(error, PermissionError) and os.geteuid() != 0
        hint = "run it with sudo" if denied else ""
        raise UsageError(f"{path}: {error.strerror}", hint=hint) from None
    except UnicodeDecodeError as error:
        raise UsageError(f"{path}: not UTF-8: {error.reason}") from None
    return _config(path, text)


def _config(path: Path, text: str) -> Config:
    from podrun.node.configrules import complaints  # a millisecond, for those who have a file

    try:
        said = _parse(text)
        wrong = complaints(said)
        if not wrong:
            return msgspec.convert(said, Config)
    except (msgspec.ValidationError, ValueError) as error:
        wrong = [str(error)]
    lines = "\n".join(f"{path}: {each}" for each in wrong)
    raise UsageError(lines, hint="see docs/configuration.md")


def _parse(text: str) -> dict[str, Any]:
    """ValueError."""
    said = _decoded(text)
    if not isinstance(said, dict):
        raise ValueError("keys with their values are wanted, such as `bridge: podrun0`")
    return said


def _decoded(text: str) -> Any:
    if text.lstrip().startswith("{"):  # JSON is YAML too, and costs no import of PyYAML
        return msgspec.json.decode(text)
    import yaml

    try:
        said = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise ValueError(str(error)) from None
    return {} if said is None else said
