"""seccomp(2) filters: compiled by libseccomp, kept as bytes, installed by one system call.

libseccomp knows the system calls of each architecture and turns rules into a program of the
kernel's; that happens once per profile. Whoever is to be confined only hands the bytes over.
"""

from __future__ import annotations

import ctypes
import errno
import os
import struct
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from enum import IntEnum

import msgspec

from podrun.linux.syscall import libc

LIBRARY = "libseccomp.so.2"

# seccomp_attr.h, seccomp.h (libseccomp)
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

_PR_SET_SECCOMP = 22
_MODE_FILTER = 2
_INSTRUCTION_BYTES = 8  # struct sock_filter
MAX_INSTRUCTIONS = 4096  # BPF_MAXINSNS

# struct sock_filter's code (linux/bpf_common.h), and offsets in struct seccomp_data
_LOAD, _EQUAL, _GREATER, _AT_LEAST, _RETURN = 0x20, 0x15, 0x25, 0x35, 0x06
_AT_NUMBER, _AT_ARCHITECTURE = 0, 4
#: from here on are numbers out of the row: ARM's private calls, and x32's, which shares its token
_PRIVATE = 0xF0000

ACTIONS_AVAILABLE = "/proc/sys/kernel/seccomp/actions_avail"


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
    default: str,
    default_number: int,
    architectures: Sequence[str],
    rules: Sequence[Rule],
    *,
    enosys_above_listed: bool = False,
) -> bytes:
    """The BPF program for ``rules``, all others getting ``default``.

    ``architectures`` are libseccomp's names ("x86", "x32", "arm") beside the native one. Calls that
    it does not know are passed over. With ``enosys_above_listed`` calls newer than every one that
    is named get ENOSYS. Raises FileNotFoundError without libseccomp, OSError naming what it refused
    (E2BIG: more than the kernel takes).
    """
    library = _load()
    with _context(library, action_value(default, default_number)) as context:
        for name in architectures:
            token = library.seccomp_arch_resolve_name(name.encode())
            if token and library.seccomp_arch_exist(context, token) != 0:
                _check(library.seccomp_arch_add(context, token), f"architecture {name}")
        for rule in rules:
            _add(library, context, rule, action_value(default, default_number))
        program = _export(library, context)
    if enosys_above_listed:
        program = _stubs(library, architectures, rules) + program
    if len(program) > MAX_INSTRUCTIONS * _INSTRUCTION_BYTES:
        raise OSError(errno.E2BIG, f"more than {MAX_INSTRUCTIONS} instructions", "filter")
    return program


def action_value(action: str, number: int) -> int:
    """The kernel's number of an action. KeyError for one that is none."""
    return _ACTIONS[action] | (number & 0xFFFF if action in _TAKES_NUMBER else 0)


def _load() -> ctypes.CDLL:
    try:
        library = ctypes.CDLL(LIBRARY)
    except OSError:
        raise FileNotFoundError(errno.ENOENT, "no such library", LIBRARY) from None
    library.seccomp_init.restype = ctypes.c_void_p
    library.seccomp_arch_resolve_name.restype = ctypes.c_uint32
    library.seccomp_arch_native.restype = ctypes.c_uint32
    return library


@contextmanager
def _context(library: ctypes.CDLL, default: int) -> Iterator[ctypes.c_void_p]:
    context = ctypes.c_void_p(library.seccomp_init(ctypes.c_uint32(default)))
    if not context.value:
        raise OSError(errno.EINVAL, "libseccomp does not know the default action", hex(default))
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


def _stubs(library: ctypes.CDLL, architectures: Sequence[str], rules: Sequence[Rule]) -> bytes:
    """In front of a filter: ENOSYS for numbers above all that ``rules`` name, by architecture.

    A list older than the kernel would forbid what it has never heard of, and a C library only
    takes the older way (clone for clone3) when the new one is not there; runc does it, too.
    """
    names = {name.encode() for rule in rules for name in rule.names}
    others = [library.seccomp_arch_resolve_name(name.encode()) for name in architectures]
    steps: list[tuple[int, int, int, int]] = []
    for token in dict.fromkeys((library.seccomp_arch_native(), *filter(None, others))):
        known = (library.seccomp_syscall_resolve_name_arch(token, name) for name in names)
        newest = max((n for n in known if 0 <= n < _PRIVATE), default=None)
        if newest is not None:
            steps += _stub(token, newest)
    return b"".join(struct.pack("HBBI", *step) for step in steps)


def _stub(token: int, newest: int) -> Iterator[tuple[int, int, int, int]]:
    """(code, steps to skip when true, when false, value) of struct sock_filter."""
    yield _LOAD, 0, 0, _AT_ARCHITECTURE
    yield _EQUAL, 0, 4, token
    yield _LOAD, 0, 0, _AT_NUMBER
    yield _AT_LEAST, 2, 0, _PRIVATE
    yield _GREATER, 0, 1, newest
    yield _RETURN, 0, 0, action_value("SCMP_ACT_ERRNO", errno.ENOSYS)


def _check(result: int, what: str) -> None:
    if result < 0:
        raise OSError(-result, os.strerror(-result), f"seccomp {what}")


def install(program: bytes) -> None:
    """Confine this process from now on, for ever. Needs no_new_privs or CAP_SYS_ADMIN."""
    instructions = ctypes.create_string_buffer(program, len(program))
    # struct sock_fprog { unsigned short len; struct sock_filter *filter; }
    count = len(program) // _INSTRUCTION_BYTES
    fields = struct.pack("H6xP", count, ctypes.addressof(instructions))
    header = ctypes.create_string_buffer(fields, len(fields))
    libc("prctl", _PR_SET_SECCOMP, _MODE_FILTER, header, 0, 0, name="seccomp filter")


def available() -> bool:
    """Whether this kernel has filters (CONFIG_SECCOMP_FILTER)."""
    return os.path.exists(ACTIONS_AVAILABLE)


def library_found() -> bool:
    try:
        _load()
    except FileNotFoundError:
        return False
    return True
