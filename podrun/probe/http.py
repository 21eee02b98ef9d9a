"""httpGet probes and hooks: one GET over HTTP/1.1 on a connection of its own, no proxy.

    200 … 299                           success
    301, 302, 303, 307, 308 to the same host    followed, ten times at the most
    any other 3xx, and one to another host      warning: it counts as success
    anything else, no answer in time            failure
    a body that breaks off                      error

The sources of the rules are pkg/probe/http and pkg/kubelet/prober of Kubernetes. The parsing is
h11's; it does no I/O.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterable
from urllib.parse import quote, urljoin, urlsplit

import h11
import msgspec

from podrun.probe import dial
from podrun.probe.outcome import (
    ERROR,
    FAILURE,
    KEPT_BYTES,
    SUCCESS,
    WARNING,
    Outcome,
    text_of,
)

#: the release of Kubernetes whose behaviour this is
VERSION = "1.36"
PROBE_AGENT = f"kube-probe/{VERSION}"
HOOK_AGENT = f"kube-lifecycle/{VERSION}"

_MAX_REDIRECTS = 10
_REDIRECTS = (301, 302, 303, 307, 308)
_MAX_HEADER_BYTES = 1 << 16
_READ_BYTES = 1 << 14
_IN_URLS = "/?@!$&'()*+,;=:%-._~[]"


class HttpGet(msgspec.Struct, frozen=True):
    """``host`` is as the manifest says (or the pod's address), ``address`` its IP literal.

    ``path`` may carry a query. A header whose value is empty takes User-Agent or Accept away.
    """

    scheme: str  # "http" or "https"
    host: str
    address: str
    port: int
    path: str = "/"
    headers: tuple[tuple[str, str], ...] = ()
    agent: str = PROBE_AGENT

    @property
    def authority(self) -> str:
        return dial.join(self.host, self.port)

    @property
    def url(self) -> str:
        return f"{self.scheme}://{self.authority}{self.target}"

    @property
    def target(self) -> str:
        path = quote(self.path.partition("#")[0], safe=_IN_URLS)
        return path if path.startswith("/") else f"/{path}"


class Answer(msgspec.Struct, frozen=True):
    status: int
    location: str
    body: bytes


class _BrokenBody(Exception):
    pass


async def get(wanted: HttpGet, timeout: float | None) -> Outcome:
    """``timeout`` seconds are for all of it, redirects too."""
    answer = await answer_to(wanted, timeout)
    if isinstance(answer, Outcome):
        return answer
    if 200 <= answer.status < 300:
        return Outcome(SUCCESS, text_of(answer.body))
    if 300 <= answer.status < 400:
        body = text_of(answer.body)
        return Outcome(WARNING, f"Probe terminated redirects, Response body: {body}")
    return Outcome(FAILURE, f"HTTP probe failed with statuscode: {answer.status}")


async def answer_to(wanted: HttpGet, timeout: float | None) -> Answer | Outcome:
    """The last answer, or the failure or error that kept it from coming."""
    get = f'Get "{wanted.url}"'
    try:
        async with asyncio.timeout(timeout):
            return await _follow(wanted)
    except TimeoutError:
        return Outcome(FAILURE, f"{get}: context deadline exceeded while awaiting the answer")
    except _BrokenBody as broken:
        return Outcome(ERROR, f"{get}: {broken}")
    except OSError as error:
        return Outcome(FAILURE, f"{get}: {dial.text_of(error, wanted.address, wanted.port)}")
    except h11.RemoteProtocolError as error:
        return Outcome(FAILURE, f"{get}: malformed HTTP response: {error}")
    except h11.LocalProtocolError as error:
        return Outcome(ERROR, f"{get}: {error}")


async def _follow(wanted: HttpGet) -> Answer | Outcome:
    asked = wanted
    for _ in range(_MAX_REDIRECTS):
        answer = await _exchange(asked)
        if answer.status not in _REDIRECTS or not answer.location:
            return answer
        following = redirected(asked, answer.location)
        if following is None:
            return answer
        asked = following
    return Outcome(FAILURE, f'Get "{asked.url}": stopped after {_MAX_REDIRECTS} redirects')


def redirected(asked: HttpGet, location: str) -> HttpGet | None:
    """The request a redirect leads to; None where it leads to another host, or nowhere.

    A Host header of the manifest's goes along only while the redirects are relative.
    """
    try:
        parts = urlsplit(urljoin(asked.url, location))
        port = parts.port or (443 if parts.scheme == "https" else 80)
    except ValueError:
        return None
    if parts.scheme not in ("http", "https") or parts.hostname != asked.host.lower():
        return None
    headers = asked.headers
    if urlsplit(location).netloc:
        headers = tuple(pair for pair in headers if pair[0].lower() != "host")
    query = f"?{parts.query}" if parts.query else ""
    return msgspec.structs.replace(
        asked, scheme=parts.scheme, port=port, path=(parts.path or "/") + query, headers=headers
    )


async def _exchange(wanted: HttpGet) -> Answer:
    tls = wanted.scheme == "https"
    async with dial.connected(wanted.address, wanted.port, tls=tls) as (reader, writer):
        http = h11.Connection(h11.CLIENT, max_incomplete_event_size=_MAX_HEADER_BYTES)
        request = h11.Request(method="GET", target=wanted.target, headers=headers_of(wanted))
        writer.write((http.send(request) or b"") + (http.send(h11.EndOfMessage()) or b""))
        with contextlib.suppress(ConnectionError):  # it may have answered all the same
            await writer.drain()
        response = await _response(http, reader)
        location = next((v for k, v in response.headers if k == b"location"), b"")
        body = await _body(http, reader)
    return Answer(response.status_code, location.decode("latin-1"), body)


def headers_of(wanted: HttpGet) -> list[tuple[bytes, bytes]]:
    """Those of the manifest, and what it leaves open."""
    given = {name.lower(): value for name, value in wanted.headers}
    found = [("Host", given.get("host") or wanted.authority)]
    found += [
        (name, value)
        for name, value in wanted.headers
        if name.lower() != "host" and not (value == "" and name.lower() in ("user-agent", "accept"))
    ]
    if "user-agent" not in given:
        found.append(("User-Agent", wanted.agent))
    if "accept" not in given:
        found.append(("Accept", "*/*"))
    return _encoded([*found, ("Connection", "close")])


def _encoded(headers: Iterable[tuple[str, str]]) -> list[tuple[bytes, bytes]]:
    return [(name.encode(), value.encode()) for name, value in headers]


async def _response(http: h11.Connection, reader: asyncio.StreamReader) -> h11.Response:
    while True:
        event = await _next(http, reader)
        if isinstance(event, h11.Response):
            return event
        if not isinstance(event, h11.InformationalResponse):
            raise h11.RemoteProtocolError("the server closed the connection without an answer")


async def _body(http: h11.Connection, reader: asyncio.StreamReader) -> bytes:
    """Its first KEPT_BYTES; more is not read."""
    body = b""
    try:
        while len(body) < KEPT_BYTES:
            event = await _next(http, reader)
            if not isinstance(event, h11.Data):
                break
            body += event.data
    except (h11.RemoteProtocolError, OSError) as error:
        raise _BrokenBody(f"read the body: {error}") from None
    return body[:KEPT_BYTES]


async def _next(http: h11.Connection, reader: asyncio.StreamReader) -> object:
    while (event := http.next_event()) is h11.NEED_DATA:
        http.receive_data(await reader.read(_READ_BYTES))
    return event
