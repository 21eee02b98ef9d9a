"""Seccomp profiles in the OCI runtime specification's JSON (config-linux.md, "Seccomp").

What a filter cannot be made of exactly is refused: a rule that is quietly left out, or holds
without its condition, would be a hole that nobody sees.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec

from podrun.linux import seccomp
from podrun.linux.seccomp import Argument, Compare, Rule

EPERM, ENOSYS = 1, 38

#: those that let an unlisted call through
_PERMISSIVE = ("SCMP_ACT_ALLOW", "SCMP_ACT_LOG", "SCMP_ACT_TRACE")
_MAX_ERRNO = 4095
_ARGUMENTS = 6
_COMPARISON, _ARCHITECTURE = "SCMP_CMP_", "SCMP_ARCH_"


class OciArgument(msgspec.Struct, frozen=True, rename="camel"):
    index: int
    value: int
    op: str
    value_two: int = 0


class OciSyscall(msgspec.Struct, frozen=True, rename="camel"):
    """``includes`` and ``excludes`` are docker's: conditions on the capabilities, the kernel."""

    names: tuple[str, ...]
    action: str
    errno_ret: int | None = None
    args: tuple[OciArgument, ...] | None = None
    includes: dict[str, Any] | None = None
    excludes: dict[str, Any] | None = None


class OciProfile(msgspec.Struct, frozen=True, rename="camel"):
    """Keys without a meaning for the filter itself (``flags``, comments) are passed over."""

    default_action: str
    default_errno_ret: int | None = None
    architectures: tuple[str, ...] | None = None
    syscalls: tuple[OciSyscall, ...] | None = None
    listener_path: str = ""


class Profile(msgspec.Struct, frozen=True):
    """The arguments of ``podrun.linux.seccomp.compile_filter``."""

    default: str
    default_number: int
    architectures: tuple[str, ...]
    rules: tuple[Rule, ...]
    enosys_above_listed: bool


def parse(text: bytes) -> Profile:
    """ValueError (msgspec's included) says what is wrong and where."""
    found = msgspec.json.decode(text, type=OciProfile)
    _check_action("defaultAction", found.default_action)
    if found.listener_path:
        raise ValueError("listenerPath is not supported")
    number = _number("defaultErrnoRet", found.default_errno_ret)
    rules = [
        rule
        for index, call in enumerate(found.syscalls or ())
        for rule in _rules(f"syscalls[{index}]", call)
    ]
    return Profile(
        default=found.default_action,
        default_number=number,
        architectures=tuple(map(_architecture, found.architectures or ())),
        rules=tuple(rules),
        enosys_above_listed=found.default_action not in _PERMISSIVE and number != ENOSYS,
    )


def _rules(at: str, call: OciSyscall) -> Iterator[Rule]:
    """Several conditions on one argument are alternatives, as runc has it: a rule for each."""
    _check_action(f"{at}.action", call.action)
    if call.includes or call.excludes:
        raise ValueError(f"{at}: includes and excludes are docker's, and would not hold here")
    for name in call.names:
        if not name.isascii() or not name.isprintable():
            raise ValueError(f"{at}.names: {name!r} is no system call")
    number = _number(f"{at}.errnoRet", call.errno_ret)
    arguments = tuple(_argument(f"{at}.args[{i}]", each) for i, each in enumerate(call.args or ()))
    if len({each.index for each in arguments}) == len(arguments):
        yield Rule(call.names, call.action, number, arguments)
    else:
        for each in arguments:
            yield Rule(call.names, call.action, number, (each,))


def _argument(at: str, given: OciArgument) -> Argument:
    name = given.op.removeprefix(_COMPARISON)
    if not given.op.startswith(_COMPARISON) or name not in Compare.__members__:
        raise ValueError(f"{at}.op: {given.op!r} is no comparison")
    if not 0 <= given.index < _ARGUMENTS:
        raise ValueError(f"{at}.index: {given.index} is not from 0 to {_ARGUMENTS - 1}")
    if not all(0 <= value < 2**64 for value in (given.value, given.value_two)):
        raise ValueError(f"{at}.value: not an unsigned number of 64 bits")
    return Argument(given.index, Compare[name], given.value, given.value_two)


def _architecture(name: str) -> str:
    short = name.removeprefix(_ARCHITECTURE)
    if short == name or not short.isascii() or not short.isidentifier():
        raise ValueError(f"architectures: {name!r} is none")
    return short.lower()


def _check_action(at: str, action: str) -> None:
    if action not in seccomp.ACTIONS:
        known = ", ".join(seccomp.ACTIONS)
        raise ValueError(f"{at}: {action!r} is not supported; there are {known}")


def _number(at: str, number: int | None) -> int:
    if number is None:
        return EPERM
    if not 0 <= number <= _MAX_ERRNO:
        raise ValueError(f"{at}: {number} is no error number")
    return number
