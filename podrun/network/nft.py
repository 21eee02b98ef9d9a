"""libnftables, in this process: what nft(8) itself is a thin wrapper of.

A command costs 0.25 ms here and 2.6–3.5 ms as a process of ``nft``; in a process that was forked a
moment ago 1.5 ms, for the pages it touches. So what every pod asks, ``has_chain``, goes without it.
The library comes with the Debian package nftables (libnftables1).
"""

from __future__ import annotations

import ctypes
import functools
import socket
import struct

from podrun.errors import MechanismFailed, Unavailable

_HANDLES = 1 << 3  # NFT_CTX_OUTPUT_HANDLE

# linux/netfilter/nfnetlink.h and nf_tables.h
_NETLINK_NETFILTER, _NLM_F_REQUEST = 12, 1
_GETCHAIN = 10 << 8 | 4  # NFNL_SUBSYS_NFTABLES, NFT_MSG_GETCHAIN
_INET = 1  # NFPROTO_INET
_TABLE, _NAME = 1, 3  # NFTA_CHAIN_…


class NftFailed(MechanismFailed):
    """The kernel or the library refused. ``missing``: something that was named does not exist."""

    @property
    def missing(self) -> bool:
        return "No such file or directory" in self.message

    @property
    def exists(self) -> bool:
        return "File exists" in self.message


def run(what: str, commands: str, *, handles: bool = False) -> str:
    """Run ``commands`` as one transaction: all of it happens, or nothing. Returns the output.

    ``what`` begins the sentence of an error: "open hostPorts". ``handles`` shows the numbers of
    rules in what is listed. Raises NftFailed, or Unavailable where the library, the right, or
    nftables in the kernel is missing.
    """
    lib = library()
    context = lib.nft_ctx_new(0)
    if not context:
        raise Unavailable(f"{what}: libnftables does not start", hint="is nftables in the kernel?")
    try:
        lib.nft_ctx_buffer_output(context)
        lib.nft_ctx_buffer_error(context)
        lib.nft_ctx_output_set_flags(context, _HANDLES if handles else 0)
        failed = lib.nft_run_cmd_from_buffer(context, commands.encode())
        output: bytes = lib.nft_ctx_get_output_buffer(context)
        errors: bytes = lib.nft_ctx_get_error_buffer(context)
    finally:
        lib.nft_ctx_free(context)
    if failed:
        raise _failure(what, errors.decode(errors="replace"))
    return output.decode(errors="replace")


def has_chain(table: str, chain: str) -> bool:
    """Whether the table of family inet has it. False too where the kernel does not say: who makes
    the table then, hears why."""
    body = struct.pack("BBH", _INET, 0, 0) + _text(_TABLE, table) + _text(_NAME, chain)
    header = struct.pack("IHHII", 16 + len(body), _GETCHAIN, _NLM_F_REQUEST, 0, 0)
    kind = socket.SOCK_RAW | socket.SOCK_CLOEXEC
    try:
        with socket.socket(socket.AF_NETLINK, kind, _NETLINK_NETFILTER) as netfilter:
            netfilter.send(header + body)
            answered: int = struct.unpack_from("IH", netfilter.recv(4096))[1]
    except OSError:
        return False
    return answered == _GETCHAIN - 1  # NFT_MSG_NEWCHAIN; else NLMSG_ERROR: ENOENT


def _text(kind: int, text: str) -> bytes:
    """A netlink attribute: length, kind, zero-terminated and padded to four bytes."""
    data = text.encode() + b"\0"
    return struct.pack("HH", 4 + len(data), kind) + data + bytes(-len(data) % 4)


@functools.cache
def library() -> ctypes.CDLL:
    try:
        lib = ctypes.CDLL("libnftables.so.1")
    except OSError:
        raise Unavailable(
            "libnftables.so.1 is not installed", hint="apt-get install nftables"
        ) from None
    lib.nft_ctx_new.restype = ctypes.c_void_p
    lib.nft_ctx_new.argtypes = [ctypes.c_uint32]
    lib.nft_ctx_output_set_flags.argtypes = [ctypes.c_void_p, ctypes.c_uint]
    lib.nft_run_cmd_from_buffer.argtypes = [ctypes.c_void_p, ctypes.c_char_p]
    for name in ("free", "buffer_output", "buffer_error"):
        getattr(lib, f"nft_ctx_{name}").argtypes = [ctypes.c_void_p]
    for name in ("get_output_buffer", "get_error_buffer"):
        function = getattr(lib, f"nft_ctx_{name}")
        function.argtypes = [ctypes.c_void_p]
        function.restype = ctypes.c_char_p
    return lib


def _failure(what: str, errors: str) -> MechanismFailed | Unavailable:
    """The first error of libnftables, with the line it is about; the rest repeats it."""
    lines = [line.strip() for line in errors.splitlines() if line.strip(" ^~\t")]
    text = "; ".join(lines[:2]).removeprefix("Error: ") or "no reason given"
    if "Operation not supported" in text or "Protocol not supported" in text:
        return Unavailable(
            f"{what}: {text}",
            hint="the kernel needs nftables: modprobe nf_tables nft_nat nft_masq nft_fib_inet",
        )
    if "Operation not permitted" in text:
        return Unavailable(f"{what}: {text}", hint="podrun needs root and CAP_NET_ADMIN")
    return NftFailed(f"{what}: nftables: {text}")
