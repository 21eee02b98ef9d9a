"""Runs inside a container and prints, as JSON, all it can find out about its confinement.

Needs nothing but Python's own library: ``python3 look.py`` with the host's files as the image.
"""

from __future__ import annotations

import ctypes
import errno
import json
import os
import platform
import resource
import socket
import stat

LIBC = ctypes.CDLL(None, use_errno=True)
X86 = platform.machine() == "x86_64"

#: name → (number on x86-64, on the asm-generic table), arguments that do no harm when allowed
SYSCALLS: dict[str, tuple[tuple[int, int], tuple[int, ...]]] = {
    "acct": ((163, 89), (0,)),
    "add_key": ((248, 217), (0, 0, 0, 0, 0)),
    "bpf": ((321, 280), (-1, 0, 0)),
    "delete_module": ((176, 106), (0, 0)),
    "getpid": ((39, 172), ()),
    "io_uring_setup": ((425, 425), (0, 0)),
    "keyctl": ((250, 219), (0, 0, 0, 0, 0)),
    "kexec_load": ((246, 104), (0, -1, 0, 0)),
    "mount": ((165, 40), (0, 0, 0, 0, 0)),
    "move_mount": ((429, 429), (-1, 0, -1, 0, 0)),
    "open_by_handle_at": ((304, 265), (-1, 0, 0)),
    "perf_event_open": ((298, 241), (0, 0, -1, -1, 0)),
    "reboot": ((169, 142), (0, 0, 0, 0)),
    "setns": ((308, 268), (-1, 0)),
    "swapon": ((167, 224), (0, 0)),
    "umount2": ((166, 39), (0, 0)),
    "unshare_user": ((272, 97), (0x10000000,)),
    "userfaultfd": ((323, 282), (-1,)),
}
MASKED = [
    "/proc/acpi",
    "/proc/asound",
    "/proc/interrupts",
    "/proc/kcore",
    "/proc/keys",
    "/proc/latency_stats",
    "/proc/sched_debug",
    "/proc/scsi",
    "/proc/timer_list",
    "/proc/timer_stats",
    "/sys/devices/virtual/powercap",
    "/sys/firmware",
]
READ_ONLY = [
    "/proc/sys/kernel/core_pattern",
    "/proc/sysrq-trigger",
    "/proc/irq/default_smp_affinity",
]
#: as v1 and v2 name them
CGROUP_FILES = [
    "cpu.cfs_period_us",
    "cpu.cfs_quota_us",
    "cpu.max",
    "cpu.shares",
    "cpu.weight",
    "memory.limit_in_bytes",
    "memory.max",
    "memory.oom.group",
    "memory.swap.max",
    "pids.max",
]
SYSCTLS = [
    "net/ipv4/ping_group_range",
    "net/ipv4/ip_unprivileged_port_start",
    "net/ipv4/ip_forward",
]


def name_of(error: OSError) -> str:
    return errno.errorcode.get(error.errno or 0, str(error.errno))


def try_call(numbers: tuple[int, int], arguments: tuple[int, ...]) -> str:
    """In a child, which may be killed for it, or change what it is."""
    pid = os.fork()
    if pid == 0:
        result = LIBC.syscall(numbers[0 if X86 else 1], *map(ctypes.c_long, arguments))
        os._exit(0 if result >= 0 else ctypes.get_errno())
    code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    return "allowed" if code == 0 else errno.errorcode.get(code, f"signal {-code}")


def try_open(path: str, flags: int) -> str:
    try:
        os.close(os.open(path, flags | os.O_NONBLOCK | os.O_NOCTTY))
    except OSError as error:
        return name_of(error)
    return "opened"


def is_empty(path: str) -> bool | None:
    """None: it is not there. AppArmor denies some by name, whatever is bound over them."""
    try:
        if os.path.isdir(path):
            return not os.listdir(path)
        with open(path, "rb") as file:
            return not file.read(64)
    except FileNotFoundError:
        return None
    except PermissionError:
        return path in {each["target"] for each in mounts()}
    except OSError:
        return False


