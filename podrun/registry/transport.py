"""One request, one answer, over urllib3: connections, TLS, proxies, and errors put into words.

This module and ``failures`` import urllib3 (50 ms): import them where a request is made.
Redirects, logins and further tries are the business of ``podrun.registry.session``.
"""

from __future__ import annotations

import contextlib
import os
import time
import warnings
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, BinaryIO, Protocol
from urllib.parse import unquote

import urllib3
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.exceptions import HTTPError, InsecureRequestWarning

from podrun.registry import origin, proxy, tls
from podrun.registry.failures import describe
from podrun.registry.pace import Pace, PacedResponse
from podrun.registry.retry import Patience
from podrun.registry.types import RegistryError

USER_AGENT = "podrun"
BLOCK = 256 << 10
# Sent at once: has to be on its way within connect_seconds (a socket's timeout is for all of it).
SEND_BLOCK = 64 << 10


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
        if self._pace is not None:
            self._pace.allow(size)
        try:
            return self._response.read1(size, decode_content=False) or b""
        except (HTTPError, OSError, ValueError) as error:
            raise describe(error, self.url) from None

    def document(self, max_bytes: int, seconds: float) -> bytes:
        """The whole body, which must be there within ``seconds``.

        Raises RegistryError when it has more than ``max_bytes``, Temporary when it is cut.
        """
        length = self.length
        if length is not None and length > max_bytes:
            self.close()
            raise self._too_long(max_bytes)
        data = bytearray()
        for piece in self._pieces(seconds):
            data += piece
            if len(data) > max_bytes:
                self.close()
                raise self._too_long(max_bytes)
        return bytes(data)

    def gist(self, max_bytes: int = 16 << 10, seconds: float = 5.0) -> bytes:
        """The first bytes of a body that does not matter much, whatever happens to the rest."""
        data = bytearray()
        with contextlib.suppress(RegistryError):
            for piece in self._pieces(seconds):
                data += piece
                if len(data) > max_bytes:
                    self.close()
                    break
        return bytes(data[:max_bytes])

    def _pieces(self, seconds: float) -> Iterator[bytes]:
        if self._pace is not None:
            self._pace.deadline = time.monotonic() + seconds
        while piece := self.read(BLOCK):
            yield piece

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
        options: dict[str, Any] = {"num_pools": 2, "maxsize": 2, "blocksize": SEND_BLOCK}
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
            login = f"{unquote(through.username)}:{unquote(through.password or '')}"
            headers = urllib3.make_headers(proxy_basic_auth=login)
        context = tls.context(address, (), verify=True) if through.scheme == "https" else None
        return urllib3.ProxyManager(
            f"{through.scheme}://{address}",
            proxy_headers=headers,
            proxy_ssl_context=context,
            **options,
        )


def host_of(url: str) -> str:
    return origin.split(url).netloc
