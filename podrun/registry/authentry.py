"""One entry of a file of logins: what its key is for, and the login it holds.

    "registry.example:5000/team": {"auth": base64("name:password")}
                                  {"username": …, "password": …}
                                  {"identitytoken": …}    an OAuth 2 refresh token
                                  {"registrytoken": …}    sent as it is
                                  {}                      the secret is with a credential helper

Keys were URLs once, and for Docker Hub still are: ``https://index.docker.io/v1/``.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterator

import msgspec

from podrun.registry.name import DEFAULT_DOMAIN
from podrun.registry.types import Credential, Misconfigured, RegistryError

HUB_KEY = "https://index.docker.io/v1/"  # what docker calls Docker Hub
_HUB_NAMES = ("index.docker.io", "registry-1.docker.io", "registry.hub.docker.com")


class Entry(msgspec.Struct, frozen=True, omit_defaults=True):
    auth: str | None = None
    username: str | None = None
    password: str | None = None
    identitytoken: str | None = None
    registrytoken: str | None = None

    def __repr__(self) -> str:  # a traceback is no place for a secret
        return "Entry(…)"

    def credential(self, where: str) -> Credential | None:
        """The login, None when there is none. ``where``: file and key, for RegistryError."""
        username, password = self.username or "", self.password or ""
        if self.auth:
            username, password = _decoded(self.auth, where)
        found = Credential(username, password, self.identitytoken or "", self.registrytoken or "")
        empty = not (password or found.identity_token or found.registry_token)
        return None if empty else found


def encoded(credential: Credential) -> str:
    """The value of ``auth``."""
    return base64.b64encode(f"{credential.username}:{credential.password}".encode()).decode()


def _decoded(auth: str, where: str) -> tuple[str, str]:
    """Padded or not, as the kubelet reads it. The error shows nothing of what could be a secret."""
    text = auth.strip()
    try:
        plain = base64.b64decode(text + "=" * (-len(text) % 4), validate=True).decode()
    except (binascii.Error, ValueError):
        raise _broken(where, "is not base64 of UTF-8 text") from None
    name, colon, password = plain.partition(":")
    if not colon:
        raise _broken(where, "is not base64 of NAME:PASSWORD")
    return name, password.strip("\0")  # docker once padded with zeros


def _broken(where: str, why: str) -> RegistryError:
    return Misconfigured(f"{where}: auth {why}", hint="podrun login writes it anew")


def place_of(key: str) -> str:
    """The key without scheme and API version: ``host[:port][/path]``, Docker Hub as docker.io."""
    text = key.partition("://")[2] or key
    host, _, path = text.partition("/")
    if path.split("/")[0] in ("v1", "v2"):
        path = path.partition("/")[2]
    return "/".join(filter(None, (registry_of(host), path.strip("/"))))


def registry_of(host: str) -> str:
    return DEFAULT_DOMAIN if host in _HUB_NAMES else host


def places(host: str, repository: str) -> Iterator[str]:
    """Where a login for the repository may stand, most specific first.

    r.example/a/b, r.example/a, r.example
    """
    name = "/".join(filter(None, (registry_of(host), repository)))
    while name:
        yield name
        name = name.rpartition("/")[0]
