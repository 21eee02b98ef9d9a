"""Connections for probes: from the node, by address, without threads, gone when we are done."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import os
import ssl
from collections.abc import AsyncIterator

#: errors of a dial read as those of the kubelet, which people search for
_CALL = "connect"


def join(host: str, port: int) -> str:
    """``host:port``, an IPv6 address in brackets."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


@contextlib.asynccontextmanager
async def connected(
    address: str, port: int, *, tls: bool = False
) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    """``address`` is an IP literal: anything else would start a thread for getaddrinfo(3).

    Raises OSError (ssl.SSLError too). Dropped at once in the end, whatever the peer does.
    """
    context = _any_certificate() if tls else None
    reader, writer = await asyncio.open_connection(address, port, ssl=context)
    try:
        yield reader, writer
    finally:
        writer.transport.abort()


@functools.cache
def _any_certificate() -> ssl.SSLContext:
    """A probe asks whether somebody is there, not who: nothing of the certificate is checked.

    So its strength does not matter either, and old keys and signatures pass (security level 0).
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    context.set_ciphers("DEFAULT:@SECLEVEL=0")
    return context


def text_of(error: OSError, address: str, port: int) -> str:
    """ "dial tcp 10.0.0.1:80: connect: connection refused"."""
    if isinstance(error, ssl.SSLError):
        return f"tls: {error.reason or error.strerror or error}"
    why = os.strerror(error.errno).lower() if error.errno else str(error)
    return f"dial tcp {join(address, port)}: {_CALL}: {why}"
