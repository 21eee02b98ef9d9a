"""The lines a worker says, however long and however they come."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterator
from typing import Any

import pytest

from podrun.agent import worker
from podrun.agent.worker import Lines
from podrun.errors import MechanismFailed


@pytest.fixture
def pipe() -> Iterator[tuple[Lines, int]]:
    read, write = os.pipe()
    lines = Lines(read)
    yield lines, write
    lines.close()


def said(lines: Lines, write: int, *pieces: bytes) -> list[dict[str, Any]]:
    """All that is read to the end."""

    async def speak() -> None:
        for piece in pieces:
            os.write(write, piece)
            await asyncio.sleep(0)
        os.close(write)

    async def listen() -> list[dict[str, Any]]:
        speaker = asyncio.create_task(speak())
        found: list[dict[str, Any]] = []
        while (line := await lines.next()) is not None:
            found.append(line)
        await speaker
        return found

    return asyncio.run(listen())


def test_lines_come_whole_whatever_the_pieces(pipe: tuple[Lines, int]) -> None:
    pieces = [b'{"a": 1}\n{"b"', b": 2", b'}\n{"c": 3}\n{"half']
    assert said(*pipe, *pieces) == [{"a": 1}, {"b": 2}, {"c": 3}]


def test_what_is_no_json_is_told_by_its_beginning(pipe: tuple[Lines, int]) -> None:
    with pytest.raises(MechanismFailed, match="a worker said b'no json'"):
        said(*pipe, b"no json\n")


def test_a_line_without_end_is_read_up_to_the_bound(
    pipe: tuple[Lines, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(worker, "_MAX_ANSWER", 100)
    assert said(*pipe, b"x" * 101) == []


def test_an_answer_of_many_pieces() -> None:
    answer = asyncio.run(worker.run(lambda: "x" * (8 << 20)))
    assert len(answer) == 8 << 20
