"""Which devices a container may use: rules of the ``devices`` controller on v1, eBPF on v2.

A device node is only a name; whether it opens is decided here. Making nodes is allowed (CAP_MKNOD
decides about that), using them only as listed.

    access (read, write, mknod) ──► rule by rule: does all of it match? ──yes──► allowed
                                          └─ none ──► EPERM
"""

from __future__ import annotations

import contextlib
import os
import stat
from collections.abc import Iterator, Sequence
from pathlib import Path

import msgspec

from podrun.cgroup.group import Group
from podrun.errors import MechanismFailed
from podrun.linux import bpf

_ACCESS = {"m": 1, "r": 2, "w": 4}  # BPF_DEVCG_ACC_*
_TYPES = {"b": 1, "c": 2}  # BPF_DEVCG_DEV_*
_ALL_ACCESS = 7


class DeviceRule(msgspec.Struct, frozen=True):
    """``kind`` is c (character) or b (block); None means any number."""

    kind: str
    major: int | None
    minor: int | None
    access: str  # of "rwm"

    def line(self) -> str:
        """As devices.allow of v1 takes it."""
        numbers = ("*" if n is None else str(n) for n in (self.major, self.minor))
        return f"{self.kind} {':'.join(numbers)} {self.access}"


#: what every runtime grants (runc's specconv.AllowedDevices)
DEFAULT_RULES = (
    DeviceRule("c", None, None, "m"),
    DeviceRule("b", None, None, "m"),
    DeviceRule("c", 1, 3, "rwm"),  # null
    DeviceRule("c", 1, 5, "rwm"),  # zero
    DeviceRule("c", 1, 7, "rwm"),  # full
    DeviceRule("c", 1, 8, "rwm"),  # random
    DeviceRule("c", 1, 9, "rwm"),  # urandom
    DeviceRule("c", 5, 0, "rwm"),  # tty
    DeviceRule("c", 5, 1, "rwm"),  # console
    DeviceRule("c", 5, 2, "rwm"),  # ptmx
    DeviceRule("c", 136, None, "rwm"),  # pts
)


def rule_of(node: int) -> DeviceRule:
    """That the device whose node the descriptor is may be used. Raises MechanismFailed."""
    found = os.fstat(node)
    kind = {stat.S_IFBLK: "b", stat.S_IFCHR: "c"}.get(stat.S_IFMT(found.st_mode))
    if kind is None:
        raise MechanismFailed("a volume of volumeDevices is no device", reason="FailedMapVolume")
    return DeviceRule(kind, os.major(found.st_rdev), os.minor(found.st_rdev), "rwm")


def restrict(group: Group, rules: Sequence[DeviceRule] = DEFAULT_RULES) -> None:
    """Nothing but ``rules`` from now on, for what is in ``group`` and below. MechanismFailed.

    On v1 a cgroup cannot have more than its parent: what the machine itself may not use (podrun
    in a container) is left out.
    """
    root = group.hierarchy.v1.get("devices")
    if root is not None:
        _restrict_v1(root / group.path, rules)
    elif group.hierarchy.v2 is not None:
        _restrict_v2(group.hierarchy.v2 / group.path, rules)


def _restrict_v1(directory: Path, rules: Sequence[DeviceRule]) -> None:
    try:
        (directory / "devices.deny").write_text("a")
    except OSError as error:
        raise MechanismFailed.from_oserror(f"deny devices in {directory}", error) from None
    for rule in rules:
        with contextlib.suppress(PermissionError):
            (directory / "devices.allow").write_text(rule.line())


def _restrict_v2(directory: Path, rules: Sequence[DeviceRule]) -> None:
    try:
        cgroup = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            program = bpf.load_device_program(program_of(rules))
            try:
                bpf.attach_device_program(cgroup, program)
            finally:
                os.close(program)
        finally:
            os.close(cgroup)
    except OSError as error:
        raise MechanismFailed.from_oserror(
            f"restrict the devices of {directory}", error, hint="the kernel needs CONFIG_CGROUP_BPF"
        ) from None


# registers of the program
_CONTEXT, _TYPE, _WANTED, _MAJOR, _MINOR, _SCRATCH = 1, 2, 3, 4, 5, 6
_RESULT = 0


def program_of(rules: Sequence[DeviceRule]) -> bytes:
    """For struct bpf_cgroup_dev_ctx: access_type (access << 16 | type), major, minor; u32 each."""
    code = [
        bpf.instruction(bpf.LOAD_WORD, _TYPE, _CONTEXT, 0),
        bpf.instruction(bpf.MOVE, _WANTED, _TYPE),
        bpf.instruction(bpf.AND_VALUE, _TYPE, immediate=0xFFFF),
        bpf.instruction(bpf.SHIFT_RIGHT, _WANTED, immediate=16),
        bpf.instruction(bpf.LOAD_WORD, _MAJOR, _CONTEXT, 4),
        bpf.instruction(bpf.LOAD_WORD, _MINOR, _CONTEXT, 8),
    ]
    for rule in rules:
        code += _rule(rule)
    code += _return(0)
    return b"".join(code)


def _rule(rule: DeviceRule) -> list[bytes]:
    """Tests that each jump behind the whole rule when they fail, then: allowed."""
    found = list(_tests(rule)) + _return(1)
    return [_patched(code, len(found) - position - 1) for position, code in enumerate(found)]


def _tests(rule: DeviceRule) -> Iterator[bytes]:
    yield bpf.instruction(bpf.JUMP_IF_NOT, _TYPE, immediate=_TYPES[rule.kind])
    access = sum(_ACCESS[letter] for letter in rule.access)
    if access != _ALL_ACCESS:
        yield bpf.instruction(bpf.MOVE, _SCRATCH, _WANTED)
        yield bpf.instruction(bpf.AND_VALUE, _SCRATCH, immediate=access)
        yield bpf.instruction(bpf.JUMP_IF_NOT_SAME, _SCRATCH, _WANTED)
    if rule.major is not None:
        yield bpf.instruction(bpf.JUMP_IF_NOT, _MAJOR, immediate=rule.major)
    if rule.minor is not None:
        yield bpf.instruction(bpf.JUMP_IF_NOT, _MINOR, immediate=rule.minor)


def _patched(code: bytes, distance: int) -> bytes:
    """A jump gets its distance, in instructions counted from the next one."""
    if code[0] not in (bpf.JUMP_IF_NOT, bpf.JUMP_IF_NOT_SAME):
        return code
    return code[:2] + distance.to_bytes(2, "little") + code[4:]


def _return(value: int) -> list[bytes]:
    return [bpf.instruction(bpf.MOVE_VALUE, _RESULT, immediate=value), bpf.instruction(bpf.EXIT)]
