"""Tests against the real kernel, as root: each leaves the machine as it found it.

``node``        the session's podrun instance, empty at the start and at the end of each test;
                name pods after the test (a shared instance keeps its agent, bridge and images)
``fresh_node``  an instance of the test's own, for tests of crashes, start and end
``leak_marks``  words that tell things of this test run from others'; a test that makes its own
                bridge or table adds its name: ``leak_marks.add("mybridge")``
``registry``    one that is open to all, for all tests of a module; ``proxy`` stands before it,
                does what its faults say and keeps what it was asked
``serving``     starts a registry of another kind that has ``layout`` as app:v1, for a module
``here``        a store to pull to
"""

from __future__ import annotations

import contextlib
import os
import secrets
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from podrun.image.store import ImageStore
from tests import leaks
from tests.conftest import STRICT
from tests.integration import image_lab as lab
from tests.integration.monitor_harness import BINARIES
from tests.integration.pull_lab import Pulling
from tests.node import Node
from tests.registry import Misbehaving, Registry, Serving, oci_image

HERE = Path(__file__).parent
#: nobody else is on the machine, as far as we know: in CI, and without another half of the suite
ALONE = STRICT and os.environ.get("PODRUN_TEST_BESIDE") != "1"
SESSION = f"podrun-test-{secrets.token_hex(6)}"
os.environ["PODRUN_TEST_SESSION"] = SESSION  # inherited: finds what left our family tree


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    if os.geteuid() == 0:
        return
    for item in items:
        if item.path.is_relative_to(HERE):
            item.add_marker(pytest.mark.skip(reason="needs root: sudo make integration"))


@pytest.fixture(scope="session")
def leak_marks(tmp_path_factory: pytest.TempPathFactory) -> set[str]:
    return {SESSION, leaks.DESCENDANT, str(tmp_path_factory.getbasetemp())}


@pytest.fixture(scope="session")
def shared_node(leak_marks: set[str]) -> Iterator[Node]:
    node = Node()
    leak_marks.add(node.mark)
    yield node
    node.close()


@pytest.fixture(autouse=True)
def leaves_nothing(request: pytest.FixtureRequest, leak_marks: set[str]) -> Iterator[None]:
    """Compares before with after; set up first, so that it looks last."""
    shared = "node" in request.fixturenames
    node: Node | None = request.getfixturevalue("shared_node") if shared else None
    before = leaks.snapshot()
    yield

    def look() -> list[leaks.Trace]:
        found = leaks.leaks(before, leaks.snapshot(), leak_marks, alone=ALONE)
        return [trace for trace in found if node is None or not node.permanent(trace)]

    left = leaks.settled(look)
    leaks.remove(trace for trace in left if trace.marked(leak_marks))
    assert not left, "left behind: " + "; ".join(map(str, left))


@pytest.fixture
def node(shared_node: Node, leaves_nothing: None) -> Iterator[Node]:
    yield shared_node
    shared_node.delete_pods()


@pytest.fixture
def fresh_node(leak_marks: set[str], leaves_nothing: None) -> Iterator[Node]:
    node = Node()
    leak_marks.add(node.mark)
    yield node
    node.close()


# ── registries ───────────────────────────────────────────────────────────────────────────────────


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Registry]:
    with Registry(tmp_path_factory.mktemp("registry")) as running:
        yield running


@pytest.fixture
def proxy(registry: Registry, tmp_path: Path) -> Iterator[Misbehaving]:
    with Misbehaving(tmp_path / "proxy", registry.host) as running:
        yield running


@pytest.fixture(scope="module")
def layout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return oci_image(tmp_path_factory.mktemp("layout"), [{"etc/motd": b"hello\n"}])


@pytest.fixture(scope="module")
def serving(tmp_path_factory: pytest.TempPathFactory, layout: Path) -> Iterator[Serving]:
    with contextlib.ExitStack() as running:

        def start(**how: Any) -> Registry:
            registry = running.enter_context(Registry(tmp_path_factory.mktemp("serving"), **how))
            registry.push(layout, "app:v1")
            return registry

        yield start


@pytest.fixture
def here(tmp_path: Path) -> Pulling:
    return Pulling(tmp_path / "node")


# ── images ───────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def store(tmp_path: Path) -> ImageStore:
    return lab.new_store(tmp_path / "state")


@pytest.fixture(params=BINARIES, ids=lambda path: path.name)
def binary(request: pytest.FixtureRequest) -> Path:
    path: Path = request.param
    return path
