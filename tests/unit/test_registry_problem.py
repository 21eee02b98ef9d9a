"""What a refusal means, in words that are safe to print."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from podrun.registry.problem import TEXT_MAX, printable, reason, refusal, status_text


def errors(*found: object) -> bytes:
    return json.dumps({"errors": found}).encode()


@pytest.mark.parametrize(
    ("body", "text"),
    [
        (errors({"code": "DENIED", "message": "no"}), "no"),
        (errors({"code": "DENIED"}), "DENIED"),
        (errors({"code": "A", "message": ""}, {"message": "b"}), "A; b"),
        (errors({"message": 5}, "x", None, {"code": ["y"]}), ""),
        (errors(*[{"code": "X"}] * 1000), "X; X; X; X"),
        (b'{"details": "wrong password"}', "wrong password"),
        (b'{"error": "invalid_grant", "error_description": "expired"}', "expired"),
        (b'{"error": "invalid_grant"}', "invalid_grant"),
        (b'{"errors": {"code": 1}}', ""),
        (b"<html>", ""),
        (b"", ""),
        (b"\xff\xfe", ""),
        (b"[" * 100_000, ""),
        (b"null", ""),
    ],
)
def test_the_reason_in_a_body(body: bytes, text: str) -> None:
    assert reason(body) == text


@given(st.text())
def test_what_is_printed_is_one_safe_line(text: str) -> None:
    line = printable(text)
    assert line.isprintable()
    assert len(line) <= TEXT_MAX
    assert reason(errors({"message": text})).isprintable()


def test_directions_and_escapes_are_taken_out() -> None:
    assert printable("a\x1b[31mb\u202ec\u200bd\ne\u2028f") == "a [31mb c d e f"


@pytest.mark.parametrize(
    ("status", "tried", "meaning", "hint"),
    [
        (401, False, "access needs a login", "podrun login r.example"),
        (401, True, "the login was refused", "podrun login r.example"),
        (403, False, "access needs a login", "podrun login r.example"),
        (403, True, "access is forbidden for this login", ""),
        (404, False, "not found or no access", "podrun login r.example"),
        (404, True, "not found", ""),
        (429, False, "takes no more requests", "podrun login r.example"),
        (429, True, "takes no more requests", ""),
        (418, True, "answered 418", ""),
        (599, True, "answered 599", ""),
    ],
)
def test_statuses_are_told_apart(status: int, tried: bool, meaning: str, hint: str) -> None:
    error = refusal("tags of r", status, errors({"message": "why"}), login="r.example", tried=tried)
    assert error.message.startswith("tags of r: ")
    assert meaning in error.message
    assert error.message.endswith(": why")
    assert error.hint.endswith(hint)
    assert bool(error.hint) is bool(hint)
    assert error.status == status


def test_a_status_has_its_name() -> None:
    assert status_text(502) == "502 Bad Gateway"
    assert status_text(599) == "599"
