"""WWW-Authenticate as registries write it, and as nobody should."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from podrun.registry.challenge import Challenge, parse

HUB = (
    'Bearer realm="https://auth.docker.io/token",service="registry.docker.io",'
    'scope="repository:library/nginx:pull,push"'
)
HUB_READ = Challenge(
    "bearer",
    {
        "realm": "https://auth.docker.io/token",
        "service": "registry.docker.io",
        "scope": "repository:library/nginx:pull,push",
    },
)


@pytest.mark.parametrize(
    ("headers", "found"),
    [
        ([], []),
        ([HUB], [HUB_READ]),
        (['Basic realm="r"'], [Challenge("basic", {"realm": "r"})]),
        (["Basic"], [Challenge("basic", {})]),
        (["BASIC Realm=r"], [Challenge("basic", {"realm": "r"})]),
        ([HUB, 'Basic realm="r"'], [HUB_READ, Challenge("basic", {"realm": "r"})]),
        ([f'{HUB}, Basic realm="r"'], [HUB_READ, Challenge("basic", {"realm": "r"})]),
        ([f'Basic realm="r", {HUB}'], [Challenge("basic", {"realm": "r"}), HUB_READ]),
        (["Negotiate, NTLM"], [Challenge("negotiate", {}), Challenge("ntlm", {})]),
        (
            ['Negotiate YII+/aB==, Basic realm="r"'],
            [Challenge("negotiate", {}), Challenge("basic", {"realm": "r"})],
        ),
        ([r'Basic realm="a \"b\" \\ c, d=e"'], [Challenge("basic", {"realm": r'a "b" \ c, d=e'})]),
        (['Bearer realm = "r" , a = s'], [Challenge("bearer", {"realm": "r", "a": "s"})]),
        (['Bearer realm="1",realm="2"'], [Challenge("bearer", {"realm": "1"})]),
        (['Bearer realm="r",,service="s",'], [Challenge("bearer", {"realm": "r", "service": "s"})]),
        (['Bearer error="x"'], [Challenge("bearer", {"error": "x"})]),
        (['Bearer realm="never closed'], [Challenge("bearer", {"realm": ""})]),
        (['"', "=", ",", " "], []),
    ],
)  # fmt: skip
def test_parse(headers: list[str], found: list[Challenge]) -> None:
    assert parse(headers) == found


@given(st.lists(st.text(alphabet='Bearer abc="\\, \t;%é\x00', max_size=200), max_size=4))
def test_anything_can_be_read(headers: list[str]) -> None:
    for challenge in parse(headers):
        assert challenge.scheme == challenge.scheme.lower() != ""


@pytest.mark.parametrize("piece", [",", " ", "a ", 'a="', "a=", "\\", '"', "a" * 50 + " =", "=a"])
def test_long_headers_take_no_time(piece: str) -> None:
    before = time.process_time()
    parse(["Bearer " + piece * 100_000])
    assert time.process_time() - before < 5
