"""What a token server is asked, and what its answer is worth."""

from __future__ import annotations

from urllib.parse import parse_qs, urlsplit

import msgspec
import pytest

from podrun.registry import tokens
from podrun.registry.types import Credential, RegistryError

SCOPES = ("repository:a:pull", "repository:b/c:pull,push")
REALM = "https://auth.example/token"


def test_an_anonymous_request() -> None:
    request = tokens.request(REALM, "the service", SCOPES, None)
    assert request.method == "GET"
    assert request.headers == {}
    query = parse_qs(urlsplit(request.url).query)
    assert query == {"service": ["the service"], "scope": list(SCOPES)}


def test_a_request_with_name_and_password() -> None:
    request = tokens.request(REALM, "", SCOPES, Credential("anna", "p:ä&"))
    assert request.headers == {"Authorization": "Basic YW5uYTpwOsOkJg=="}
    assert parse_qs(urlsplit(request.url).query)["account"] == ["anna"]
    assert "p:" not in request.url


def test_a_request_with_an_identity_token_is_a_form() -> None:
    request = tokens.request(REALM, "s", SCOPES, Credential("x", "y", "identity&"))
    assert (request.method, request.url) == ("POST", REALM)
    assert request.body is not None
    assert parse_qs(request.body.decode()) == {
        "grant_type": ["refresh_token"],
        "service": ["s"],
        "client_id": ["podrun"],
        "refresh_token": ["identity&"],
        "scope": [" ".join(SCOPES)],
    }


def test_a_realm_with_a_query_keeps_it() -> None:
    url = tokens.request(f"{REALM}?a=b", "s", (), None).url
    assert url == f"{REALM}?a=b&service=s"
    assert tokens.request(REALM, "", (), None).url == REALM


def test_scopes_of_one_repository_become_one() -> None:
    assert tokens.merge_scopes(
        ["repository:a:pull,push", "repository:a:pull", "repository:h:1/b:pull repository:a:x", ""]
    ) == ("repository:a:pull,push,x", "repository:h:1/b:pull")


@pytest.mark.parametrize(
    ("answer", "lifetime"),
    [
        ({"token": "t", "expires_in": 300}, 300),
        ({"access_token": "t", "expires_in": 300.5}, 300.5),
        ({"token": "t", "access_token": "u"}, 60),
        ({"token": "t", "expires_in": None}, 60),
        ({"token": "t", "expires_in": "300"}, 60),
        ({"token": "t", "expires_in": True}, 60),
        ({"token": "t", "expires_in": -1}, 60),
        ({"token": "t", "expires_in": 10**30}, 24 * 3600),
    ],
)
def test_a_token_and_how_long_it_lasts(answer: dict[str, object], lifetime: float) -> None:
    token = tokens.read(msgspec.json.encode(answer), "auth.example", 1000.0)
    assert token == tokens.Token("t", 1000.0 + lifetime - tokens.LEEWAY)
    assert "'t'" not in repr(token)


@pytest.mark.parametrize(
    "data",
    [b"", b"null", b"[]", b'"t"', b"{}", b'{"token": ""}', b'{"token": 1}', b'{"token": "a b\\n"}',
     b'{"token": "\xc3\xa4"}', b'{"token": "' + b"x" * 70_000 + b'"}', b"[" * 50_000, b"\xff"],
)  # fmt: skip
def test_what_is_no_token(data: bytes) -> None:
    with pytest.raises(RegistryError, match=r"the token server auth\.example") as caught:
        tokens.read(data, "auth.example", 0.0)
    assert len(caught.value.text) < 300
