"""The import rules of docs/architecture.md, read from that page, held against the code."""

from __future__ import annotations

import ast
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

PROJECT = Path(__file__).resolve().parents[2]
PACKAGE = PROJECT / "podrun"
PAGE = PROJECT / "docs" / "architecture.md"

# The homes of third-party imports: the paragraph below the table of that page. A home is a room or
# a module of one; None: everywhere.
HOMES: dict[str, tuple[str, ...] | None] = {
    "click": ("cli",),
    "h11": ("probe",),
    "h2": ("probe",),
    "isal": ("image",),
    "matplotlib": ("cli",),
    "msgspec": None,
    "prctl": ("linux",),
    "psutil": ("agent", "cli"),
    "pyroute2": ("network",),
    "urllib3": ("registry",),
    "yaml": ("api", "node.config", "cli"),
    "zstandard": ("image",),
}

# Policy is pure: no clock, no I/O, no root inside.
IMPURE = {"asyncio", "ctypes", "fcntl", "io", "mmap", "os", "pathlib", "random", "select", "shutil"}
IMPURE |= {"signal", "socket", "subprocess", "tempfile", "time"}


def rules() -> dict[str, set[str] | None]:
    """Room → the rooms it may import (None: any), from the table "room | may import"."""
    found: dict[str, set[str] | None] = {}
    table = PAGE.read_text().split("| room | may import |", 1)[1].split("\n\n", 1)[0]
    for rooms, allowed in re.findall(r"^\| ([a-z, ]+) \| ([a-z, ]+) \|$", table, re.MULTILINE):
        names = None if allowed == "everything" else set(allowed.split(", "))
        for room in rooms.split(", "):
            found[room] = names if names is None else names - {"nothing of ours"}
    return found


RULES = rules()
SOURCES = sorted(PACKAGE.rglob("*.py"))


def module_of(source: Path) -> str:
    """``podrun/api/load.py`` is ``api.load``, ``podrun/api/__init__.py`` is ``api``."""
    parts = source.relative_to(PACKAGE).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def room_of(module: str) -> str:
    room = module.split(".")[0]
    return "cli" if room == "__main__" else room


def imports(source: Path) -> list[tuple[int, str]]:
    package = source.parent.relative_to(PROJECT).parts
    return sorted(imports_in(source.read_text(), package))


def imports_in(text: str, package: tuple[str, ...]) -> Iterator[tuple[int, str]]:
    """(line, full dotted name) of everything that is imported, also inside functions.

    ``from podrun.node import paths`` gives ``podrun.node.paths``; so does its relative spelling.
    """
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield node.lineno, alias.name
        elif isinstance(node, ast.ImportFrom):
            above = package[: len(package) - node.level + 1] if node.level else ()
            origin = ".".join([*above, *([node.module] if node.module else [])])
            for alias in node.names:
                yield node.lineno, f"{origin}.{alias.name}"


def ours(name: str) -> str | None:
    """The room that ``podrun.ROOM.…`` names, None for anything that is not ours."""
    parts = name.split(".")
    return parts[1] if parts[0] == "podrun" and len(parts) > 1 else None


def is_home(module: str, home: str) -> bool:
    return module == home or module.startswith(f"{home}.") or room_of(module) == home


def test_the_page_has_a_rule_for_every_room() -> None:
    rooms = {room_of(module_of(source)) for source in SOURCES} - {""}
    assert rooms <= set(RULES), f"{PAGE.name} says nothing of {sorted(rooms - set(RULES))}"
    named = set().union(*(allowed for allowed in RULES.values() if allowed))
    assert named <= set(RULES), f"{PAGE.name} allows unknown rooms {sorted(named - set(RULES))}"


def test_the_package_itself_imports_nothing() -> None:
    assert (PACKAGE / "__init__.py").read_text().strip() == ""


@pytest.mark.parametrize("room", sorted(RULES))
def test_rooms_import_what_the_page_allows(room: str) -> None:
    allowed = RULES[room]
    wrong = [
        f"{source.relative_to(PROJECT)}:{line}: {room} must not import {name}"
        for source in SOURCES
        if room_of(module_of(source)) == room
        for line, name in imports(source)
        if allowed is not None and ours(name) not in {None, room, *allowed}
    ]
    assert not wrong, "\n".join(wrong)


def test_third_party_imports_stay_at_home() -> None:
    wrong = []
    for source in SOURCES:
        for line, name in imports(source):
            top = name.split(".")[0]
            if top in sys.stdlib_module_names or top == "podrun":
                continue
            homes = HOMES.get(top, ())
            if homes is not None and not any(is_home(module_of(source), home) for home in homes):
                wrong.append(f"{source.relative_to(PROJECT)}:{line}: {top} is not at home here")
    assert not wrong, "\n".join(wrong)


def test_policy_is_pure() -> None:
    wrong = [
        f"{source.relative_to(PROJECT)}:{line}: policy does no I/O, but imports {name}"
        for source in (PACKAGE / "pod").rglob("*.py")
        for line, name in imports(source)
        if name.split(".")[0] in IMPURE
    ]
    assert not wrong, "\n".join(wrong)


def test_relative_and_absolute_imports_are_read_alike() -> None:
    text = """
from .. import errors
from ..node.paths import Paths
import podrun.linux.mount
def f():
    from podrun.api import load
    from . import x
"""
    assert [name for _, name in sorted(imports_in(text, ("podrun", "pod")))] == [
        "podrun.errors",
        "podrun.node.paths.Paths",
        "podrun.linux.mount",
        "podrun.api.load",
        "podrun.pod.x",
    ]


@pytest.mark.parametrize("arguments", [("ps",), ("ps", "-o", "wide"), ("--help",)])
def test_reading_loads_nothing_heavy(arguments: tuple[str, ...], tmp_path: Path) -> None:
    config = tmp_path / "config.json"
    roots = {root: str(tmp_path / root) for root in ("stateRoot", "runRoot", "logRoot")}
    config.write_text(json.dumps(roots))
    done = subprocess.run(
        [sys.executable, "-X", "importtime", "-m", "podrun", *arguments],
        env={**os.environ, "PODRUN_CONFIG": str(config)},
        cwd=PROJECT,
        capture_output=True,
        text=True,
        check=True,
    )
    loaded = set(re.findall(r"^import time:.*\| +(\S+)$", done.stderr, re.MULTILINE))
    assert "podrun.cli.main" in loaded
    assert not loaded & {"pyroute2", "yaml", "asyncio", "podrun.agent.main", "podrun.network"}
