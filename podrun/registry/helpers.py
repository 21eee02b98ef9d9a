"""Credential helpers: programs that keep secrets, ``docker-credential-NAME``.

    get     stdin: the server's URL        stdout: {"ServerURL", "Username", "Secret"}
    store   stdin: the same JSON
    erase   stdin: the server's URL

A username ``<token>`` says that the secret is an OAuth 2 refresh token. A failure is an exit code
other than 0 with a line on stdout; "credentials not found" is none (docker-credential-helpers).
"""

from __future__ import annotations

import os
import re
import signal
import subprocess

import msgspec

from podrun.registry.types import Credential, Misconfigured, RegistryError

PREFIX = "docker-credential-"
SECONDS = 30.0
_WORD = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
_TOKEN = "<token>"
_NOT_FOUND = "credentials not found"


class _Answer(msgspec.Struct, rename="pascal"):
    username: str = ""
    secret: str = ""


class _Login(msgspec.Struct):
    server: str = msgspec.field(name="ServerURL")
    username: str = msgspec.field(name="Username")
    secret: str = msgspec.field(name="Secret")


def get(name: str, server: str, source: str) -> Credential | None:
    """The login for ``server``, None when it has none. ``source`` is the file that names it."""
    said = _run(name, "get", server.encode(), source)
    if said is None:
        return None
    try:
        answer = msgspec.json.decode(said, type=_Answer)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        raise _failed(name, source, f"get {server}: it did not print a login in JSON") from None
    if not answer.secret:
        return None
    if answer.username == _TOKEN:
        return Credential(identity_token=answer.secret)
    return Credential(answer.username, answer.secret)


def store(name: str, server: str, credential: Credential, source: str) -> None:
    token = credential.identity_token
    login = _Login(server, _TOKEN if token else credential.username, token or credential.password)
    _run(name, "store", msgspec.json.encode(login), source)


def erase(name: str, server: str, source: str) -> None:
    """Forget the login; that there is none is no error."""
    _run(name, "erase", server.encode(), source)


def _run(name: str, verb: str, given: bytes, source: str) -> bytes | None:
    """What the helper prints, None for "not found". Raises RegistryError naming it and ``source``.

    It runs in a session of its own, so that what it started ends with it when time is out.
    """
    if not _WORD.fullmatch(name):
        raise Misconfigured(f"{source}: {name!r} is not the name of a credential helper")
    try:
        process = subprocess.Popen(
            [f"{PREFIX}{name}", verb],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
    except OSError as error:
        why = "is not in PATH" if isinstance(error, FileNotFoundError) else str(error.strerror)
        raise _failed(name, source, why) from None
    with process:
        try:
            said = process.communicate(given, SECONDS)[0]
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            raise _failed(name, source, f"{verb}: no answer in {SECONDS:g} s") from None
        except BaseException:  # Ctrl-C does not reach another session
            os.killpg(process.pid, signal.SIGKILL)
            raise
    if process.returncode == 0:
        return said
    if _NOT_FOUND in said.decode(errors="replace"):
        return None
    raise _failed(name, source, f"{verb}: {_reason(said, process.returncode)}")


def _reason(said: bytes, code: int) -> str:
    """Its first line, unless that could be the secret itself."""
    line = said.decode(errors="replace").strip().partition("\n")[0]
    shown = line.isprintable() and "{" not in line
    return line[:200] if line and shown else f"exit code {code}"


def _failed(name: str, source: str, why: str) -> RegistryError:
    return Misconfigured(f"credential helper {PREFIX}{name} {why}", hint=f"{source} names it")
