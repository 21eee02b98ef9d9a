"""What went wrong with a request, in words, and whether trying again may help.

| kind | error |
|---|---|
| nobody listens, no route, no TLS there | NoTls (for https) or Temporary, ``connecting`` |
| cut, stalled | Temporary |
| a certificate that is not believed, a name that does not exist, what is not HTTP | RegistryError |
"""

from __future__ import annotations

import errno
import http.client
import os
import socket
import ssl
from typing import TypeVar
from urllib.parse import urlsplit

from urllib3.exceptions import (
    ConnectTimeoutError,
    NameResolutionError,
    NewConnectionError,
    ProxyError,
    ReadTimeoutError,
    SSLError,
)

from podrun.registry import tls
from podrun.registry.problem import printable
from podrun.registry.retry import Temporary
from podrun.registry.types import RegistryError

_Cause = TypeVar("_Cause", bound=BaseException)


class NoTls(Temporary):
    """HTTPS could not be spoken: nobody listens, or what listens does not know TLS."""


def describe(error: Exception, url: str) -> RegistryError:
    """The error to raise for one of urllib3, http.client or the socket."""
    host = urlsplit(url).netloc
    if isinstance(error, ProxyError):
        return Temporary(f"{host}: the proxy: {_root_text(error)}", connecting=True)
    if isinstance(error, (SSLError, ssl.SSLError)):
        return _tls_failure(error, host)
    if isinstance(error, NameResolutionError):
        return _unknown_name(error, host)
    if isinstance(error, (NewConnectionError, ConnectTimeoutError)):
        kind = NoTls if url.startswith("https:") else Temporary
        return kind(f"cannot connect to {host}: {_root_text(error)}", connecting=True)
    if isinstance(error, (ReadTimeoutError, TimeoutError)):
        slow = _cause(error, TimeoutError)
        text = str(slow) if slow is not None and "timed out" not in str(slow) else "no answer"
        return Temporary(f"{host} stalled: {text}")
    garbage = _cause(error, http.client.HTTPException)
    broken = (http.client.IncompleteRead, http.client.RemoteDisconnected)
    if garbage is not None and not isinstance(garbage, broken):
        return RegistryError(f"{host} does not speak HTTP as it should: {_root_text(error)}")
    return Temporary(f"{host}: the connection broke: {_root_text(error)}")


def _tls_failure(error: Exception, host: str) -> RegistryError:
    refused = _cause(error, ssl.SSLCertVerificationError)
    if refused is not None:
        why = printable(refused.verify_message or str(refused))
        text = f"the certificate of {host} is not to be trusted: {why}"
        return RegistryError(text, hint=tls.refused_hint(host))
    cause = _cause(error, ssl.SSLError)
    library = (cause.reason if cause is not None else "") or ""
    text = f"{host} does not speak TLS as it should: {library or _root_text(error)}"
    if "WRONG_VERSION" in library or "UNKNOWN_PROTOCOL" in library or "HTTP_REQUEST" in library:
        return NoTls(
            f"{host} speaks no HTTPS",
            hint="insecure = true for it in registries.conf allows plain HTTP",
            connecting=True,
        )
    hint = ""
    if "CERTIFICATE" in library:  # an alert of the server: it is ours that it does not take
        hint = f"does it want a client's certificate? certs.d/{host}/NAME.cert and NAME.key"
    return NoTls(text, hint=hint, connecting=True)


def _unknown_name(error: Exception, host: str) -> RegistryError:
    cause = _cause(error, socket.gaierror)
    text = f"cannot find the address of {host}: {_root_text(error)}"
    if cause is not None and cause.errno == socket.EAI_AGAIN:
        return Temporary(text, connecting=True)
    return RegistryError(text, hint="is the registry's name right? does the name server answer?")


def _cause(error: BaseException, kind: type[_Cause]) -> _Cause | None:
    """The first of ``kind`` among the error, what it wraps and what it came from."""
    seen: list[BaseException] = [error]
    for one in seen:
        if isinstance(one, kind):
            return one
        wrapped = [one.__cause__, one.__context__, getattr(one, "reason", None), *one.args]
        seen += [
            other
            for other in wrapped
            if isinstance(other, BaseException) and other not in seen and len(seen) < 20
        ]
    return None


def _root_text(error: BaseException) -> str:
    if _cause(error, http.client.IncompleteRead) is not None:
        return "it ended too early"
    if _cause(error, http.client.RemoteDisconnected) is not None:
        return "it was closed without an answer"
    if (garbage := _cause(error, http.client.HTTPException)) is not None:
        text = str(garbage) or type(garbage).__name__  # BadStatusLine is what was there instead
        return printable(text, 120)
    failed = _cause(error, OSError)
    if failed is not None and failed.errno in errno.errorcode:
        return os.strerror(failed.errno or 0).lower()
    if _cause(error, TimeoutError) is not None or isinstance(error, ConnectTimeoutError):
        return "no answer"
    return printable(str(failed or error), 120)
