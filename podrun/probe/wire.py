"""As much of gRPC's framing and of protobuf's wire format as two messages of one field need.

gRPC      one byte "compressed", four bytes length (big-endian), the message
protobuf  fields, each a varint (number << 3 | kind) and a value; an absent one is its default
          kind 0: varint · 1: eight bytes · 2: varint length, that many bytes · 5: four bytes
"""

from __future__ import annotations

import struct

_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5
_PREFIX = struct.Struct(">BI")
_MAX_VARINT_BYTES = 10


class Malformed(Exception):
    """The bytes are not what they should be."""


def framed(message: bytes) -> bytes:
    return _PREFIX.pack(0, len(message)) + message


def unframed(data: bytes) -> bytes:
    """The first message of ``data``. Malformed when it is compressed or not all there."""
    if len(data) < _PREFIX.size:
        raise Malformed("the answer has no message")
    compressed, length = _PREFIX.unpack_from(data)
    message = data[_PREFIX.size : _PREFIX.size + length]
    if compressed or len(message) < length:
        raise Malformed("the message is compressed or breaks off")
    return message


def string_field(number: int, text: str) -> bytes:
    if not text:
        return b""
    data = text.encode()
    return _varint(number << 3 | _BYTES) + _varint(len(data)) + data


def _varint(value: int) -> bytes:
    found = bytearray()
    while value > 0x7F:
        found.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*found, value])


def enum_field(message: bytes, wanted: int) -> int:
    """The value of field ``wanted``, 0 when it is absent; the last one counts."""
    value, at = 0, 0
    while at < len(message):
        key, at = _read_varint(message, at)
        number, kind = key >> 3, key & 7
        if kind == _VARINT:
            found, at = _read_varint(message, at)
            value = found if number == wanted else value
        else:
            at = _skip(message, at, kind)
    return value


def _read_varint(data: bytes, at: int) -> tuple[int, int]:
    value = 0
    for index in range(_MAX_VARINT_BYTES):
        if at + index >= len(data):
            break
        byte = data[at + index]
        value |= (byte & 0x7F) << 7 * index
        if byte < 0x80:
            return value, at + index + 1
    raise Malformed("a number of the message breaks off")


def _skip(data: bytes, at: int, kind: int) -> int:
    length = {_FIXED64: 8, _FIXED32: 4}.get(kind)
    if kind == _BYTES:
        length, at = _read_varint(data, at)
    if length is None or at + length > len(data):
        raise Malformed("a field of the message breaks off")
    return at + length
