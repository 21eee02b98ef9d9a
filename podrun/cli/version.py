"""``podrun version``: of podrun, of what it is built on, and of what is below it."""

from __future__ import annotations

import os
import platform
from importlib import metadata
from typing import Any

import click

from podrun.cli.command import verb
from podrun.cli.output import Output, as_text, output_option
from podrun.errors import PodrunError

_BUILT_ON = ("click", "msgspec", "psutil", "pyroute2", "python-prctl", "PyYAML")


@verb("version", "podrun version", "podrun version -o json")
@output_option("json", "yaml")
def command(output: Output) -> None:
    """Print versions."""
    found = versions()
    if output.is_table:
        flat = {k: v for k, v in found.items() if isinstance(v, str)} | found["packages"]
        width = max(map(len, flat)) + 3
        click.echo("".join(f"{name:<{width}}{text}\n" for name, text in flat.items()), nl=False)
    else:
        click.echo(as_text(found, output.format), nl=False)


def versions() -> dict[str, Any]:
    return {
        "podrun": _version("podrun"),
        "kernel": f"{os.uname().release} {os.uname().machine}",
        "cgroups": _cgroups(),
        "python": platform.python_version(),
        "packages": {name: _version(name) for name in _BUILT_ON},
    }


def _version(package: str) -> str:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return "not installed"


def _cgroups() -> str:
    from podrun.cgroup.hierarchy import detect

    try:
        return detect().mode
    except PodrunError:
        return "none"
