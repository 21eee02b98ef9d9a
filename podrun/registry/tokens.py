"""Asking a token server for a bearer token, as the distribution project specifies it.

    GET  realm?service=S&scope=A&scope=B          anonymous, or with name and password (Basic)
    POST realm  grant_type=refresh_token&…        with an identity token (OAuth 2)
    ◄── {"token" or "access_token": T, "expires_in": seconds (60 when missing)}

Where a login goes: the realm is believed because the registry said it over verified TLS, or because
the registry is insecure by configuration; nobody else is ever asked for a token (an answer after a
redirect to another host is not). A realm without TLS is refused unless that host may be spoken to
without (``registry.origin``), before anything is sent.
"""

from __future__ import annotations

import base64
from collections.abc import Iterable
from typing import Any
from urllib.parse import urlencode

import msgspec

from podrun.registry.problem import printable
from podrun.registry.types import Credential, RegistryError

CLIENT_ID = "podrun"
EXPIRES_DEFAULT = 60.0
EXPIRES_MAX = 24 * 3600.0
LEEWAY = 10.0  # a token is not used in its last seconds: the request takes its time
TOKEN_MAX = 64 << 10


class Token(msgspec.Struct, frozen=True):
    value: str
    expires: float  # by the monotonic clock

    def __repr__(self) -> str:
        return "Token(…)"


class TokenRequest(msgspec.Struct, frozen=True):
    method: str
    url: str
    headers: dict[str, str]
    body: bytes | None = None


def basic(credential: Credential) -> str:
    """The value of an Authorization header."""
    login = f"{credential.username}:{credential.password}".encode()
    return f"Basic {base64.b64encode(login).decode()}"


def merge_scopes(scopes: Iterable[str]) -> tuple[str, ...]:
    """One scope (``type:name:action,…``) for each type and name, with all its actions."""
    merged: dict[str, dict[str, None]] = {}
    for scope in scopes:
        for one in scope.split():
            resource, _, actions = one.rpartition(":")
            merged.setdefault(resource, {}).update(dict.fromkeys(actions.split(",")))
    return tuple(f"{resource}:{','.join(actions)}" for resource, actions in merged.items())


def request(
    realm: str, service: str, scopes: tuple[str, ...], credential: Credential | None
) -> TokenRequest:
    query = [("service", service)] if service else []
    if credential is not None and credential.identity_token:
        form = [
            ("grant_type", "refresh_token"),
            *query,
            ("client_id", CLIENT_ID),
            ("refresh_token", credential.identity_token),
            *([("scope", " ".join(scopes))] if scopes else []),
        ]
        headers = {"Content-Type": "application/x-www-form-urlencoded"}
        return TokenRequest("POST", realm, headers, urlencode(form).encode())
    headers = {}
    if credential is not None:
        headers["Authorization"] = basic(credential)
        query.append(("account", credential.username))
    query += [("scope", scope) for scope in scopes]
    mark = "&" if "?" in realm else "?"
    return TokenRequest("GET", f"{realm}{mark}{urlencode(query)}" if query else realm, headers)


def read(data: bytes, server: str, now: float) -> Token:
    """The token in an answer of ``server``. Raises RegistryError when there is none."""
    try:
        said: Any = msgspec.json.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        said = None
    if not isinstance(said, dict):
        raise RegistryError(f"the token server {server} did not answer with a JSON object")
    value = said.get("token") or said.get("access_token")
    if not isinstance(value, str) or not value.isascii() or not value.isprintable():
        shown = printable(", ".join(map(str, said)), 80)
        raise RegistryError(f"the token server {server} gave no token, only: {shown or 'nothing'}")
    if len(value) > TOKEN_MAX:
        raise RegistryError(f"the token server {server} gave a token of {len(value)} bytes")
    return Token(value, now + _lifetime(said.get("expires_in")) - LEEWAY)


def _lifetime(seconds: Any) -> float:
    if isinstance(seconds, bool) or not isinstance(seconds, (int, float)) or seconds <= 0:
        return EXPIRES_DEFAULT
    return min(float(seconds), EXPIRES_MAX)
