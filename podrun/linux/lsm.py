"""Security modules that label processes: AppArmor and SELinux, as far as this host has them."""

from __future__ import annotations

import os

_APPARMOR_ENABLED = "/sys/module/apparmor/parameters/enabled"
_APPARMOR_FILES = "/sys/kernel/security/apparmor"  # securityfs, where it is mounted
_SELINUX_ENFORCE = "/sys/fs/selinux/enforce"


def apparmor_enabled() -> bool:
    try:
        with open(_APPARMOR_ENABLED) as file:
            return file.read().startswith("Y")
    except OSError:
        return False


def apparmor_loads() -> bool:
    """Whether profiles can be seen and loaded from here."""
    return os.path.exists(f"{_APPARMOR_FILES}/.replace")


def apparmor_has(profile: str) -> bool:
    """Whether ``profile`` is loaded. False also where that cannot be seen."""
    try:
        with open(f"{_APPARMOR_FILES}/profiles") as file:
            return any(line.rpartition(" (")[0] == profile for line in file)
    except OSError:
        return False


def selinux_enabled() -> bool:
    return os.path.exists(_SELINUX_ENFORCE)


def change_at_exec(proc: int, *, apparmor: str = "", selinux: str = "") -> None:
    """What this process becomes at its next execve. OSError.

    ``proc`` is a descriptor of a /proc that can be trusted: writing to what a container has put
    there in its stead would confine nothing (CVE-2019-16884, CVE-2025-52881).
    """
    if apparmor:
        _write(proc, "self/attr/apparmor/exec", f"exec {apparmor}")
    if selinux:
        _write(proc, "self/attr/exec", selinux)


def _write(proc: int, name: str, text: str) -> None:
    fd = os.open(name, os.O_WRONLY | os.O_CLOEXEC, dir_fd=proc)
    try:
        os.write(fd, text.encode())
    except OSError as error:
        raise OSError(error.errno, error.strerror, f"{name}: {text}") from None
    finally:
        os.close(fd)
