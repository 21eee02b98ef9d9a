"""A limit on how much begins at once, so that hundreds of probes due together do not stampede.

A turn is over when its work is, or after a second: probes that hang until their timeout must not
keep the others waiting.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator

_LIMIT = 64
_LONGEST_SECONDS = 1.0


class Turns:
    """Of one agent. Turns are given in the order in which they are asked for."""

    def __init__(self, limit: int = _LIMIT, longest: float = _LONGEST_SECONDS) -> None:
        self._free = asyncio.Semaphore(limit)
        self._longest = longest

    @contextlib.asynccontextmanager
    async def taken(self) -> AsyncIterator[None]:
        await self._free.acquire()
        held = [True]

        def give_back() -> None:
            if held:
                held.clear()
                self._free.release()

        over = asyncio.get_running_loop().call_later(self._longest, give_back)
        try:
            yield
        finally:
            over.cancel()
            give_back()
