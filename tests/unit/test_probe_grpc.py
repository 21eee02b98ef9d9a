"""grpc handlers against a real HTTP/2 server on the loopback, and the wire format alone."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable

import pytest
from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.events import DataReceived, RequestReceived, StreamEnded
from hypothesis import given
from hypothesis import strategies as st

from podrun.probe import grpc, wire
from podrun.probe.grpc import GrpcCheck
from podrun.probe.outcome import Outcome
from tests.servers import served

Answer = Callable[[H2Connection, int], None]


class Health:
    """A gRPC server of one answer; keeps the request's headers and message."""

    def __init__(self, answer: Answer) -> None:
        self.answer = answer
        self.headers: dict[str, str] = {}
        self.message = b""

    async def __call__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        http = H2Connection(H2Configuration(client_side=False, header_encoding="utf-8"))
        http.initiate_connection()
        writer.write(http.data_to_send())
        while data := await reader.read(65536):
            for event in http.receive_data(data):
                if isinstance(event, RequestReceived):
                    self.headers = {str(k): str(v) for k, v in event.headers or ()}
                elif isinstance(event, DataReceived):
                    self.message += event.data or b""
                elif isinstance(event, StreamEnded):
                    self.answer(http, event.stream_id or 1)
            writer.write(http.data_to_send())


def says(number: int, code: str = "0", text: str = "") -> Answer:
    def answer(http: H2Connection, stream: int) -> None:
        http.send_headers(stream, [(":status", "200"), ("content-type", "application/grpc")])
        http.send_data(stream, wire.framed(bytes([8, number]) if number else b""))
        http.send_headers(stream, [("grpc-status", code), ("grpc-message", text)], end_stream=True)

    return answer


def fails(code: str, text: str) -> Answer:
    def answer(http: H2Connection, stream: int) -> None:
        head = [(":status", "200"), ("grpc-status", code), ("grpc-message", text)]
        http.send_headers(stream, head, end_stream=True)

    return answer


def ask(server: Health, service: str = "", timeout: float = 5.0) -> Outcome:
    async def one() -> Outcome:
        async with served(server) as port:
            return await grpc.check(GrpcCheck("127.0.0.1", port, service), timeout)

    return asyncio.run(one())


def test_serving_is_success_and_the_request_is_right() -> None:
    server = Health(says(1))
    assert ask(server, "a.b.C").kind == "success"
    assert server.headers[":path"] == "/grpc.health.v1.Health/Check"
    assert server.headers["content-type"] == "application/grpc"
    assert server.headers["te"] == "trailers"
    assert server.headers["grpc-timeout"] == "5000m"
    assert server.headers["user-agent"] == "kube-probe/1.36"
    assert server.message == b"\x00\x00\x00\x00\x07\x0a\x05a.b.C"


def test_no_service_is_an_empty_message() -> None:
    server = Health(says(1))
    ask(server)
    assert server.message == b"\x00\x00\x00\x00\x00"


@pytest.mark.parametrize(
    ("number", "name"), [(0, "UNKNOWN"), (2, "NOT_SERVING"), (3, "SERVICE_UNKNOWN"), (9, "9")]
)
def test_anything_but_serving_is_a_failure(number: int, name: str) -> None:
    expected = Outcome("failure", f'service unhealthy (responded with "{name}")')
    assert ask(Health(says(number))) == expected


def test_a_server_without_the_health_service() -> None:
    outcome = ask(Health(fails("12", "unknown service")))
    assert outcome.kind == "failure"
    assert "does not implement the grpc health protocol" in outcome.message


def test_an_unknown_service_is_a_failure_with_the_servers_words() -> None:
    outcome = ask(Health(fails("5", "no such service")))
    assert outcome.message == (
        "error: health rpc probe failed: rpc error: code = NotFound desc = no such service"
    )


def test_a_status_after_the_answer_counts() -> None:
    assert ask(Health(says(1, "13", "oh"))).kind == "failure"


@pytest.mark.parametrize("code", ["99", "x", "-1"])
def test_a_status_that_is_none_is_a_failure(code: str) -> None:
    assert ask(Health(fails(code, ""))).kind == "failure"


def test_no_answer_in_time_is_a_failure() -> None:
    outcome = ask(Health(lambda http, stream: None), timeout=0.1)
    assert outcome == Outcome("failure", "timeout: health rpc did not complete within 0.1s")


def test_a_reset_is_a_failure() -> None:
    assert ask(Health(lambda http, stream: http.reset_stream(stream))).kind == "failure"


def test_an_http_error_is_a_failure() -> None:
    def answer(http: H2Connection, stream: int) -> None:
        http.send_headers(stream, [(":status", "503")], end_stream=True)

    assert "503" in ask(Health(answer)).message


def test_an_endless_answer_is_a_failure() -> None:
    def answer(http: H2Connection, stream: int) -> None:
        http.send_headers(stream, [(":status", "200")])
        for _ in range(5):
            http.send_data(stream, b"\0" * 13000)

    assert ask(Health(answer), timeout=1.0).kind == "failure"


@pytest.mark.parametrize("answer", [b"", b"HTTP/1.1 400 no\r\n\r\n", b"\0" * 100, b"\xff" * 9])
def test_what_is_no_http2_is_a_failure(answer: bytes) -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(answer)
        await writer.drain()

    async def one() -> Outcome:
        async with served(serve) as port:
            return await grpc.check(GrpcCheck("127.0.0.1", port), 2.0)

    assert asyncio.run(one()).kind == "failure"


def test_nobody_there_is_a_failure() -> None:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        port = sock.getsockname()[1]
        outcome = asyncio.run(grpc.check(GrpcCheck("127.0.0.1", port), 1.0))
    assert outcome.kind == "failure"
    assert "connection refused" in outcome.message


# ── the wire format ──────────────────────────────────────────────────────────────────────────────


@given(st.text())
def test_a_string_field_is_skipped_as_written(text: str) -> None:
    assert wire.enum_field(wire.string_field(3, text) + b"\x08\x01", 1) == 1


def test_fields_of_every_kind_are_skipped() -> None:
    message = b"\x11" + b"\0" * 8 + b"\x1d" + b"\0" * 4 + b"\x20\xff\x01" + b"\x08\x02"
    assert wire.enum_field(message, 1) == 2


def test_the_last_value_counts() -> None:
    assert wire.enum_field(b"\x08\x01\x08\x02", 1) == 2


@given(st.binary(max_size=64))
def test_bytes_from_outside_give_a_value_or_malformed(data: bytes) -> None:
    try:
        assert wire.enum_field(wire.unframed(data), 1) >= 0
    except wire.Malformed as error:
        assert str(error)
