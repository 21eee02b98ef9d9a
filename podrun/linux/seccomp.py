"""seccomp(2) filters: compiled by libseccomp, kept as bytes, installed by one system call.

libseccomp knows the system calls of each architecture and turns rules into a program of the
kernel's; that happens once per profile. Whoever is to be confined only hands the bytes over.
"""

from __future__ import annotations

import ctypes
import os
import struct
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from enum import IntEnum

import msgspec

from podrun.linux.syscall import libc, syscall

LIBRARY = "libseccomp.so.2"

# seccomp_attr.h, seccomp.h (libseccomp)
_ATTR_BAD_ARCH = 2
_ATTR_NO_NEW_PRIVS = 3
_ATTR_OPTIMIZE = 8
_BINARY_TREE = 2
_NO_SYSCALL = -1

_ACTIONS = {
    "SCMP_ACT_ALLOW": 0x7FFF0000,
    "SCMP_ACT_LOG": 0x7FFC0000,
    "SCMP_ACT_TRACE": 0x7FF00000,
    "SCMP_ACT_ERRNO": 0x00050000,
    "SCMP_ACT_TRAP": 0x00030000,
    "SCMP_ACT_KILL_THREAD": 0x00000000,
    "SCMP_ACT_KILL": 0x00000000,
    "SCMP_ACT_KILL_PROCESS": 0x80000000,
}
_TAKES_NUMBER = ("SCMP_ACT_ERRNO", "SCMP_ACT_TRACE")
ACTIONS = tuple(_ACTIONS)

_SET_MODE_FILTER = 1
_SYS_SECCOMP = {"x86_64": 317, "aarch64": 277}


class Compare(IntEnum):
    """How a rule looks at an argument (enum scmp_compare)."""

    NE = 1
    LT = 2
    LE = 3
    EQ = 4
    GE = 5
    GT = 6
    MASKED_EQ = 7


class Argument(msgspec.Struct, frozen=True):
    """``MASKED_EQ``: argument & ``value`` == ``value_two``."""

    index: int
    op: Compare
    value: int
    value_two: int = 0


class Rule(msgspec.Struct, frozen=True):
    """``action`` is one of ACTIONS; ``number`` belongs to ERRNO and TRACE."""

    names: tuple[str, ...]
    action: str
    number: int = 1  # EPERM
    arguments: tuple[Argument, ...] = ()


class _Comparison(ctypes.Structure):
    _fields_ = (
        ("arg", ctypes.c_uint),
        ("op", ctypes.c_int),
        ("datum_a", ctypes.c_uint64),
        ("datum_b", ctypes.c_uint64),
    )


def compile_filter(
    default: str, default_number: int, architectures: Sequence[str], rules: Sequence[Rule]
) -> bytes:
    """The BPF program for ``rules``, all others getting ``default``.

    ``architectures`` are libseccomp's names ("x86", "x32", "arm") beside the native one. Calls no
    kernel of ours knows are passed over. Raises FileNotFoundError without libseccomp, OSError
    naming what it refused.
    """
    library = _load()
    with _context(library, action_value(default, default_number)) as context:
        for name in architectures:
            token = library.seccomp_arch_resolve_name(name.encode())
            if token and library.seccomp_arch_exist(context, token) != 0:
                _check(library.seccomp_arch_add(context, token), f"architecture {name}")
        for rule in rules:
            _add(library, context, rule, action_value(default, default_number))
        return _export(library, context)


def action_value(action: str, number: int) -> int:
    """The kernel's number of an action. KeyError for one that is none."""
    return _ACTIONS[action] | (number & 0xFFFF if action in _TAKES_NUMBER else 0)


def _load() -> ctypes.CDLL:
    try:
        library = ctypes.CDLL(LIBRARY)
    except OSError:
        raise FileNotFoundError(2, "no such library", LIBRARY) from None
    library.seccomp_init.restype = ctypes.c_void_p
    library.seccomp_arch_resolve_name.restype = ctypes.c_uint32
    return library


@contextmanager
def _context(library: ctypes.CDLL, default: int) -> Iterator[ctypes.c_void_p]:
    context = ctypes.c_void_p(library.seccomp_init(ctypes.c_uint32(default)))
    if not context.value:
        raise OSError(22, "libseccomp does not know the default action", hex(default))
    try:
        library.seccomp_attr_set(context, _ATTR_NO_NEW_PRIVS, 0)
        library.seccomp_attr_set(context, _ATTR_OPTIMIZE, _BINARY_TREE)  # since 2.5: else linear
        yield context
    finally:
        library.seccomp_release(context)


def _add(library: ctypes.CDLL, context: ctypes.c_void_p, rule: Rule, default: int) -> None:
    action = action_value(rule.action, rule.number)
    if action == default:
        return  # libseccomp refuses a rule that changes nothing
    compared = (_Comparison * len(rule.arguments))(
        *(_Comparison(a.index, a.op, a.value, a.value_two) for a in rule.arguments)
    )
    for name in rule.names:
        number = library.seccomp_syscall_resolve_name(name.encode())
        if number != _NO_SYSCALL:
            result = library.seccomp_rule_add_array(
                context, ctypes.c_uint32(action), number, len(rule.arguments), compared
            )
            _check(result, f"rule for {name}")


def _export(library: ctypes.CDLL, context: ctypes.c_void_p) -> bytes:
    fd = os.memfd_create("seccomp", os.MFD_CLOEXEC)
    with open(fd, "rb") as file:
        _check(library.seccomp_export_bpf(context, fd), "export")
        file.seek(0)
        return file.read()


def _check(result: int, what: str) -> None:
    if result < 0:
        raise OSError(-result, os.strerror(-result), f"seccomp {what}")


def install(program: bytes) -> None:
    """Confine this process from now on, for ever. Needs no_new_privs or CAP_SYS_ADMIN."""
    instructions = ctypes.create_string_buffer(program, len(program))
    # struct sock_fprog { unsigned short len; struct sock_filter *filter; }
    fields = struct.pack("H6xP", len(program) // 8, ctypes.addressof(instructions))
    header = ctypes.create_string_buffer(fields, len(fields))
    syscall(_SYS_SECCOMP[os.uname().machine], _SET_MODE_FILTER, 0, header, name="seccomp filter")


def available() -> bool:
    """The kernel filters system calls: PR_GET_SECCOMP is refused by one that does not know it."""
    try:
        libc("prctl", 21, 0, 0, 0, 0, name="seccomp")
    except OSError:
        return False
    return True
