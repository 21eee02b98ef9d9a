"""One request, one answer, over urllib3: connections, TLS, proxies, and errors put into words.

The only module that imports urllib3 (50 ms): import it where a request is made, not above.
Redirects, logins and further tries are the business of ``podrun.registry.session``.
"""

from __future__ import annotations

import errno
import http.client
import os
import socket
import ssl
import time
import warnings
from collections.abc import Mapping, Sequence
from typing import Any, BinaryIO, Protocol, TypeVar

import urllib3
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.exceptions import (
    ConnectTimeoutError,
    HTTPError,
    InsecureRequestWarning,
    MaxRetryError,
    NameResolutionError,
    NewConnectionError,
    ProxyError,
    ReadTimeoutError,
    SSLError,
)

from podrun.registry import origin, proxy, tls
from podrun.registry.pace import Pace, PacedResponse
from podrun.registry.problem import printable
from podrun.registry.retry import Patience, Temporary
from podrun.registry.types import RegistryError

USER_AGENT = "podrun"
BLOCK = 256 << 10


class NoTls(Temporary):
    """HTTPS could not be spoken: nobody listens, or what listens does not know TLS."""


def _paced(self: Any, *args: Any, **kwargs: Any) -> PacedResponse:
    """Stands for http.client's ``response_class`` in a connection, which then knows the pace."""
    response = PacedResponse(*args, **kwargs)
    self.pace = response.pace
    return response


class _PlainConnection(HTTPConnection):
    response_class: Any = _paced


class _TlsConnection(HTTPSConnection):
    response_class: Any = _paced


class _PlainPool(HTTPConnectionPool):
    ConnectionCls = _PlainConnection


class _TlsPool(HTTPSConnectionPool):
    ConnectionCls = _TlsConnection


class Body(Protocol):
    def read(self, size: int, /) -> bytes: ...


class Answer:
    """Status, headers, and a body that may be read in pieces. Close it, or read it to its end."""

    def __init__(self, response: urllib3.BaseHTTPResponse, method: str, url: str) -> None:
        self._response = response
        self._empty = method == "HEAD"
        self._pace: Pace | None = getattr(response.connection, "pace", None)
        self.url = url
        self.status = response.status
        self.headers = response.headers

    def header(self, name: str) -> str:
        return self.headers.get(name, "")

    def challenges(self) -> list[str]:
        return self.headers.getlist("www-authenticate")

    @property
    def length(self) -> int | None:
        """Content-Length of a body that comes, None without a usable one."""
        text = self.header("content-length")
        chunked = "transfer-encoding" in self.headers
        usable = text.isdigit() and len(text) < 20 and not chunked and not self._empty
        return int(text) if usable else None

    def read(self, size: int) -> bytes:
        """1 to ``size`` bytes, b"" at the end. Raises Temporary when it is cut or stalls."""
        try:
            return self._response.read1(size, decode_content=False) or b""
        except (HTTPError, OSError, ValueError) as error:
            raise describe(error, self.url) from None

    def document(self, max_bytes: int, seconds: float, *, strict: bool = True) -> bytes:
        """The whole body, which must be there within ``seconds``.

        Raises RegistryError when it has more than ``max_bytes``; with ``strict=False`` the rest
        is not read.
        """
        length = self.length
        if strict and length is not None and length > max_bytes:
            self.close()
            raise self._too_long(max_bytes)
        if self._pace is not None:
            self._pace.deadline = time.monotonic() + seconds
        data = bytearray()
        while len(data) <= max_bytes and (piece := self.read(min(BLOCK, max_bytes + 1))):
            data += piece
        if len(data) > max_bytes:
            self.close()
            if strict:
                raise self._too_long(max_bytes)
        return bytes(data[:max_bytes])

    def _too_long(self, max_bytes: int) -> RegistryError:
        return RegistryError(f"{host_of(self.url)} answered with more than {max_bytes} bytes")

    def close(self) -> None:
        """Give the connection up (it is kept for the next request only when all was read)."""
        self._response.close()


