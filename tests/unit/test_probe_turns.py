"""Turns of probes, and named ports."""

from __future__ import annotations

import asyncio

import pytest

from podrun.agent.handlers import port_of
from podrun.agent.turns import Turns
from podrun.api.container import Container, ContainerPort
from podrun.errors import NotFound


async def gather(turns: Turns, count: int, work: asyncio.Event) -> tuple[int, int]:
    """(how many are inside when nothing more moves, how many have been there in the end)."""
    inside, done = 0, 0

    async def one() -> None:
        nonlocal inside, done
        async with turns.taken():
            inside += 1
            await work.wait()
        done += 1

    tasks = [asyncio.create_task(one()) for _ in range(count)]
    for _ in range(5):
        await asyncio.sleep(0)
    most = inside
    work.set()
    await asyncio.gather(*tasks)
    return most, done


def test_no_more_than_the_limit_at_once() -> None:
    async def run() -> tuple[int, int]:
        return await gather(Turns(3, 60.0), 10, asyncio.Event())

    assert asyncio.run(run()) == (3, 10)


def test_who_hangs_does_not_keep_the_others_waiting() -> None:
    async def run() -> None:
        turns, never = Turns(1, 0.01), asyncio.Event()

        async def hang() -> None:
            async with turns.taken():
                await never.wait()

        tasks = [asyncio.create_task(hang()) for _ in range(3)]
        async with asyncio.timeout(10), turns.taken():
            pass
        never.set()
        await asyncio.gather(*tasks)
        assert await gather(turns, 5, asyncio.Event()) == (1, 5)  # given back once each

    asyncio.run(run())


def test_a_cancelled_turn_is_given_back() -> None:
    async def run() -> tuple[int, int]:
        turns, never = Turns(1, 60.0), asyncio.Event()

        async def hang() -> None:
            async with turns.taken():
                await never.wait()

        tasks = [asyncio.create_task(hang()) for _ in range(2)]
        await asyncio.sleep(0)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        return await gather(turns, 2, asyncio.Event())

    assert asyncio.run(run()) == (1, 2)


def test_ports_by_number_and_name() -> None:
    container = Container(name="c", ports=(ContainerPort(name="web", container_port=80),))
    assert [port_of(container, port) for port in (8080, "8080", "web")] == [8080, 8080, 80]


@pytest.mark.parametrize("port", ["nope", 0, 65536, "", "-1"])
def test_a_port_that_is_none(port: int | str) -> None:
    with pytest.raises(NotFound):
        port_of(Container(name="c", ports=(ContainerPort(container_port=80),)), port)
