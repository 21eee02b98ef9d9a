"""What this host offers, for ``podrun system check``: each probe tries, and says what it saw.

A probe changes nothing that stays: what it mounts is in a child's own namespace, what it makes it
removes.
"""

from __future__ import annotations

import os
import re
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec

from podrun.errors import PodrunError
from podrun.node.config import Config
from podrun.node.paths import Paths

OK, WARN, FAIL = "ok", "warn", "fail"

KERNEL_FLOOR = (5, 15)
_MIB = 1 << 20
_WANT_FREE, _NEED_FREE = 1024 * _MIB, 100 * _MIB
_CONTROLLERS = ("cpu", "memory", "pids")
_MACHINES = {"x86_64": 62, "aarch64": 183}  # e_machine of elf(5)
#: without these no container can be made
_NEEDED = (
    "CHOWN", "DAC_OVERRIDE", "FOWNER", "KILL", "MKNOD", "NET_ADMIN", "SETFCAP", "SETGID", "SETPCAP",
    "SETUID", "SYS_ADMIN", "SYS_CHROOT", "SYS_PTRACE",
)  # fmt: skip


class Found(msgspec.Struct, frozen=True):
    """One line: ``level`` OK, WARN or FAIL; ``hint`` says what to do when it is not OK."""

    name: str
    level: str
    detail: str
    hint: str = ""


def all_checks(config: Config) -> Iterator[Found]:
    """Line after line, as each probe is done. A probe that breaks is a line too."""
    paths = Paths(config)
    probes: dict[str, Callable[[], Found]] = {
        "kernel": kernel,
        "pause, monitor": machine,
        "capabilities": capabilities,
        "cgroups": lambda: cgroups(config),
        "controllers": controllers,
        "mount API": mount_api,
        "overlayfs": lambda: overlayfs(paths),
        "seccomp": lambda: seccomp(config),
        "AppArmor": apparmor,
        "SELinux": selinux,
        "user namespaces": lambda: user_namespaces(config),
        "disk space": lambda: disk_space(paths),
    }
    for name, probe in probes.items():
        try:
            yield probe()
        except (PodrunError, OSError) as error:
            yield _broken(name, error)
    yield from network(config)


def _broken(name: str, error: Exception) -> Found:
    return Found(name, FAIL, str(error), error.hint if isinstance(error, PodrunError) else "")


def kernel() -> Found:
    release = os.uname().release
    version = tuple(int(n) for n in re.findall(r"\d+", release)[:2])
    if version >= KERNEL_FLOOR:
        return Found("kernel", OK, release)
    floor = ".".join(map(str, KERNEL_FLOOR))
    return Found("kernel", FAIL, f"{release} is older than {floor}", "install a newer kernel")


def machine() -> Found:
    """pause and monitor are compiled: they must be there, for this processor, and executable."""
    from podrun.container.launch import MONITOR
    from podrun.sandbox.pause import BINARY

    here = os.uname().machine
    for path in (BINARY, MONITOR):
        problem = _binary_problem(path, here)
        if problem:
            return Found("pause, monitor", FAIL, problem, "build them: make, or pip install .")
    return Found("pause, monitor", OK, here)


def _binary_problem(path: Path, here: str) -> str:
    try:
        head = path.read_bytes()[:20]
    except FileNotFoundError:
        return f"{path} is missing"
    if not os.access(path, os.X_OK):
        return f"{path} is not executable"
    made_for = int.from_bytes(head[18:20], "little")
    if head[:4] != b"\x7fELF" or made_for != _MACHINES.get(here, made_for):
        return f"{path} is made for another processor than {here}"
    return ""


def capabilities() -> Found:
    from podrun.linux import capability

    held = capability.held()
    missing = [name for name in _NEEDED if not held & capability.mask([name])]
    if missing:
        text = f"missing: {', '.join(missing)}"
        return Found("capabilities", FAIL, text, "run podrun as root, outside of a container")
    if not held & capability.mask(["SYS_RESOURCE"]):
        text = "all but SYS_RESOURCE: nobody can be protected from the OOM killer"
        return Found("capabilities", WARN, text, "podrun goes on without it")
    return Found("capabilities", OK, "all that are needed")


def cgroups(config: Config) -> Found:
    """Make one, and take it away again."""
    from podrun.cgroup.group import Group
    from podrun.cgroup.hierarchy import detect

    mode = detect().mode
    group = Group(f"{config.cgroup_root}-check-{os.getpid()}")
    try:
        group.create()
    except PodrunError as error:
        return Found(
            "cgroups", FAIL, error.message, error.hint or "/sys/fs/cgroup must be writable"
        )
    finally:
        group.remove()
    return Found("cgroups", OK, mode)


def controllers() -> Found:
    from podrun.cgroup.hierarchy import detect

    hierarchy = detect()
    missing = [name for name in _CONTROLLERS if not hierarchy.has(name)]
    if not missing:
        return Found("controllers", OK, ", ".join(_CONTROLLERS))
    text = f"missing: {', '.join(missing)}: their limits have no effect"
    return Found("controllers", WARN, text, "boot with cgroup_enable=memory, or delegate them")


def mount_api() -> Found:
    def attempt() -> str:
        from podrun.linux import mount, namespace

        namespace.unshare(namespace.CLONE_NEWNS)
        fd = mount.new_filesystem("tmpfs", {"size": "64k"})
        mount.mount_setattr(fd, attr_set=mount.MOUNT_ATTR_RDONLY)
        return ""

    problem = in_child(attempt)
    if problem:
        return Found("mount API", FAIL, problem, "needs CAP_SYS_ADMIN and Linux 5.12")
    return Found("mount API", OK, "fsopen, mount_setattr")


