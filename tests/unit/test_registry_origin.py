"""Where requests may go."""

from __future__ import annotations

import pytest

from podrun.registry.origin import Safety, is_loopback, origin, split
from podrun.registry.types import Endpoint, RegistryError

BASE = "https://r.example/v2/app/blobs/sha256:1"


def safety(host: str = "r.example", *, insecure: bool = False, has_certs: bool = False) -> Safety:
    return Safety(Endpoint(host, "app", host, insecure), has_certs=has_certs)


@pytest.mark.parametrize(
    ("host", "yes"),
    [
        ("localhost", True),
        ("LOCALHOST:5000", True),
        ("127.0.0.1:5000", True),
        ("127.9.9.9", True),
        ("[::1]:5000", True),
        ("[::1]", True),
        ("localhost.example", False),
        ("127.0.0.1.example", False),
        ("10.0.0.1", False),
        ("r.example:127", False),
        ("", False),
    ],
)
def test_loopback(host: str, yes: bool) -> None:
    assert is_loopback(host) is yes


def test_who_may_be_spoken_to_without_verified_tls() -> None:
    assert not safety().lax("r.example")
    assert not safety().lax("localhost")
    assert safety(insecure=True).lax("cdn.example")
    assert safety("localhost:5000").lax("127.0.0.1:5001")
    assert not safety("localhost:5000").lax("cdn.example")
    assert not safety("localhost:5000", has_certs=True).lax("localhost:5000")
    assert safety("localhost:5000", has_certs=True, insecure=True).lax("localhost:5000")


@pytest.mark.parametrize(
    ("location", "url"),
    [
        ("/x?a=b", "https://r.example/x?a=b"),
        ("other", "https://r.example/v2/app/blobs/other"),
        ("//cdn.example/x", "https://cdn.example/x"),
        ("https://cdn.example:444/x?sig=1#part", "https://cdn.example:444/x?sig=1"),
    ],
)
def test_redirects_that_are_followed(location: str, url: str) -> None:
    assert safety().target(BASE, location) == url


@pytest.mark.parametrize(
    "location",
    ["http://r.example/x", "file:///etc/passwd", "ftp://h/x", "https://u:p@h/",
     "https://h:port/", "https://h/a b", "https://h/\r\nX: 1", "https://h/ä", "https://[::1/",
     "https://h/" + "x" * 20_000, "javascript:1", "data:,x", "unix:/run/x"],
)  # fmt: skip
def test_redirects_that_are_refused(location: str) -> None:
    with pytest.raises(RegistryError, match=r"r\.example leads to") as caught:
        safety().target(BASE, location)
    assert len(caught.value.text) < 250
    assert caught.value.text.isprintable()


def test_plain_http_only_where_it_is_allowed() -> None:
    assert safety(insecure=True).target(BASE, "http://cdn.example/x") == "http://cdn.example/x"
    local = safety("localhost:5000")
    assert local.target("http://localhost:5000/", "http://127.0.0.1:1/x") == "http://127.0.0.1:1/x"
    with pytest.raises(RegistryError, match="not encrypted"):
        local.target("http://localhost:5000/", "http://cdn.example/x")


def test_an_origin_has_its_port() -> None:
    assert origin("https://r.example/x") == origin("https://R.example:443/y")
    assert (
        len({origin(f"{s}://h{p}/") for s in ("http", "https") for p in ("", ":80", ":443")}) == 4
    )


@pytest.mark.parametrize("url", ["", "r.example", "https:r.example", "https://h:99999/"])
def test_what_is_no_url(url: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        split(url)
