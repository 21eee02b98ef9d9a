"""Waiting for a descriptor in the loop."""

from __future__ import annotations

import asyncio


async def readable(fd: int) -> None:
    """Until ``fd`` can be read or is at its end; a pidfd, until its process has ended."""
    loop = asyncio.get_running_loop()
    ready: asyncio.Future[None] = loop.create_future()

    def wake() -> None:
        if not ready.done():
            ready.set_result(None)

    loop.add_reader(fd, wake)
    try:
        await ready
    finally:
        loop.remove_reader(fd)
