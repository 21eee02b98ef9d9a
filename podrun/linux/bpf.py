"""bpf(2), as far as cgroup device programs need it: load one, attach it to a cgroup v2.

A program is a list of instructions of eight bytes (Documentation/bpf/standardization/): opcode,
destination and source register, offset, immediate.
"""

from __future__ import annotations

import ctypes
import os
import struct

from podrun.linux.syscall import syscall

_SYS_BPF = {"x86_64": 321, "aarch64": 280}
_PROG_LOAD = 5
_PROG_ATTACH = 8
_TYPE_CGROUP_DEVICE = 15
_CGROUP_DEVICE = 6  # the attach type
_ALLOW_MULTI = 2

# opcodes
LOAD_WORD = 0x61  # dst = *(u32 *)(src + offset)
MOVE = 0xBF  # dst = src
MOVE_VALUE = 0xB7
AND_VALUE = 0x57
SHIFT_RIGHT = 0x77
JUMP_IF_NOT = 0x55  # if dst != immediate
JUMP_IF_NOT_SAME = 0x5D  # if dst != src
EXIT = 0x95


def instruction(
    opcode: int, dst: int = 0, src: int = 0, offset: int = 0, immediate: int = 0
) -> bytes:
    return struct.pack("<BBhi", opcode, src << 4 | dst, offset, immediate)


def load_device_program(code: bytes) -> int:
    """A descriptor of the program. OSError when the kernel's verifier refuses it."""
    instructions = ctypes.create_string_buffer(code, len(code))
    licence = ctypes.create_string_buffer(b"Apache-2.0")
    # union bpf_attr: prog_type, insn_cnt, insns, license, log_level, log_size, log_buf
    attributes = struct.pack(
        "<IIQQIIQ40x",
        _TYPE_CGROUP_DEVICE,
        len(code) // 8,
        ctypes.addressof(instructions),
        ctypes.addressof(licence),
        0,
        0,
        0,
    )
    return _bpf(_PROG_LOAD, attributes, "device program")


def attach_device_program(cgroup: int, program: int) -> None:
    """From now on it decides in ``cgroup`` (a descriptor) and below, until that is removed."""
    attributes = struct.pack("<IIII16x", cgroup, program, _CGROUP_DEVICE, _ALLOW_MULTI)
    _bpf(_PROG_ATTACH, attributes, "attach to the cgroup")


def _bpf(command: int, attributes: bytes, name: str) -> int:
    buffer = ctypes.create_string_buffer(attributes, len(attributes))
    return syscall(_SYS_BPF[os.uname().machine], command, buffer, len(attributes), name=name)
