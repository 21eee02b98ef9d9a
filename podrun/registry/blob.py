"""Reading a blob to its end, whatever the connection does.

              ┌───────────── Temporary: pause (registry.retry) ◄──┐
              ▼                                                   │ cut, stalled, 5xx
    GET, Range: bytes=<position>-  ──206 from position──► read ───┤
                                   ──200 (Range ignored)► skip ───┘
                                                           └─ position == size: end

What is read is not checked against the digest here: the reader's business, who may have had the
bytes before ``offset`` from an earlier try.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from podrun.registry.retry import Backoff, Temporary
from podrun.registry.session import Call, Session
from podrun.registry.types import RegistryError

if TYPE_CHECKING:
    from podrun.registry.transport import Answer

PIECE = 256 << 10
_RANGE = re.compile(r"bytes (\d{1,19})-(\d{1,19})/(\d{1,19}|\*)")


class BlobReader:
    """``read(n)`` gives 1 to n bytes, and b"" after exactly ``size`` bytes, no more.

    Raises RegistryError when the registry gives up, or offers another length than ``size``.
    """

    def __init__(self, session: Session, call: Call, size: int, offset: int = 0) -> None:
        self._session = session
        self._call = call
        self._size = size
        self._answer: Answer | None = None
        self._backoff = Backoff(session.patience, session.clock)
        self._mark = offset  # the position at which the failures were counted last
        self.position = offset

    def read(self, size: int = PIECE) -> bytes:
        wanted = min(size if size > 0 else PIECE, self._size - self.position)
        if wanted <= 0:
            self.close()
            return b""
        while True:
            try:
                return self._read(wanted)
            except Temporary as failure:
                self._failed(failure)

    def _read(self, wanted: int) -> bytes:
        if self._answer is None:
            self._answer = self._open()
        data = self._answer.read(wanted)
        if not data:
            raise Temporary(f"{self._call.what}: ends after {self.position} of {self._size} bytes")
        self.position += len(data)
        if self.position - self._mark >= self._session.patience.progress_bytes:
            self._backoff.progress()
            self._mark = self.position
        return data

    def _failed(self, failure: Temporary) -> None:
        self.close()
        if not failure.message.startswith(self._call.what):
            failure.message = f"{self._call.what}: {failure.message}"
        self._backoff.pause(failure)

    def _open(self) -> Answer:
        headers = dict(self._call.headers)
        if self.position:
            headers["Range"] = f"bytes={self.position}-"
        call = Call("GET", self._call.url, self._call.what, headers, accept=(200, 206, 416))
        answer = self._session.ask(call)
        try:
            self._check(answer)
        except BaseException:
            answer.close()
            raise
        return answer

    def _check(self, answer: Answer) -> None:
        if answer.status == 416:
            raise RegistryError(
                f"{self._call.what}: has at most {self.position} bytes at the registry, "
                f"not {self._size}"
            )
        if answer.status == 206:
            first, total = _range(answer.header("content-range"))
            if first != self.position:
                raise RegistryError(
                    f"{self._call.what}: got bytes from {first} on, not from {self.position}"
                )
        else:
            total = answer.length
        if total is not None and total != self._size:
            raise RegistryError(
                f"{self._call.what}: has {total} bytes at the registry, not {self._size}"
            )
        if answer.status == 200:
            self._skip(answer)

    def _skip(self, answer: Answer) -> None:
        left = self.position
        while left:
            data = answer.read(min(left, PIECE))
            if not data:
                raise Temporary(f"{self._call.what}: ends before byte {self.position}")
            left -= len(data)

    def close(self) -> None:
        if self._answer is not None:
            self._answer.close()
            self._answer = None

    def __enter__(self) -> BlobReader:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()


def _range(value: str) -> tuple[int, int | None]:
    """First byte and total (None: not told) of a Content-Range header; (-1, None) for nonsense."""
    found = _RANGE.fullmatch(value.strip())
    if not found:
        return -1, None
    return int(found[1]), None if found[3] == "*" else int(found[3])
