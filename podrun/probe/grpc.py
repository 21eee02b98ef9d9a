"""grpc probes: one call of grpc.health.v1.Health/Check over HTTP/2 without TLS.

    client                                     server
      │ HEADERS :method POST, grpc-timeout …  ─► │
      │ DATA    0, length, {1: service}       ─► │
      │ ◄─────────────────── HEADERS :status 200 │
      │ ◄────── DATA 0, length, {1: SERVING = 1} │
      │ ◄────────────── HEADERS grpc-status: 0   │

The framing is h2's, which does no I/O; the two messages have one field each, so a code generator
and its library would be more than what they replace.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import msgspec

from podrun.probe import dial
from podrun.probe.http import PROBE_AGENT
from podrun.probe.outcome import FAILURE, SUCCESS, Outcome
from podrun.probe.wire import Malformed, enum_field, framed, string_field, unframed

if TYPE_CHECKING:
    from h2.connection import H2Connection
    from h2.events import Event

_METHOD = "/grpc.health.v1.Health/Check"
_STATUS_FIELD = 1
_SERVICE_FIELD = 1
_STATUSES = ("UNKNOWN", "SERVING", "NOT_SERVING", "SERVICE_UNKNOWN")
_UNIMPLEMENTED = 12
_DEADLINE_EXCEEDED = 4
_CODES = (
    "OK", "Canceled", "Unknown", "InvalidArgument", "DeadlineExceeded", "NotFound",
    "AlreadyExists", "PermissionDenied", "ResourceExhausted", "FailedPrecondition", "Aborted",
    "OutOfRange", "Unimplemented", "Internal", "Unavailable", "DataLoss", "Unauthenticated",
)  # fmt: skip
_MAX_ANSWER = 1 << 16
_READ_BYTES = 1 << 14


class GrpcCheck(msgspec.Struct, frozen=True):
    """``address`` is the pod's; ``service`` may be empty: the server as a whole."""

    address: str
    port: int
    service: str = ""

    @property
    def authority(self) -> str:
        return dial.join(self.address, self.port)


class _Answer(msgspec.Struct):
    http_status: str = ""
    code: str = ""
    text: str = ""
    data: bytes = b""
    ended: bool = False


async def check(wanted: GrpcCheck, timeout: float | None) -> Outcome:
    from h2.exceptions import ProtocolError

    answer = _Answer()
    connected = False
    try:
        async with asyncio.timeout(timeout):
            async with dial.connected(wanted.address, wanted.port) as (reader, writer):
                connected = True
                await _call(wanted, timeout, answer, reader, writer)
    except TimeoutError:
        return Outcome(FAILURE, _too_late(wanted, timeout, connected))
    except (OSError, ProtocolError) as error:
        text = str(error)
        if isinstance(error, OSError):
            text = dial.text_of(error, wanted.address, wanted.port)
        where = wanted.authority
        return Outcome(FAILURE, f'error: failed to connect service at "{where}": {text}')
    return _outcome(answer, timeout)


def _too_late(wanted: GrpcCheck, timeout: float | None, connected: bool) -> str:
    if connected:
        return f"timeout: health rpc did not complete within {timeout:g}s"
    return f'timeout: failed to connect service "{wanted.authority}" within {timeout:g}s'


async def _call(
    wanted: GrpcCheck,
    timeout: float | None,
    answer: _Answer,
    reader: asyncio.StreamReader,
    writer: asyncio.StreamWriter,
) -> None:
    from h2.config import H2Configuration
    from h2.connection import H2Connection

    http = H2Connection(H2Configuration(client_side=True, header_encoding="utf-8"))
    http.initiate_connection()
    stream = http.get_next_available_stream_id()
    http.send_headers(stream, _headers(wanted, timeout))
    http.send_data(stream, framed(string_field(_SERVICE_FIELD, wanted.service)), end_stream=True)
    while not answer.ended:
        writer.write(http.data_to_send())
        data = await reader.read(_READ_BYTES)
        if not data:
            answer.text = answer.text or "the server closed the connection"
            return
        for event in http.receive_data(data):
            _take(event, http, answer)
        if len(answer.data) > _MAX_ANSWER:
            answer.text, answer.data = "the answer has no end", b""
            return


def _headers(wanted: GrpcCheck, timeout: float | None) -> list[tuple[str, str]]:
    found = [
        (":method", "POST"),
        (":scheme", "http"),
        (":path", _METHOD),
        (":authority", wanted.authority),
        ("te", "trailers"),
        ("content-type", "application/grpc"),
        ("user-agent", PROBE_AGENT),
    ]
    return found if timeout is None else [*found, ("grpc-timeout", f"{int(timeout * 1000)}m")]


def _take(event: Event, http: H2Connection, answer: _Answer) -> None:
    from h2 import events

    match event:
        case events.ResponseReceived() | events.TrailersReceived():
            headers = {str(key): str(value) for key, value in event.headers or ()}
            answer.http_status = headers.get(":status", answer.http_status)
            answer.code = headers.get("grpc-status", answer.code)
            answer.text = headers.get("grpc-message", answer.text)
        case events.DataReceived():
            answer.data += event.data or b""
            http.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
        case events.StreamEnded():
            answer.ended = True
        case events.StreamReset() | events.ConnectionTerminated():
            answer.text = f"the server reset the call (HTTP/2 code {int(event.error_code or 0)})"
            answer.ended = True


def _outcome(answer: _Answer, timeout: float | None) -> Outcome:
    if answer.http_status not in ("", "200"):
        return _failed("Unknown", f"unexpected HTTP status code {answer.http_status}")
    if not answer.code:
        return _failed("Unavailable", answer.text or "the answer has no status")
    code = int(answer.code) if answer.code.isdecimal() else -1
    name = _CODES[code] if 0 <= code < len(_CODES) else f"Code({answer.code})"
    if code == _UNIMPLEMENTED:
        text = "this server does not implement the grpc health protocol (grpc.health.v1.Health)"
        return Outcome(FAILURE, f"error: {text}: {answer.text}")
    if code == _DEADLINE_EXCEEDED:
        return Outcome(FAILURE, f"timeout: health rpc did not complete within {timeout:g}s")
    if code != 0:
        return _failed(name, answer.text)
    try:
        number = enum_field(unframed(answer.data), _STATUS_FIELD)
    except Malformed as error:
        return _failed("Internal", str(error))
    status = _STATUSES[number] if number < len(_STATUSES) else str(number)
    if status == "SERVING":
        return Outcome(SUCCESS, "service healthy")
    return Outcome(FAILURE, f'service unhealthy (responded with "{status}")')


def _failed(code: str, text: str) -> Outcome:
    return Outcome(
        FAILURE, f"error: health rpc probe failed: rpc error: code = {code} desc = {text}"
    )