class Transport:
    """The connections of one Repository. ``safety`` says which hosts need no verified TLS."""

    def __init__(
        self,
        safety: origin.Safety,
        certs_dirs: Sequence[str],
        patience: Patience,
        environ: Mapping[str, str] = os.environ,
    ) -> None:
        self._safety = safety
        self._certs_dirs = certs_dirs
        self._patience = patience
        self._environ = environ
        self._managers: dict[tuple[str, str], urllib3.PoolManager] = {}

    def close(self) -> None:
        for manager in self._managers.values():
            manager.clear()
        self._managers.clear()

    def send(
        self,
        method: str,
        url: str,
        headers: Mapping[str, str],
        body: bytes | BinaryIO | Body | None = None,
        *,
        wait_seconds: float = 0.0,
    ) -> Answer:
        """Raises Temporary (NoTls) or RegistryError when there is no answer at all.

        ``wait_seconds``: for the headers of the answer, when not ``read_seconds``.
        """
        parts = origin.split(url)
        manager = self._manager(parts.scheme, parts.netloc)
        read = wait_seconds or self._patience.read_seconds
        all_headers = {"User-Agent": USER_AGENT, "Accept-Encoding": "identity", **headers}
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", InsecureRequestWarning)  # it was asked for
                response = manager.urlopen(
                    method,
                    url,
                    headers=all_headers,
                    body=body,
                    timeout=urllib3.Timeout(connect=self._patience.connect_seconds, read=read),
                    retries=False,
                    redirect=False,
                    assert_same_host=False,
                    preload_content=False,
                    decode_content=False,
                )
        except (HTTPError, OSError, ValueError) as error:
            raise describe(error, url) from None
        return Answer(response, method, url)

    def _manager(self, scheme: str, netloc: str) -> urllib3.PoolManager:
        key = scheme, netloc
        if key not in self._managers:
            self._managers[key] = self._make_manager(scheme, netloc)
        return self._managers[key]

    def _make_manager(self, scheme: str, netloc: str) -> urllib3.PoolManager:
        options: dict[str, Any] = {"num_pools": 2, "maxsize": 2, "blocksize": BLOCK}
        if scheme == "https":
            verify = not self._safety.lax(netloc)
            options["ssl_context"] = tls.context(netloc, self._certs_dirs, verify=verify)
        through = proxy.choose(scheme, netloc, self._environ)
        if through is None:
            manager = urllib3.PoolManager(**options)
        else:
            manager = self._proxied(through, options)
        manager.pool_classes_by_scheme = {"http": _PlainPool, "https": _TlsPool}
        return manager

    def _proxied(self, through: Any, options: dict[str, Any]) -> urllib3.PoolManager:
        address = through.netloc.rpartition("@")[2]
        headers = None
        if through.username is not None:
            login = f"{_unquote(through.username)}:{_unquote(through.password or '')}"
            headers = urllib3.make_headers(proxy_basic_auth=login)
        context = tls.context(address, (), verify=True) if through.scheme == "https" else None
        return urllib3.ProxyManager(
            f"{through.scheme}://{address}",
            proxy_headers=headers,
            proxy_ssl_context=context,
            **options,
        )


def _unquote(text: str) -> str:
    from urllib.parse import unquote

    return unquote(text)


def host_of(url: str) -> str:
    return origin.split(url).netloc


# ── errors in words ──────────────────────────────────────────────────────────────────────────────

_Cause = TypeVar("_Cause", bound=BaseException)


def describe(error: Exception, url: str) -> RegistryError:
    """What went wrong with a request to ``url``; Temporary when trying again may help."""
    host = host_of(url)
    if isinstance(error, MaxRetryError) and error.reason is not None:
        error = error.reason
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
    failed = _cause(error, OSError)
    if failed is not None and failed.errno in errno.errorcode:
        return os.strerror(failed.errno or 0).lower()
    if _cause(error, TimeoutError) is not None or isinstance(error, ConnectTimeoutError):
        return "no answer"
    text = str(error)
    return printable(text.rpartition(": ")[2] if len(text) > 120 else text, 120)
