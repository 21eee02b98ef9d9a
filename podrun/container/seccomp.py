"""From ``securityContext.seccompProfile`` to a compiled filter on disk.

    RuntimeDefault   podrun.container.seccompdefault, for the container's capabilities
    Localhost        a file in the OCI runtime specification's JSON (seccompprofile)
    Unconfined       none

A filter is compiled once and kept under the hash of what it was made of: launches, ``exec`` and
probes only read it.
"""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Iterable
from pathlib import Path

import msgspec

from podrun.container import seccompdefault, seccompprofile
from podrun.container.seccompprofile import Profile
from podrun.errors import PodrunError, Unavailable
from podrun.linux import seccomp
from podrun.linux.openat import INSIDE, openat2
from podrun.node.records import write_record

#: raised when what a profile compiles to changes though the profile does not
_VERSION = 1
_PROFILE_MAX = 256 << 10  # compiling takes time with the square of the rules
_CONFIG_ERROR = "CreateContainerConfigError"


def default_filter(directory: Path, capabilities: Iterable[str]) -> Path:
    """Of RuntimeDefault, kept in ``directory``. Raises PodrunError."""
    profile = Profile(
        default=seccompdefault.ERRNO,
        default_number=seccompdefault.EPERM,
        architectures=seccompdefault.ARCHITECTURES.get(os.uname().machine, ()),
        rules=tuple(seccompdefault.rules(capabilities)),
        enosys_above_listed=True,
    )
    return _kept(directory, profile, "RuntimeDefault")


def localhost_filter(directory: Path, profiles: Path, name: str) -> Path:
    """Of the file ``name`` (a relative path) below ``profiles``. Raises PodrunError."""
    try:
        profile = seccompprofile.parse(_read(profiles, name))
    except ValueError as error:
        raise PodrunError(
            f"seccomp profile {name}: {error}",
            hint="it must be in the OCI runtime specification's JSON format",
            reason=_CONFIG_ERROR,
        ) from None
    return _kept(directory, profile, name)


def read_filter(path: str) -> bytes:
    """The program; b"" for "" (unconfined). Read it before the root is the container's. OSError."""
    if not path:
        return b""
    program = Path(path).read_bytes()
    if not program:  # never mistaken for unconfined
        raise OSError(5, "the seccomp filter is empty", path)
    return program


def _kept(directory: Path, profile: Profile, name: str) -> Path:
    if not seccomp.available():
        raise Unavailable(
            f"seccomp profile {name}: this kernel has no filters",
            hint="seccompProfile: {type: Unconfined}, or seccompDefault: false for the node",
            reason=_CONFIG_ERROR,
        )
    machine = os.uname().machine.encode()
    key = hashlib.sha256(b"%d %s " % (_VERSION, machine) + msgspec.json.encode(profile))
    path = directory / f"{key.hexdigest()[:32]}.bpf"
    if not path.exists():
        try:
            program = _compile(profile, name)
            directory.mkdir(mode=0o700, parents=True, exist_ok=True)
            write_record(path, program, mode=0o600)
        except OSError as error:
            raise PodrunError(
                f"seccomp profile {name}: {error.filename}: {error.strerror}", reason=_CONFIG_ERROR
            ) from None
    return path


def _compile(profile: Profile, name: str) -> bytes:
    try:
        return seccomp.compile_filter(
            profile.default,
            profile.default_number,
            profile.architectures,
            profile.rules,
            enosys_above_listed=profile.enosys_above_listed,
        )
    except FileNotFoundError:
        raise Unavailable(
            f"seccomp profile {name}: {seccomp.LIBRARY} is not installed",
            hint="apt-get install libseccomp2; or seccompProfile: {type: Unconfined}, "
            "or seccompDefault: false for the node",
            reason=_CONFIG_ERROR,
        ) from None


def _read(profiles: Path, name: str) -> bytes:
    """Never a file outside ``profiles``, whatever links are in there."""
    try:
        root = os.open(profiles, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            fd = openat2(root, os.fsencode(name), os.O_RDONLY | os.O_NONBLOCK, 0, INSIDE)
        finally:
            os.close(root)
        text = _regular(fd)
    except OSError as error:
        raise PodrunError(
            f"cannot load seccomp profile {profiles / name}: {error.strerror}",
            hint="localhostProfile names a file below that directory",
            reason=_CONFIG_ERROR,
        ) from None
    if len(text) > _PROFILE_MAX:
        raise PodrunError(f"seccomp profile {name} is larger than 256 KiB", reason=_CONFIG_ERROR)
    return text


def _regular(fd: int) -> bytes:
    try:
        if not stat.S_ISREG(os.fstat(fd).st_mode):
            raise OSError(22, "not a regular file")
        with open(fd, "rb", closefd=False) as file:
            return file.read(_PROFILE_MAX + 1)
    finally:
        os.close(fd)
