"""Sending a blob, resumed where the registry says how far it came.

POST uploads/ ──202──► session ──PUT ?digest=, all bytes──201──► done
                          ▲              │ cut, stalled, 5xx
          session is gone │              ▼
      (404, 416, no Range)└──────── GET session ──204, Range: 0-N──► PATCH from N + 1,
                                                                     PUT ?digest=, empty
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import BinaryIO

from podrun.registry.retry import Backoff, Temporary
from podrun.registry.session import Call, Document, Session
from podrun.registry.types import RegistryError

#: Told how many bytes of the blob are sent; goes back when some have to be sent again.
Tell = Callable[[int], None]
_RANGE = re.compile(r"(?:bytes=)?0-(\d{1,19})")
_ANSWER_MAX = 64 << 10


class _Portion:
    """``source`` from ``start`` to its end at ``size``, counted as it is read."""

    def __init__(self, source: BinaryIO, start: int, size: int, tell: Tell) -> None:
        source.seek(start)
        self._source = source
        self._position = start
        self._size = size
        self._tell = tell

    def read(self, count: int = -1, /) -> bytes:
        left = self._size - self._position
        data = self._source.read(min(count, left) if count >= 0 else left)
        if left and not data:
            raise RegistryError(f"the blob has only {self._position} of its {self._size} bytes")
        self._position += len(data)
        self._tell(self._position)
        return data


class Upload:
    """One blob on its way to ``path`` (``/v2/<repository>/blobs/uploads/``)."""

    def __init__(
        self, session: Session, path: str, what: str, digest: str, size: int,
        source: BinaryIO, tell: Tell, location: str = "",
    ) -> None:  # fmt: skip
        self._session = session
        self._path = path
        self._what = what
        self._digest = digest
        self._size = size
        self._source = source
        self._tell = tell
        self._location = location
        self._sent = 0  # known to have arrived
        self._backoff = Backoff(session.patience, session.clock)

    def run(self) -> None:
        """Raises RegistryError."""
        failed = False
        while True:
            try:
                if failed and self._location:
                    self._find_position()
                self._begin()
                self._send()
                return
            except Temporary as failure:
                failed = True
                self._backoff.pause(failure)
            except RegistryError as error:
                if not self._location or error.status not in {404, 416}:
                    raise
                self._location = ""  # the registry has forgotten the session
                self._backoff.pause(Temporary(error.message, status=error.status))

    def _begin(self) -> None:
        if not self._location:
            answer = self._call("POST", self._path, accept=(202,))
            self._location = self._next(answer, required=True)
            self._sent = 0

    def _send(self) -> None:
        if self._sent == 0:
            self._commit(from_start=True)
            return
        if self._sent < self._size:
            last = self._size - 1
            headers = {"Content-Range": f"{self._sent}-{last}"}
            answer = self._call("PATCH", self._location, headers, (202, 204), body=True)
            self._location = self._next(answer)
            self._sent = self._size
        self._commit(from_start=False)

    def _commit(self, *, from_start: bool) -> None:
        mark = "&" if "?" in self._location else "?"
        url = f"{self._location}{mark}digest={self._digest}"
        self._call("PUT", url, accept=(201, 204), body=from_start)

    def _find_position(self) -> None:
        """After a failure: how far it came. What cannot be told is begun anew."""
        before, self._sent = self._sent, 0
        try:
            answer = self._call("GET", self._location, accept=(204,))
        except Temporary:
            raise
        except RegistryError:
            self._location = ""
            return
        self._location = self._next(answer)
        found = _RANGE.fullmatch(answer.headers.get("range", "").strip())
        # "0-0" is how some say that nothing came: a single byte is not worth the risk
        last = int(found[1]) if found else 0
        if last >= self._size or not found:
            self._location = ""
            return
        self._sent = last + 1 if last else 0
        if self._sent - before >= self._session.patience.progress_bytes:
            self._backoff.progress()

    def _call(
        self,
        method: str,
        url: str,
        headers: dict[str, str] | None = None,
        accept: tuple[int, ...] = (),
        *,
        body: bool = False,
    ) -> Document:
        all_headers = dict(headers or {})
        start = self._sent
        if body:
            all_headers["Content-Type"] = "application/octet-stream"
        call = Call(
            method, url, self._what, all_headers,
            body=(lambda: _Portion(self._source, start, self._size, self._tell)) if body else None,
            body_bytes=self._size - start if body else 0,
            accept=accept,
            wait_seconds=self._session.patience.commit_seconds if method == "PUT" else 0.0,
        )  # fmt: skip
        answer = self._session.ask(call)
        data = answer.document(_ANSWER_MAX, self._session.patience.document_seconds)
        return Document(answer.status, answer.headers, data, answer.url)

    def _next(self, answer: Document, *, required: bool = False) -> str:
        """Each answer may name another place for what follows."""
        location = answer.headers.get("location", "")
        if location:
            return self._session.target(answer.url, location)
        if required:
            raise RegistryError(f"{self._what}: the registry did not say where to upload to")
        return self._location
