"""zstd decompression through libzstd.so.1 (dpkg needs it, so every Debian has it)."""

from __future__ import annotations

import ctypes

from podrun.errors import Unavailable

_OUT = 1 << 20


class _Buffer(ctypes.Structure):
    """ZSTD_inBuffer and ZSTD_outBuffer have the same shape."""

    _fields_ = (("data", ctypes.c_void_p), ("size", ctypes.c_size_t), ("pos", ctypes.c_size_t))


def _load() -> ctypes.CDLL:
    try:
        library = ctypes.CDLL("libzstd.so.1")
    except OSError:
        raise Unavailable(
            "this archive is compressed with zstd, and libzstd.so.1 is not installed",
            hint="install libzstd1, or decompress it first",
        ) from None
    library.ZSTD_createDStream.restype = ctypes.c_void_p
    library.ZSTD_freeDStream.argtypes = [ctypes.c_void_p]
    library.ZSTD_decompressStream.restype = ctypes.c_size_t
    library.ZSTD_decompressStream.argtypes = [
        ctypes.c_void_p, ctypes.POINTER(_Buffer), ctypes.POINTER(_Buffer),
    ]  # fmt: skip
    library.ZSTD_isError.argtypes = [ctypes.c_size_t]
    library.ZSTD_getErrorName.argtypes = [ctypes.c_size_t]
    library.ZSTD_getErrorName.restype = ctypes.c_char_p
    return library


class Unzstd:
    """One frame, with the interface of lzma.LZMADecompressor. ValueError when it is damaged."""

    def __init__(self) -> None:
        self._library = _load()
        self._stream = self._library.ZSTD_createDStream()
        self._out = ctypes.create_string_buffer(_OUT)
        self._rest = b""
        self._full = False  # the last call filled the output: there may be more without input
        self.eof = False
        self.unused_data = b""

    def __del__(self) -> None:
        if getattr(self, "_stream", None):
            self._library.ZSTD_freeDStream(self._stream)

    @property
    def needs_input(self) -> bool:
        return not self._rest and not self._full

    def decompress(self, data: bytes, max_length: int = -1) -> bytes:
        data = self._rest + data
        room = _OUT if max_length < 0 else min(max_length, _OUT)
        source = ctypes.create_string_buffer(data, len(data))
        given = _Buffer(ctypes.addressof(source), len(data), 0)
        out = _Buffer(ctypes.addressof(self._out), room, 0)
        status = self._library.ZSTD_decompressStream(
            self._stream, ctypes.byref(out), ctypes.byref(given)
        )
        if self._library.ZSTD_isError(status):
            raise ValueError(self._library.ZSTD_getErrorName(status).decode())
        self._rest = data[given.pos :]
        self._full = out.pos == room
        if status == 0:
            self.eof, self.unused_data, self._rest, self._full = True, self._rest, b"", False
        return ctypes.string_at(self._out, out.pos)