def overlayfs(paths: Paths) -> Found:
    """Where images and writable layers lie; what stands in when it cannot hold an upper layer."""
    paths.state.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".check-", dir=paths.state) as directory:
        said = in_child(lambda: _try_rootfs(Path(directory)))
        _discard(Path(directory))
    if said == "overlay":
        return Found("overlayfs", OK, f"on {paths.state}")
    how, _, why = said.partition(" ")
    if how in ("tmpfs", "copy"):
        return Found("overlayfs", WARN, why, "put stateRoot on ext4 or xfs")
    return Found("overlayfs", FAIL, said, "modprobe overlay; put stateRoot on ext4 or xfs")


def _try_rootfs(directory: Path) -> str:
    from podrun.image import rootfs
    from podrun.linux import namespace

    namespace.unshare(namespace.CLONE_NEWNS)
    (directory / "lower").mkdir()
    made = rootfs.prepare([directory / "lower"], directory / "upper")
    os.close(made.fd)
    return made.how if made.how == "overlay" else f"{made.how} {made.note}"


def _discard(directory: Path) -> None:
    from podrun.image import rootfs

    rootfs.discard(directory / "upper")


def seccomp(config: Config) -> Found:
    """Without filters nothing starts that does not say Unconfined, unless the node says so."""
    from podrun.linux import seccomp

    level = FAIL if config.seccomp_default else WARN
    otherwise = "or seccompDefault: false in the configuration"
    if not seccomp.available():
        hint = f"a kernel with CONFIG_SECCOMP_FILTER, {otherwise}"
        return Found("seccomp", level, "this kernel has no filters", hint)
    if not seccomp.library_found():
        hint = f"apt-get install libseccomp2, {otherwise}"
        return Found("seccomp", level, f"{seccomp.LIBRARY} is not installed", hint)
    return Found("seccomp", OK, "filters")


def apparmor() -> Found:
    from podrun.container import apparmor
    from podrun.linux import lsm

    if not lsm.apparmor_enabled():
        return Found("AppArmor", OK, "not enabled: containers go without")
    missing = "" if lsm.apparmor_has(apparmor.DEFAULT) else apparmor.obstacle()
    if not missing:
        return Found("AppArmor", OK, f"profile {apparmor.DEFAULT}")
    hint = "apt-get install apparmor; mount -t securityfs securityfs /sys/kernel/security"
    return Found("AppArmor", WARN, f"containers go without: {missing}", hint)


def selinux() -> Found:
    from podrun.linux import lsm

    if not lsm.selinux_enabled():
        return Found("SELinux", OK, "not enabled: seLinuxOptions are refused")
    return Found("SELinux", OK, "processes get a label where seLinuxOptions say so")


def user_namespaces(config: Config) -> Found:
    """What hostUsers: false needs: a namespace, and image layers that can be shown with its ids."""
    limit = Path("/proc/sys/user/max_user_namespaces")
    if not limit.exists() or int(limit.read_text()) == 0:
        hint = "sysctl -w user.max_user_namespaces=15000"
        return Found("user namespaces", WARN, "switched off", hint)
    state = Paths(config).state
    state.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".check-", dir=state) as directory:
        said = in_child(lambda: _try_own_users(Path(directory), config.userns_first_id))
        _discard(Path(directory))
    if said != "overlay":
        hint = "pods with hostUsers: false need Linux 5.19, and stateRoot on ext4, xfs or btrfs"
        return Found("user namespaces", WARN, said, hint)
    return Found("user namespaces", OK, f"{limit.read_text().strip()} at the most, idmapped mounts")


def _try_own_users(directory: Path, first: int) -> str:
    from podrun.image import rootfs
    from podrun.linux import users

    (directory / "lower").mkdir()
    with users.made(first) as own:
        made = rootfs.prepare([directory / "lower"], directory / "upper", users=own)
    os.close(made.fd)
    return made.how if made.how == "overlay" else f"{made.how} {made.note}"


def disk_space(paths: Paths) -> Found:
    directory = next(path for path in (paths.state, *paths.state.parents) if path.exists())
    found = os.statvfs(directory)
    free = found.f_bavail * found.f_frsize
    text = f"{free / _MIB / 1024:.1f} GiB free in {paths.state}"
    if found.f_files and not found.f_favail:
        return Found("disk space", FAIL, f"no inodes left in {paths.state}", "remove files there")
    if free >= _WANT_FREE:
        return Found("disk space", OK, text)
    level = FAIL if free < _NEED_FREE else WARN
    return Found("disk space", level, text, "podrun image prune; or move stateRoot")


def network(config: Config) -> Iterator[Found]:
    from podrun.network.check import check

    try:
        lines = check(config)
    except (PodrunError, OSError) as error:
        yield _broken("network", error)
        return
    for line in lines:
        # Another firewall's rules and ranges may stand in the way; they need not.
        needed = not line.name.startswith(("range ", "forwarding "))
        yield Found(line.name, OK if line.ok else FAIL if needed else WARN, line.detail, line.hint)


def in_child(attempt: Callable[[], str]) -> str:
    """What ``attempt`` returns, or why it failed; in a child, because it changes its namespaces."""
    there, here = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            said = attempt()
        except BaseException as error:  # a forked child never returns
            said = str(error) or type(error).__name__
        os.write(here, said.encode())
        os._exit(0)
    os.close(here)
    with os.fdopen(there, "rb") as stream:
        said = stream.read().decode(errors="replace")
    os.waitpid(pid, 0)
    return said
