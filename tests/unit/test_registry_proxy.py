"""HTTPS_PROXY, HTTP_PROXY and NO_PROXY."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from podrun.registry.proxy import choose, excluded
from podrun.registry.types import RegistryError


def chosen(scheme: str = "https", host: str = "r.example", **environ: str) -> str:
    found = choose(scheme, host, environ)
    return found.geturl() if found else ""


def test_each_scheme_has_its_variable() -> None:
    environ = {"HTTPS_PROXY": "http://a:1", "HTTP_PROXY": "http://b:2"}
    assert chosen("https", **environ) == "http://a:1"
    assert chosen("http", **environ) == "http://b:2"
    assert chosen() == ""
    assert chosen(HTTPS_PROXY=" ") == ""


def test_lower_case_goes_first() -> None:
    assert chosen(HTTPS_PROXY="http://a:1", https_proxy="http://b:2") == "http://b:2"
    both = {"HTTPS_PROXY": "http://a:1", "NO_PROXY": "*", "no_proxy": "other"}
    assert chosen(**both) == "http://a:1"


def test_a_proxy_may_be_given_without_its_scheme() -> None:
    assert chosen(HTTPS_PROXY="proxy.example:3128") == "http://proxy.example:3128"


@pytest.mark.parametrize("host", ["localhost:5000", "127.0.0.1", "127.1.2.3:80", "[::1]:5000"])
def test_this_machine_is_never_behind_a_proxy(host: str) -> None:
    assert chosen(host=host, HTTPS_PROXY="http://a:1") == ""


@pytest.mark.parametrize(
    "value", ["socks5://u:secret@h:1", "http://", "http://u:secret@h:port", "://", "ftp://h", "//["]
)
def test_what_is_no_proxy_is_an_error_that_does_not_tell_the_password(value: str) -> None:
    with pytest.raises(RegistryError, match="HTTPS_PROXY is not") as caught:
        chosen(HTTPS_PROXY=value)
    assert "secret" not in caught.value.text


@pytest.mark.parametrize(
    ("no_proxy", "host", "yes"),
    [
        ("*", "r.example", True),
        ("", "r.example", False),
        ("r.example", "r.example", True),
        ("R.Example", "r.EXAMPLE", True),
        ("example", "r.example", True),
        (".example", "r.example", True),
        ("*.example", "r.example", True),
        (".r.example", "r.example", False),
        ("xample", "r.example", False),
        ("a, r.example ,b", "r.example", True),
        ("r.example:5000", "r.example:5000", True),
        ("r.example:5000", "r.example", False),
        ("r.example:443", "r.example", True),
        ("10.0.0.0/8", "10.1.2.3:5000", True),
        ("10.0.0.0/8", "11.1.2.3", False),
        ("10.1.2.3", "10.1.2.3", True),
        ("10.1.2.3:5000", "10.1.2.3:5000", True),
        ("10.1.2.3:5000", "10.1.2.3:5001", False),
        ("10.1.2.3/8", "10.9.9.9", True),
        ("fd00::/8", "[fd00::1]:5000", True),
        ("fd00::1", "[fd00::1]", True),
        ("[fd00::1]", "[fd00::1]", True),
        ("[fd00::1]:5000", "[fd00::1]:5000", True),
        ("[fd00::1]:5000", "[fd00::1]", False),
        ("10.0.0.0/8", "r.example", False),
        ("0.0.0.0/0", "r.example", False),
        ("10.0.0.0/99", "10.0.0.1", False),
        (",,,", "r.example", False),
        ("r.example.", "r.example", False),
        ("r.example", "r.example.", True),
    ],
)
def test_no_proxy(no_proxy: str, host: str, yes: bool) -> None:
    assert excluded("https", host, no_proxy) is yes


@given(st.text(alphabet="ab.:/*,[]0123 é", max_size=30))
def test_no_proxy_never_fails(no_proxy: str) -> None:
    for host in ("a.b", "10.0.0.1:5000", "[fd00::1]"):
        excluded("https", host, no_proxy)
