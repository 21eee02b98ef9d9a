"""Who runs the command, and who asked for it."""

from __future__ import annotations

import os

from podrun.errors import PodrunError


def require_root(what: str) -> None:
    """Raises PodrunError: "only root can ``what``"."""
    if os.geteuid() != 0:
        raise PodrunError(f"only root can {what}", hint="run it with sudo")


def owner_gid() -> int:
    """The group of the user behind ``sudo``: may read the pods; 0 when there is none."""
    asked_for = os.environ.get("SUDO_GID", "")
    return int(asked_for) if asked_for.isdecimal() and os.geteuid() == 0 else 0
