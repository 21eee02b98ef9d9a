"""imagePullSecrets: logins that come with a pod, matched as the kubelet matches them.

A key is ``[scheme://]host[:port][/path]``; the parts of the host between dots may be globs, the
port and the path may not:

    *.r.example      covers a.r.example/x, not r.example/x and not a.b.r.example/x
    r.example        covers r.example:5000/x, too: a key without port is for all ports
    r.example/team   covers r.example/team/x and r.example/team-2/x: the path is a mere prefix

All that match are tried, in the reverse order of their keys: longer ones before their beginnings.
A key of Docker Hub's old name counts only where nothing else does (credentialprovider/keyring.go).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from fnmatch import fnmatchcase

import msgspec

from podrun.registry.authfile import parse
from podrun.registry.name import DEFAULT_DOMAIN
from podrun.registry.types import Credential, RegistryError

DOCKER_CONFIG_JSON = "kubernetes.io/dockerconfigjson"
DOCKERCFG = "kubernetes.io/dockercfg"
DATA_KEYS = {DOCKER_CONFIG_JSON: ".dockerconfigjson", DOCKERCFG: ".dockercfg"}
_HUB = f"index.{DEFAULT_DOMAIN}"


class PullSecret(msgspec.Struct, frozen=True):
    """``name`` is for messages ("default/regcred"), ``type`` is one of DATA_KEYS."""

    name: str
    type: str
    payload: bytes

    @classmethod
    def of(cls, name: str, type: str, data: Mapping[str, bytes]) -> PullSecret | None:
        """From a Secret's data; None when it is of another type or empty: the kubelet skips it."""
        payload = data.get(DATA_KEYS.get(type, ""), b"")
        return cls(name, type, payload) if payload else None

    def __repr__(self) -> str:
        return f"PullSecret({self.name!r}, …)"


class SecretKeyring:
    """The logins of some secrets. Raises RegistryError naming secret and key when one is broken."""

    def __init__(self, secrets: Iterable[PullSecret]) -> None:
        self._logins: dict[str, list[Credential]] = {}
        for secret in secrets:
            try:
                self._read(secret)
            except RegistryError as error:
                error.hint = "`kubectl create secret docker-registry` makes one that is right"
                raise

    def find(self, host: str, repository: str) -> tuple[Credential, ...]:
        image = "/".join(filter(None, (host, repository)))
        keys = sorted((key for key in self._logins if matches(key, image)), reverse=True)
        if not keys and host == DEFAULT_DOMAIN:
            keys = [_HUB]
        return tuple(login for key in keys for login in self._logins.get(key, ()))

    def _read(self, secret: PullSecret) -> None:
        where = f"secret {secret.name}: {DATA_KEYS[secret.type]}"
        auths = parse(secret.payload, where, legacy=secret.type == DOCKERCFG).auths
        for key, entry in auths.items():
            if login := entry.credential(f"{where}: auths[{key!r}]"):
                self._logins.setdefault(_location(key), []).append(login)


def _location(key: str) -> str:
    """Without scheme and API version."""
    host, slash, path = key.removeprefix("https://").removeprefix("http://").partition("/")
    path = f"{slash}{path}"
    path = path[3:] if path.startswith(("/v1/", "/v2/")) else path
    return host if path in ("", "/") else host + path


def matches(key: str, image: str) -> bool:
    """Whether a key, without scheme, is for ``image`` (``host[:port]/repository``)."""
    glob, _, prefix = key.partition("/")
    host, _, path = image.partition("/")
    globs, port = _host_parts(glob)
    parts, target = _host_parts(host)
    if len(globs) != len(parts) or (port and port != target) or not path.startswith(prefix):
        return False
    return all(
        fnmatchcase(part, pattern.replace("[^", "[!"))
        for part, pattern in zip(parts, globs, strict=True)
    )


def _host_parts(host: str) -> tuple[list[str], str]:
    """The parts between the dots, and the port. An address in brackets is one part."""
    inside, bracket, rest = host.removeprefix("[").partition("]")
    if host.startswith("[") and bracket and ":" in inside:  # else: a glob
        return [inside], rest.removeprefix(":")
    name, _, port = host.partition(":")
    return name.split("."), port
