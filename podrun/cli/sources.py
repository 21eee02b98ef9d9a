"""What ``--from-file``, ``--from-literal`` and ``--from-env-file`` give: keys and contents.

The rules and the messages are kubectl's.
"""

from __future__ import annotations

import base64
import os
import re
from collections.abc import Iterator
from typing import NamedTuple

import msgspec

from podrun.errors import PodrunError, UsageError

Data = dict[str, bytes]
Pair = tuple[str, bytes]

_KEY = re.compile(r"[-._a-zA-Z0-9]{1,253}")
_VARIABLE = re.compile(r"[-._a-zA-Z][-._a-zA-Z0-9]*")
_MAX_BYTES = 1 << 20  # of a ConfigMap or a Secret, all keys together


class Sources(NamedTuple):
    """As they stand on the command line."""

    files: tuple[str, ...] = ()
    literals: tuple[str, ...] = ()
    env_files: tuple[str, ...] = ()


def read_data(sources: Sources, whose: str) -> Data:
    """Key → content; ``whose`` is for messages: ``ConfigMap "web"``. Raises UsageError, and
    PodrunError for what cannot be read."""
    if sources.env_files and (sources.files or sources.literals):
        raise UsageError("from-env-file cannot be combined with from-file or from-literal")
    data: Data = {}
    for key, content in _pairs(sources):
        kind = whose.partition(" ")[0]
        if not _KEY.fullmatch(key) or key == "." or key.startswith(".."):
            raise UsageError(
                f'"{key}" is not a valid key name for a {kind}',
                hint="letters, digits, '-', '_' and '.'; not '.' or '..' at its beginning",
            )
        if key in data:
            raise UsageError(
                f'cannot add key "{key}", another key by that name already exists in data for '
                f"{whose}"
            )
        data[key] = content
    return data


def encoded(data: Data) -> dict[str, str]:
    return {key: base64.b64encode(content).decode() for key, content in data.items()}


def _pairs(sources: Sources) -> Iterator[Pair]:
    for source in sources.files:
        yield from _of_file(source)
    for source in sources.literals:
        key, equals, value = source.partition("=")
        if not (key and equals):
            raise UsageError(f"invalid literal source {source}, expected key=value")
        yield key, os.fsencode(value)
    for path in sources.env_files:
        yield from _of_env_file(path)


# ── --from-file ─────────────────────────────────────────────────────────────────────────────────


def _of_file(source: str) -> Iterator[Pair]:
    key, path = _key_and_path(source)
    if not os.path.isdir(path):
        yield key, _read(path)
        return
    if "=" in source:
        raise UsageError("cannot give a key name for a directory path")
    for entry in sorted(os.scandir(path), key=lambda each: each.name):
        if entry.is_file(follow_symlinks=False):
            yield entry.name, _read(entry.path)


def _key_and_path(source: str) -> tuple[str, str]:
    if "=" not in source:
        return os.path.basename(source.rstrip("/")), source
    key, _, path = source.partition("=")
    if "=" in path:
        raise UsageError("key names or file paths cannot contain '='")
    if not key:
        raise UsageError(f"key name for file path {path} missing")
    if not path:
        raise UsageError(f"file path for key name {key} missing")
    return key, path


def _read(path: str) -> bytes:
    try:
        with open(path, "rb") as file:
            content = file.read(_MAX_BYTES + 1)
    except OSError as error:
        raise PodrunError(f"error reading {path}: {error.strerror}") from None
    if len(content) > _MAX_BYTES:
        raise PodrunError(f"{path}: larger than {_MAX_BYTES} bytes")
    return content


# ── --from-env-file ─────────────────────────────────────────────────────────────────────────────


def _of_env_file(path: str) -> Iterator[Pair]:
    """Lines ``KEY=VALUE``, as they are; ``KEY`` alone: what this process has of that name."""
    if os.path.isdir(path):
        raise UsageError("env secret file cannot be a directory")
    lines = _read(path).removeprefix(b"\xef\xbb\xbf").split(b"\n")
    for number, line in enumerate(lines, 1):
        try:
            text = line.removesuffix(b"\r").decode().lstrip()
        except UnicodeDecodeError:
            raise PodrunError(
                f"env file {path} contains invalid utf8 bytes at line {number}"
            ) from None
        if not text or text.startswith("#"):
            continue
        key, equals, value = text.partition("=")
        if not _VARIABLE.fullmatch(key):
            raise UsageError(f'{path}, line {number}: "{key}" is not a valid key name')
        yield key, os.fsencode(value if equals else os.environ.get(key, ""))


# ── what certain types hold ─────────────────────────────────────────────────────────────────────


def docker_config(server: str, username: str, password: str, email: str) -> bytes:
    """A docker config.json with one login."""
    auth = base64.b64encode(f"{username}:{password}".encode()).decode()
    login = {"username": username, "password": password, "email": email, "auth": auth}
    login = {name: text for name, text in login.items() if text}
    return msgspec.json.encode({"auths": {server: login}})


def key_pair(cert: str, key: str) -> Data:
    """Of a Secret for TLS. Raises PodrunError unless the key is the certificate's."""
    import ssl

    data = {"tls.crt": _read(cert), "tls.key": _read(key)}
    try:
        # The empty password: OpenSSL must not ask the terminal for one.
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(cert, key, password="")
    except (ssl.SSLError, OSError, ValueError) as error:
        raise PodrunError(
            f"failed to load key pair {cert}, {key}: {error}",
            hint="the certificate and its own key are needed, as PEM",
        ) from None
    return data
