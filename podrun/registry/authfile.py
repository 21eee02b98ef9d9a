"""One file of logins, as docker (config.json, .dockercfg) and podman (auth.json) write it.

    {"auths": {KEY: {…}, …}, "credHelpers": {HOST: NAME, …}, "credsStore": NAME}

Who is asked for a host: its entry in credHelpers, and then nobody else; the entries with a secret,
most specific first; credsStore. docker leaves an empty entry for what credsStore has, so an entry
with a secret is the newer one.
"""

from __future__ import annotations

from typing import Any

import msgspec

from podrun.registry import authentry, authpaths, helpers
from podrun.registry.authentry import HUB_KEY, Entry
from podrun.registry.authpaths import Source
from podrun.registry.name import DEFAULT_DOMAIN
from podrun.registry.types import Credential, Misconfigured, RegistryError


class AuthFile(msgspec.Struct, rename="camel"):
    auths: dict[str, Entry] = {}
    cred_helpers: dict[str, str] = {}
    creds_store: str = ""

    def find(self, host: str, repository: str, path: str, *, may_run: bool) -> Credential | None:
        """The most specific login, None when there is none. ``path`` is for RegistryError."""
        registry = authentry.registry_of(host)
        helper = self.helper(registry)
        if helper:
            return ask(helper, registry, path) if may_run else None
        listed = False
        for place in authentry.places(host, repository):
            for key in self.keys(place):
                listed = True
                if found := self.auths[key].credential(f"{path}: auths[{key!r}]"):
                    return found
        return self._stored(registry, path, listed) if may_run and self.creds_store else None

    def helper(self, registry: str) -> str:
        """The name of the credential helper for that registry alone, or ""."""
        for key, name in self.cred_helpers.items():
            if authentry.place_of(key) == registry:
                return name
        return ""

    def keys(self, place: str) -> list[str]:
        """The keys that mean ``place``, its exact spelling first."""
        found = [key for key in self.auths if authentry.place_of(key) == place]
        return sorted(found, key=lambda key: key != place)

    def _stored(self, registry: str, path: str, listed: bool) -> Credential | None:
        """Ask credsStore. That it is broken (no desktop) matters if a login is said to be there."""
        try:
            return ask(self.creds_store, registry, path)
        except RegistryError:
            if listed:
                raise
            return None


def ask(helper: str, registry: str, source: str) -> Credential | None:
    """A helper, by the names docker and podman have for the registry."""
    for server in servers(registry):
        if found := helpers.get(helper, server, source):
            return found
    return None


def servers(registry: str) -> tuple[str, ...]:
    """What docker calls the registry towards helpers, then what podman does."""
    return (HUB_KEY, DEFAULT_DOMAIN) if registry == DEFAULT_DOMAIN else (registry,)


def load(source: Source) -> tuple[AuthFile, bool] | None:
    """The file and whether its helpers may be run; None: none. RegistryError when it is broken."""
    content = authpaths.read(source)
    if content is None:
        return None
    return parse(content.data, str(source.path), legacy=source.legacy), content.may_run


def parse(data: bytes, path: str, *, legacy: bool = False) -> AuthFile:
    """Raises RegistryError naming ``path`` and the key; the message shows no value."""
    try:
        document = msgspec.json.decode(data) if data.strip() else {}
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise Misconfigured(f"{path} is not JSON: {error}") from None
    if isinstance(document, dict):
        document = {"auths": document} if legacy else document
        _each_entry(document.get("auths"), path)
    try:
        return msgspec.convert(document, AuthFile)
    except msgspec.ValidationError as error:
        raise Misconfigured(f"{path}: {error}") from None


def _each_entry(auths: Any, path: str) -> None:
    """The whole would be refused as ``$.auths[...]``, which does not tell the key."""
    for key, value in auths.items() if isinstance(auths, dict) else ():
        try:
            msgspec.convert(value, Entry)
        except msgspec.ValidationError as error:
            raise Misconfigured(f"{path}: auths[{key!r}]: {error}") from None
