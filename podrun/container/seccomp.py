"""From ``securityContext.seccompProfile`` to a compiled filter on disk.

    RuntimeDefault   podrun.container.seccompdefault, for the container's capabilities
    Localhost        a file in the OCI runtime specification's JSON (config-linux.md, "Seccomp")
    Unconfined       none

A filter is compiled once and kept under the hash of what it was made of: launches, ``exec`` and
probes only read it.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterable
from pathlib import Path

import msgspec

from podrun.container import seccompdefault
from podrun.errors import PodrunError, Unavailable
from podrun.linux import seccomp
from podrun.linux.openat import INSIDE, openat2
from podrun.linux.seccomp import Argument, Compare, Rule
from podrun.node.records import write_record

#: raised when what a profile compiles to changes though its text does not
_VERSION = 1
_PROFILE_MAX = 1 << 20
_CONFIG_ERROR = "CreateContainerConfigError"


class OciArgument(msgspec.Struct, frozen=True, rename="camel"):
    index: int
    value: int
    op: str
    value_two: int = 0


class OciSyscall(msgspec.Struct, frozen=True, rename="camel"):
    names: tuple[str, ...]
    action: str
    errno_ret: int | None = None
    args: tuple[OciArgument, ...] | None = None


class OciProfile(msgspec.Struct, frozen=True, rename="camel"):
    """As much of the format as a filter is made of; unknown keys are passed over."""

    default_action: str
    default_errno_ret: int | None = None
    architectures: tuple[str, ...] | None = None
    syscalls: tuple[OciSyscall, ...] | None = None
    listener_path: str = ""


def default_filter(directory: Path, capabilities: Iterable[str]) -> Path:
    """Of RuntimeDefault. Raises PodrunError."""
    names = sorted(set(capabilities))
    machine = os.uname().machine

    def compile_it() -> bytes:
        return seccomp.compile_filter(
            seccompdefault.ERRNO,
            seccompdefault.ENOSYS,
            seccompdefault.ARCHITECTURES.get(machine, ()),
            list(seccompdefault.rules(names)),
        )

    what = repr(("default", names, seccompdefault.ALLOWED, seccompdefault.REFUSED))
    return _kept(directory, what, compile_it, "RuntimeDefault")


def localhost_filter(directory: Path, profiles: Path, name: str) -> Path:
    """Of the file ``name`` (a relative path) below ``profiles``. Raises PodrunError."""
    text = _read(profiles, name)
    try:
        profile = msgspec.json.decode(text, type=OciProfile)
        rules = [_rule(call) for call in profile.syscalls or ()]
        _check_action(profile.default_action)
    except (msgspec.MsgspecError, ValueError) as error:
        raise PodrunError(
            f"seccomp profile {name}: {error}",
            hint="it must be in the OCI runtime specification's JSON format",
            reason=_CONFIG_ERROR,
        ) from None
    if profile.listener_path:
        raise PodrunError(f"seccomp profile {name}: listenerPath is not supported",
                          reason=_CONFIG_ERROR)  # fmt: skip
    number = (
        seccompdefault.EPERM if profile.default_errno_ret is None else profile.default_errno_ret
    )
    architectures = [a.removeprefix("SCMP_ARCH_").lower() for a in profile.architectures or ()]

    def compile_it() -> bytes:
        return seccomp.compile_filter(profile.default_action, number, architectures, rules)

    return _kept(directory, repr(("localhost", text)), compile_it, name)


def read_filter(path: str) -> bytes:
    """The program; b"" for "" (unconfined). Read it before the root is the container's. OSError."""
    return Path(path).read_bytes() if path else b""


def _kept(directory: Path, what: str, compile_it: Callable[[], bytes], name: str) -> Path:
    key = hashlib.sha256(f"{_VERSION} {os.uname().machine} {what}".encode()).hexdigest()
    path = directory / f"{key[:32]}.bpf"
    if not path.exists():
        try:
            program = compile_it()
        except FileNotFoundError:
            raise Unavailable(
                f"seccomp profile {name}: {seccomp.LIBRARY} is not installed",
                hint="install libseccomp2, or set seccompProfile.type: Unconfined",
                reason=_CONFIG_ERROR,
            ) from None
        except OSError as error:
            raise PodrunError(
                f"seccomp profile {name}: {error.filename}: {error.strerror}", reason=_CONFIG_ERROR
            ) from None
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        write_record(path, program, mode=0o600, durable=False)
    return path


def _read(profiles: Path, name: str) -> bytes:
    """Never a file outside ``profiles``, whatever links are in there."""
    try:
        root = os.open(profiles, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            fd = openat2(root, os.fsencode(name), os.O_RDONLY | os.O_NONBLOCK, 0, INSIDE)
        finally:
            os.close(root)
        with open(fd, "rb") as file:
            text = file.read(_PROFILE_MAX + 1)
    except OSError as error:
        raise PodrunError(
            f"seccomp profile {profiles / name}: {error.strerror}",
            hint="localhostProfile names a file below that directory",
            reason=_CONFIG_ERROR,
        ) from None
    if len(text) > _PROFILE_MAX:
        raise PodrunError(f"seccomp profile {name} is larger than 1 MiB", reason=_CONFIG_ERROR)
    return text


def _rule(call: OciSyscall) -> Rule:
    _check_action(call.action)
    number = seccompdefault.EPERM if call.errno_ret is None else call.errno_ret
    arguments = tuple(
        Argument(each.index, _compare(each.op), each.value, each.value_two)
        for each in call.args or ()
    )
    return Rule(call.names, call.action, number, arguments)


def _compare(op: str) -> Compare:
    try:
        return Compare[op.removeprefix("SCMP_CMP_")]
    except KeyError:
        raise ValueError(f"{op!r} is no comparison") from None


def _check_action(action: str) -> None:
    if action not in seccomp.ACTIONS:
        known = ", ".join(seccomp.ACTIONS)
        raise ValueError(f"the action {action!r} is not supported; there are {known}")
