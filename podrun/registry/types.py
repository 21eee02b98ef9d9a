"""What the registry room speaks about: where an image may be had, and with which login."""

from __future__ import annotations

from typing import Protocol

import msgspec

from podrun.errors import PodrunError


class RegistryError(PodrunError):
    """A registry could not be asked, or said no. ``status`` is the HTTP status, 0 without one."""

    def __init__(self, message: str, *, hint: str = "", reason: str = "", status: int = 0) -> None:
        super().__init__(message, hint=hint, reason=reason)
        self.status = status


class Misconfigured(RegistryError):
    """What is written here, of registries or of logins, cannot be followed; nobody was asked."""

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message, hint=hint, reason="ErrImagePull")


class Endpoint(msgspec.Struct, frozen=True):
    """One place that may have a repository: ``https://<host>/v2/<repository>/…``.

    ``host`` may have a port and is what requests go to; ``domain`` is the registry's name in the
    image's reference, by which credentials are also found. ``insecure`` allows an unverified
    certificate, and plain HTTP where HTTPS is not spoken.
    """

    host: str
    repository: str
    domain: str
    insecure: bool = False
    mirror: bool = False


class Credential(msgspec.Struct, frozen=True):
    """``identity_token`` (an OAuth 2 refresh token), when set, goes before name and password.

    ``registry_token`` is a bearer token for the registry itself: no token server is asked.
    """

    username: str = ""
    password: str = ""
    identity_token: str = ""
    registry_token: str = ""

    def __repr__(self) -> str:  # a traceback is no place for a secret
        return f"Credential({self.username!r}, …)"


class Keyring(Protocol):
    """Whoever knows logins, most specific first; () means: try without."""

    def find(self, host: str, repository: str) -> tuple[Credential, ...]: ...


class NoKeyring:
    def find(self, host: str, repository: str) -> tuple[Credential, ...]:
        return ()
