"""localhost/host: the machine's own root as an image, without any file of its own.

Read-only below, copy-on-write above. A container of it can read whatever the host's root file
system holds (keys, /etc/shadow), except what is mounted on it: other mounts are not part of it.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

from podrun.image import platform
from podrun.image.types import Image, ImageConfig
from podrun.registry.name import Reference

REPOSITORY = "localhost/host"
NAME = f"{REPOSITORY}:latest"
ROOT = Path("/")
_PATH = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


def is_host(reference: Reference) -> bool:
    return str(reference) == NAME


def image() -> Image:
    return Image(
        name=NAME,
        id="sha256:" + hashlib.sha256(NAME.encode()).hexdigest(),
        config=ImageConfig(cmd=("/bin/sh",), env=(_PATH,)),
        host=True,
        architecture=platform.this().architecture,
        os="linux",
    )
