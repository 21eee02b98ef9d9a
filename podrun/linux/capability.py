"""Capabilities (capabilities(7)): names, numbers, and becoming a process with just these."""

from __future__ import annotations

import ctypes
import errno
import os
import struct
from collections.abc import Iterable

import prctl

from podrun.linux.syscall import libc

#: in the order of linux/capability.h, whose numbers they are
NAMES = (
    "CHOWN", "DAC_OVERRIDE", "DAC_READ_SEARCH", "FOWNER", "FSETID", "KILL", "SETGID", "SETUID",
    "SETPCAP", "LINUX_IMMUTABLE", "NET_BIND_SERVICE", "NET_BROADCAST", "NET_ADMIN", "NET_RAW",
    "IPC_LOCK", "IPC_OWNER", "SYS_MODULE", "SYS_RAWIO", "SYS_CHROOT", "SYS_PTRACE", "SYS_PACCT",
    "SYS_ADMIN", "SYS_BOOT", "SYS_NICE", "SYS_RESOURCE", "SYS_TIME", "SYS_TTY_CONFIG", "MKNOD",
    "LEASE", "AUDIT_WRITE", "AUDIT_CONTROL", "SETFCAP", "MAC_OVERRIDE", "MAC_ADMIN", "SYSLOG",
    "WAKE_ALARM", "BLOCK_SUSPEND", "AUDIT_READ", "PERFMON", "BPF", "CHECKPOINT_RESTORE",
)  # fmt: skip

_VERSION_3 = 0x20080522
_PR_CAPBSET_DROP = 24
_PR_CAP_AMBIENT = 47
_PR_CAP_AMBIENT_CLEAR_ALL = 4


def mask(names: Iterable[str]) -> int:
    """The bit set of ``names`` (without the CAP_ prefix). KeyError for one that is none."""
    numbers = {name: number for number, name in enumerate(NAMES)}
    return sum(1 << numbers[name] for name in set(names))


def names(bits: int) -> tuple[str, ...]:
    """The names in a bit set, without CAP_; what is newer than NAMES has none."""
    return tuple(name for number, name in enumerate(NAMES) if bits >> number & 1)


def held() -> int:
    """The bit set this process may use (its bounding set and its permitted set)."""
    with open("/proc/self/status") as file:
        rows = dict(line.split(":", 1) for line in file if line.startswith("Cap"))
    return int(rows["CapPrm"], 16) & int(rows["CapBnd"], 16)


def drop_bounding(keep: int) -> None:
    """What is not in ``keep`` can never come back, not even by a setuid program.

    The kernel itself says where its list ends (EINVAL): a newer one may know more than NAMES, and
    more than the header python-prctl was built with, which is why it is not used here.
    """
    for number in range(64):
        try:
            if not keep >> number & 1:
                libc("prctl", _PR_CAPBSET_DROP, number, 0, 0, 0, name="drop from bounding set")
        except OSError as error:
            if error.errno == errno.EINVAL:
                return
            raise


def set_user(uid: int, gid: int, groups: Iterable[int], capabilities: int) -> None:
    """Become that user with no more than ``capabilities``; nothing inheritable, nothing ambient.

    An ordinary user holds none of them until it runs a file that grants some: the kernel clears
    the permitted set at execve(2), as every runtime relies on.
    """
    libc("prctl", _PR_CAP_AMBIENT, _PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0, name="clear ambient set")
    os.setgroups(list(groups))
    prctl.set_keepcaps(True)
    os.setresgid(gid, gid, gid)
    os.setresuid(uid, uid, uid)
    limit(capabilities)
    prctl.set_keepcaps(False)


def limit(bits: int) -> None:
    """Effective and permitted become ``bits``, which must be permitted; nothing is inheritable."""
    header = struct.pack("=Ii", _VERSION_3, 0)
    low, high = bits & 0xFFFFFFFF, bits >> 32
    data = struct.pack("=6I", low, low, 0, high, high, 0)  # effective, permitted, inheritable
    libc(
        "capset", ctypes.create_string_buffer(header), ctypes.create_string_buffer(data),
        name="capset",
    )  # fmt: skip


def no_new_privileges() -> None:
    prctl.set_no_new_privs(True)


def not_dumpable() -> None:
    """Nobody may ptrace us or read our /proc files but root of our own user namespace."""
    prctl.set_dumpable(False)


def die_with_parent(number: int) -> None:
    """Signal ``number`` when the thread that forked us ends; 0 takes it back."""
    prctl.set_pdeathsig(number)
