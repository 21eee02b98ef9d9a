"""httpGet handlers against real servers on the loopback (semantics §6)."""

from __future__ import annotations

import asyncio
import socket
import ssl
import subprocess
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from podrun.probe import http
from podrun.probe.http import HttpGet, headers_of, redirected
from podrun.probe.outcome import KEPT_BYTES, Outcome
from tests.servers import Raw, served, status


def ask(raw: Raw, path: str = "/", timeout: float = 5.0, **fields: object) -> Outcome:
    async def one() -> Outcome:
        async with served(raw) as port:
            wanted = HttpGet("http", "127.0.0.1", "127.0.0.1", port, path)
            return await http.get(msgspec.structs.replace(wanted, **fields), timeout)

    return asyncio.run(one())


@pytest.mark.parametrize(
    ("code", "kind"),
    [(200, "success"), (204, "success"), (299, "success"), (300, "warning"), (304, "warning"),
     (399, "warning"), (400, "failure"), (404, "failure"), (500, "failure"), (503, "failure")],
)  # fmt: skip
def test_200_to_399_is_well(code: int, kind: str) -> None:
    outcome = ask(Raw(x=status(code)), "/x")
    assert outcome.kind == kind
    if kind == "failure":
        assert outcome.message == f"HTTP probe failed with statuscode: {code}"


def test_the_request_is_the_kubelets() -> None:
    raw = Raw(x=status(200))
    ask(raw, "/x?a=1&b=%20c d")
    assert raw.requests[0].startswith("GET /x?a=1&b=%20c%20d HTTP/1.1\r\n")
    assert raw.headers["user-agent"] == "kube-probe/1.36"
    assert raw.headers["accept"] == "*/*"
    assert raw.headers["connection"] == "close"
    assert raw.headers["host"].startswith("127.0.0.1:")
    assert "accept-encoding" not in raw.headers


def test_headers_of_the_manifest_come_first_and_host_is_the_host() -> None:
    given_ = (("Host", "example.org"), ("user-agent", "me"), ("X-A", "1"), ("X-A", "2"))
    wanted = HttpGet("http", "10.0.0.1", "10.0.0.1", 80, headers=given_)
    assert headers_of(wanted) == [
        (b"Host", b"example.org"), (b"user-agent", b"me"), (b"X-A", b"1"), (b"X-A", b"2"),
        (b"Accept", b"*/*"), (b"Connection", b"close"),
    ]  # fmt: skip


def test_an_empty_header_takes_the_default_away() -> None:
    wanted = HttpGet("http", "a", "10.0.0.1", 80, headers=(("User-Agent", ""), ("Accept", "")))
    assert [name for name, _ in headers_of(wanted)] == [b"Host", b"Connection"]


def test_a_path_without_slash_gets_one_and_a_fragment_is_not_sent() -> None:
    assert HttpGet("http", "a", "10.0.0.1", 80, "healthz").target == "/healthz"
    assert HttpGet("http", "a", "10.0.0.1", 80, "/ä#x").target == "/%C3%A4"
    assert HttpGet("http", "fd00::1", "fd00::1", 80).authority == "[fd00::1]:80"


@given(st.text(max_size=60))
def test_no_path_can_add_a_header(path: str) -> None:
    target = HttpGet("http", "a", "10.0.0.1", 80, path).target
    assert target.isascii() and target.isprintable() and " " not in target


def test_redirects_to_the_same_host_are_followed() -> None:
    raw = Raw(a=status(302, Location="/b?q=1"), b=status(200, "there"))
    assert ask(raw, "/a") == Outcome("success", "there")
    assert raw.requests[1].startswith("GET /b?q=1 ")


@pytest.mark.parametrize("code", [301, 302, 303, 307, 308])
def test_a_redirect_to_another_host_is_success_with_a_warning(code: int) -> None:
    outcome = ask(Raw(a=status(code, "go", Location="http://elsewhere.example/")), "/a")
    assert outcome == Outcome("warning", "Probe terminated redirects, Response body: go")


def test_redirects_end_after_ten() -> None:
    raw = Raw(a=status(302, Location="/a"))
    outcome = ask(raw, "/a")
    assert outcome.kind == "failure"
    assert "stopped after 10 redirects" in outcome.message
    assert len(raw.requests) == 10


def test_a_redirect_without_location_counts_as_success_with_a_warning() -> None:
    assert ask(Raw(a=status(302)), "/a").kind == "warning"


@pytest.mark.parametrize("location", ["ftp://127.0.0.1/", "http://[", "http://127.0.0.1:x/"])
def test_a_redirect_to_nowhere_is_not_followed(location: str) -> None:
    assert ask(Raw(a=status(302, Location=location)), "/a").kind == "warning"