def devices() -> dict[str, str]:
    found = {}
    for name in sorted(os.listdir("/dev")):
        info = os.lstat(f"/dev/{name}")
        kind = stat.filemode(info.st_mode)[0]
        number = f"{os.major(info.st_rdev)}:{os.minor(info.st_rdev)}" if kind in "cb" else ""
        link = f" {os.readlink(f'/dev/{name}')}" if kind == "l" else ""
        found[name] = f"{kind}{number}{link}"
    return found


def make_device() -> str:
    """A node of the host's first disk, read."""
    try:
        os.mknod("/made", stat.S_IFBLK | 0o600, os.makedev(254, 0))
    except OSError as error:
        return f"mknod {name_of(error)}"
    said = try_open("/made", os.O_RDONLY)
    os.unlink("/made")
    return said


def mounts() -> list[dict[str, str]]:
    found = []
    with open("/proc/self/mountinfo") as file:
        for line in file:
            fields, _, rest = line.partition(" - ")
            parts, kind = fields.split(), rest.split()[0]
            keys = {"root": parts[3], "target": parts[4], "options": parts[5], "type": kind}
            found.append(keys)
    return found


def cgroup_files() -> dict[str, str]:
    """Of its own cgroup, which is the root it sees: v2 at the top, v1 a directory a hierarchy."""
    top = "/sys/fs/cgroup"
    places = [top, *(f"{top}/{name}" for name in os.listdir(top))]
    paths = [(name, f"{place}/{name}") for name in CGROUP_FILES for place in places]
    return {name: read(path) for name, path in paths if os.path.exists(path)}


def status() -> dict[str, str]:
    with open("/proc/self/status") as file:
        return {key: value.strip() for key, _, value in (line.partition(":") for line in file)}


def read(path: str) -> str:
    with open(path) as file:
        return file.read().strip()


def picture() -> dict[str, object]:
    descriptors = {}
    for name in os.listdir("/proc/self/fd"):
        if os.path.lexists(f"/proc/self/fd/{name}"):
            descriptors[name] = os.readlink(f"/proc/self/fd/{name}")
    umask = os.umask(0)
    os.umask(umask)
    shm = os.statvfs("/dev/shm")
    wanted = ("NoNewPrivs", "Seccomp", "CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb")
    return {
        "ids": [os.getresuid(), os.getresgid(), sorted(os.getgroups())],
        "status": {name: status()[name] for name in wanted},
        "syscalls": {name: try_call(*what) for name, what in SYSCALLS.items()},
        "mounts": mounts(),
        "masked": {path: is_empty(path) for path in MASKED},
        "read-only": {path: try_open(path, os.O_WRONLY) for path in READ_ONLY},
        "root": try_open("/made-by-look", os.O_CREAT | os.O_WRONLY),
        "devices": devices(),
        "opened": {n: try_open(f"/dev/{n}", os.O_RDWR) for n in ("null", "zero", "full")},
        "made device": make_device(),
        "descriptors": descriptors,
        "environment": dict(os.environ),
        "umask": umask,
        "limits": {n: resource.getrlimit(getattr(resource, f"RLIMIT_{n}"))
                   for n in ("NOFILE", "CORE", "STACK")},
        "cgroup": read("/proc/self/cgroup").splitlines(),
        "cgroup files": cgroup_files(),
        "oom score": [int(read(f"/proc/{who}/oom_score_adj")) for who in ("1", "self")],
        "sysctls": {name: read(f"/proc/sys/{name}") for name in SYSCTLS},
        "shm bytes": shm.f_blocks * shm.f_frsize,
        "hostname": socket.gethostname(),
        "namespaces": {n: os.readlink(f"/proc/self/ns/{n}") for n in os.listdir("/proc/self/ns")},
        "pid": os.getpid(),
        "processes": sorted(name for name in os.listdir("/proc") if name.isdecimal()),
        "cwd": os.getcwd(),
    }  # fmt: skip


if __name__ == "__main__":
    print(json.dumps(picture()), flush=True)
