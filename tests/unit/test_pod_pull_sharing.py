"""The pulls of an agent: shared, a few at once, in order, and gone with the last who waits."""

from __future__ import annotations

import asyncio
import contextlib
import os
import time
from collections.abc import Coroutine
from pathlib import Path
from typing import Any

import msgspec
import pytest

from podrun.agent import pullworker
from podrun.agent.node import Node
from podrun.agent.pulls import Layers, Pulled, Pulls
from podrun.agent.pullsecrets import Reference
from podrun.errors import PodrunError
from podrun.node.config import Config
from podrun.node.paths import Paths
from tests.node import PATIENCE

SECRET = Reference("default", "one", "1")


class Lab:
    """Workers that say that they began, and wait until a test lets them go on."""

    def __init__(self, root: Path, monkeypatch: pytest.MonkeyPatch, parallel: int = 2) -> None:
        self.root = root
        config = Config(state_root=str(root), max_parallel_image_pulls=parallel)
        self.pulls = Pulls(Node(config, Paths(config), "node", (), 1 << 30))
        self.heard: list[str] = []
        monkeypatch.setattr(pullworker, "pull_image", self._pull_image)

    def _pull_image(self, node: Node, name: str, secrets: object, report: int, go: int) -> Any:
        """In the worker."""
        with open(self.root / "began", "a") as file:
            file.write(f"{name} {os.getpid()}\n")
        row = {"digest": f"sha256:{name}", "state": "downloading", "done": 1, "total": 2}
        os.write(report, msgspec.json.encode({"layers": [row]}) + b"\n")
        deadline = time.monotonic() + 20 * PATIENCE
        while not (self.root / name).exists() and time.monotonic() < deadline:
            time.sleep(0.005)
        if (self.root / name).read_text() == "fail":
            raise PodrunError("no such image", reason="ErrImagePull")
        return {"name": name, "image_id": "sha256:0", "reference": "", "size": 7}

    def pull(self, name: str, *secrets: Reference) -> asyncio.Task[Pulled]:
        def heard(layers: Layers) -> None:
            self.heard += [layer["digest"] for layer in layers]

        return asyncio.create_task(self.pulls.pull(name, secrets, heard))

    def let_go(self, name: str, how: str = "") -> None:
        (self.root / name).write_text(how)

    def began(self) -> list[str]:
        return [line.split()[0] for line in self._lines()]

    def pids(self) -> list[int]:
        return [int(line.split()[1]) for line in self._lines()]

    def _lines(self) -> list[str]:
        with contextlib.suppress(FileNotFoundError):
            return (self.root / "began").read_text().splitlines()
        return []

    async def until(self, names: list[str]) -> None:
        async with asyncio.timeout(20 * PATIENCE):
            while self.began() != names:
                await asyncio.sleep(0.005)


async def gone(pid: int) -> None:
    async with asyncio.timeout(20 * PATIENCE):
        while Path(f"/proc/{pid}").exists():
            await asyncio.sleep(0.005)


def run(test: Coroutine[Any, Any, None]) -> None:
    async def bounded() -> None:
        async with asyncio.timeout(60 * PATIENCE):
            await test

    asyncio.run(bounded())


def test_who_waits_for_the_same_image_shares_one_worker(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lab = Lab(tmp_path, monkeypatch)

    async def test() -> None:
        first = lab.pull("a")
        await lab.until(["a"])
        while not lab.heard:
            await asyncio.sleep(0.005)
        second = lab.pull("a")
        while len(lab.heard) < 2:  # who comes late is told how far it is
            await asyncio.sleep(0.005)
        lab.let_go("a")
        one, other = await asyncio.gather(first, second)
        assert one is other and one.found.size == 7 and one.seconds > 0
        third = lab.pull("a")  # it is over: asked anew
        assert (await third).found == one.found
        assert lab.began() == ["a", "a"]

    run(test())


def test_other_secrets_are_another_pull(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lab = Lab(tmp_path, monkeypatch)

    async def test() -> None:
        tasks = [lab.pull("a"), lab.pull("a", SECRET), lab.pull("a", SECRET)]
        lab.let_go("a")
        await asyncio.gather(*tasks)
        assert lab.began() == ["a", "a"]

    run(test())


def test_few_at_once_and_in_the_order_of_asking(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lab = Lab(tmp_path, monkeypatch, parallel=1)

    async def test() -> None:
        tasks = [lab.pull(name) for name in "abcd"]
        await lab.until(["a"])
        tasks[2].cancel()  # it did not have its turn yet
        lab.let_go("a")
        await lab.until(["a", "b"])
        for name in "bd":
            lab.let_go(name)
        await asyncio.gather(tasks[0], tasks[1], tasks[3])
        assert lab.began() == ["a", "b", "d"]

    run(test())


def test_a_failure_is_everybodys_and_does_not_last(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lab = Lab(tmp_path, monkeypatch)

    async def test() -> None:
        tasks = [lab.pull("a"), lab.pull("a")]
        lab.let_go("a", "fail")
        results = await asyncio.gather(*tasks, return_exceptions=True)
        assert [str(result) for result in results] == ["no such image"] * 2
        assert all(isinstance(r, PodrunError) and r.reason == "ErrImagePull" for r in results)
        lab.let_go("a")
        assert (await lab.pull("a")).found.name == "a"

    run(test())


def test_the_worker_is_killed_when_the_last_who_waits_goes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lab = Lab(tmp_path, monkeypatch, parallel=1)

    async def test() -> None:
        tasks = [lab.pull("a"), lab.pull("a")]
        await lab.until(["a"])
        [pid] = lab.pids()
        tasks[0].cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await tasks[0]
        os.kill(pid, 0)  # somebody still waits
        tasks[1].cancel()
        await gone(pid)  # and reaped
        lab.let_go("b")
        assert (await lab.pull("b")).found.name == "b"  # the turn was given back

    run(test())


def test_one_that_is_wanted_again_after_it_was_given_up_begins_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lab = Lab(tmp_path, monkeypatch)

    async def test() -> None:
        given_up = lab.pull("a")
        await lab.until(["a"])
        given_up.cancel()
        await asyncio.sleep(0)
        again = lab.pull("a")
        await lab.until(["a", "a"])
        lab.let_go("a")
        assert (await again).found.name == "a"

    run(test())


def test_a_worker_that_dies_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lab = Lab(tmp_path, monkeypatch)

    async def test() -> None:
        task = lab.pull("a")
        await lab.until(["a"])
        os.kill(lab.pids()[0], 9)
        with pytest.raises(PodrunError, match="died"):
            await task

    run(test())


def test_reports_are_rare_but_for_changes(monkeypatch: pytest.MonkeyPatch) -> None:
    from podrun.image.progress import LayerProgress

    now = [0.0]
    monkeypatch.setattr("time.monotonic", lambda: now[0])
    read, write = os.pipe()
    report = pullworker._Report(write)
    for done in range(1000):
        now[0] += 0.001
        report(LayerProgress("sha256:a", "downloading", done, 1000))
    report(LayerProgress("sha256:a", "done", 1000, 1000))
    os.close(write)
    with os.fdopen(read, "rb") as file:
        lines = [msgspec.json.decode(line)["layers"] for line in file]
    assert 10 <= len(lines) <= 12
    assert lines[-1] == [{"digest": "sha256:a", "state": "done", "done": 1000, "total": 1000}]