def test_a_host_header_goes_along_with_relative_redirects_only() -> None:
    asked = HttpGet("http", "10.0.0.1", "10.0.0.1", 80, headers=(("Host", "h"), ("A", "b")))
    relative, absolute = redirected(asked, "../x"), redirected(asked, "https://10.0.0.1/y")
    assert relative is not None and absolute is not None
    assert relative.headers == asked.headers
    assert absolute.headers == (("A", "b"),)
    assert (absolute.scheme, absolute.port, absolute.path) == ("https", 443, "/y")


def test_a_body_is_read_to_10_kib_and_no_further() -> None:
    head = "HTTP/1.1 200 OK\r\nContent-Length: 100000000\r\n\r\n"
    outcome = ask(Raw(**{"no-end": head + "x" * 20000}), "/no-end")
    assert outcome == Outcome("success", "x" * KEPT_BYTES)


def test_a_body_that_breaks_off_is_an_error() -> None:
    head = "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nxy"
    outcome = ask(Raw(a=head), "/a")
    assert outcome.kind == "error"


def test_an_answer_without_length_ends_with_the_connection() -> None:
    assert ask(Raw(a="HTTP/1.0 200 OK\r\n\r\nxy"), "/a") == Outcome("success", "xy")


def test_an_interim_answer_is_not_the_answer() -> None:
    interim = "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n"
    assert ask(Raw(a=interim + status(500)), "/a").kind == "failure"


@pytest.mark.parametrize(
    "answer", ["", "hello\r\n\r\n", "HTTP/1.1 200", b"\xff\x00\r\n\r\n", "HTTP/1.1 99 x\r\n\r\n"]
)
def test_what_is_no_http_is_a_failure(answer: str | bytes) -> None:
    assert ask(Raw(a=answer), "/a").kind == "failure"


def test_endless_headers_are_a_failure() -> None:
    assert ask(Raw(a="HTTP/1.1 200 OK\r\n" + "A: b\r\n" * 50000), "/a").kind == "failure"


def test_a_header_that_is_none_is_an_error_not_an_injection() -> None:
    raw = Raw(a=status(200))
    assert ask(raw, "/a", headers=(("X", "a\r\nEvil: 1"),)).kind == "error"
    assert not raw.requests


def test_no_answer_in_time_is_a_failure() -> None:
    outcome = ask(Raw(**{"no-end": ""}), "/no-end", timeout=0.05)
    assert outcome.kind == "failure"
    assert "context deadline exceeded" in outcome.message


def test_nobody_there_is_a_failure_that_says_so() -> None:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        port = sock.getsockname()[1]
        outcome = asyncio.run(http.get(HttpGet("http", "127.0.0.1", "127.0.0.1", port), 1.0))
    text = f'Get "http://127.0.0.1:{port}/": dial tcp 127.0.0.1:{port}: connect: connection refused'
    assert outcome == Outcome("failure", text)


@pytest.fixture(scope="module")
def self_made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Key and certificate, weak and of another name: neither may matter."""
    path = tmp_path_factory.mktemp("tls") / "both.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:1024", "-nodes", "-subj", "/CN=other",
         "-keyout", path, "-out", path.with_suffix(".crt"), "-days", "1"],
        check=True, capture_output=True,
    )  # fmt: skip
    path.write_text(path.read_text() + path.with_suffix(".crt").read_text())
    return path


def test_https_without_a_look_at_the_certificate(self_made: Path) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.set_ciphers("DEFAULT:@SECLEVEL=0")
    context.load_cert_chain(self_made)

    async def one() -> Outcome:
        async with served(Raw(x=status(200, "secret")), context=context) as port:
            return await http.get(HttpGet("https", "127.0.0.1", "127.0.0.1", port, "/x"), 5.0)

    assert asyncio.run(one()) == Outcome("success", "secret")


def test_https_to_a_plain_server_is_a_failure() -> None:
    outcome = ask(Raw(x=status(200)), "/x", scheme="https", timeout=1.0)
    assert outcome.kind == "failure"


def test_no_thread_and_no_resolver(monkeypatch: pytest.MonkeyPatch) -> None:
    def forbidden(*_: object) -> None:
        raise AssertionError("a probe must not come here")

    monkeypatch.setattr("threading.Thread.start", forbidden)
    monkeypatch.setattr("socket.getaddrinfo", forbidden)
    assert ask(Raw(x=status(200)), "/x").well


def test_ipv6() -> None:
    async def one() -> Outcome:
        async with served(Raw(x=status(200)), "::1") as port:
            return await http.get(HttpGet("http", "::1", "::1", port, "/x"), 5.0)

    assert asyncio.run(one()).well
