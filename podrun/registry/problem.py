"""What a registry's refusal means, in one line that is safe to print.

A body of the distribution API, ``{"errors": [{"code", "message", "detail"}]}``, or of a token
server, ``{"details": …}`` or ``{"error", "error_description"}``, gives the reason; another kind of
body is a page of somebody's proxy and is not shown.
"""

from __future__ import annotations

import http
import unicodedata
from typing import Any

import msgspec

from podrun.registry.types import RegistryError

TEXT_MAX = 240


def printable(text: str, limit: int = TEXT_MAX) -> str:
    """On one line: blanks for control and format characters, cut after ``limit`` characters."""
    text = text[: limit * 4]
    safe = "".join(" " if unicodedata.category(char)[0] in "CZ" else char for char in text)
    line = " ".join(safe.split())
    return line if len(line) <= limit else line[: limit - 1] + "…"


def reason(body: bytes) -> str:
    """What the body says of the reason, "" when it says nothing readable."""
    try:
        said: Any = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return ""
    if not isinstance(said, dict):
        return ""
    errors = said.get("errors")
    if isinstance(errors, list):
        return printable("; ".join(filter(None, map(_one, errors[:4]))))
    for key in ("error_description", "details", "message", "error"):
        if isinstance(said.get(key), str):
            return printable(said[key])
    return ""


def _one(error: Any) -> str:
    if not isinstance(error, dict):
        return ""
    message, code = error.get("message"), error.get("code")
    text = message if isinstance(message, str) and message else code
    return text[:TEXT_MAX] if isinstance(text, str) else ""


def refusal(what: str, status: int, body: bytes, *, login: str, tried: bool) -> RegistryError:
    """The error for an answer that is not what was asked for.

    ``what`` names the object ("manifest v1 of r.example/app"), ``login`` the registry to log in
    to, ``tried`` says whether a login was tried already.
    """
    said = reason(body)
    hint = ""
    if status == 401 or (status == 403 and not tried):
        meaning = "the login was refused" if tried else "access needs a login"
        hint = f"podrun login {login}"
    elif status == 403:
        meaning = "access is forbidden for this login"
    elif status == 404:
        meaning = "not found" if tried else "not found or no access"
        hint = "" if tried else f"is the name right? if it is private: podrun login {login}"
    elif status == 429:
        meaning = "the registry takes no more requests for now"
        hint = "" if tried else f"logged in one may ask more often: podrun login {login}"
    else:
        meaning = f"the registry answered {status_text(status)}"
    text = f"{what}: {meaning}" + (f": {said}" if said else "")
    return RegistryError(text, hint=hint, status=status)


def status_text(status: int) -> str:
    try:
        return f"{status} {http.HTTPStatus(status).phrase}"
    except ValueError:
        return str(status)
