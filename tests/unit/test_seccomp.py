"""Seccomp profiles: what is read, what is refused, and what comes out, tried on the kernel."""

from __future__ import annotations

import contextlib
import ctypes
import errno
import json
import os
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from podrun.api.validate_security import CAPABILITIES
from podrun.container import seccomp as filters
from podrun.container import seccompdefault, seccompprofile
from podrun.container.spec import DEFAULT_CAPABILITIES
from podrun.errors import PodrunError
from podrun.linux import capability, seccomp
from podrun.linux.seccomp import Argument, Compare, Rule

ALLOW, ERRNO = "SCMP_ACT_ALLOW", "SCMP_ACT_ERRNO"
LIBC = ctypes.CDLL(None, use_errno=True)
KEYCTL, CLONE3, MSEAL = 250, 435, 462  # x86_64

pytestmark = pytest.mark.skipif(os.uname().machine != "x86_64", reason="numbers of x86_64")


def under(program: bytes, attempt: Callable[[], int]) -> int:
    """What ``attempt`` says in a child confined by ``program``; -N when signal N ends it."""
    pid = os.fork()
    if pid == 0:
        try:
            capability.no_new_privileges()
            seccomp.install(program)
            os._exit(attempt())
        except OSError as error:
            os._exit(error.errno or 255)
        finally:
            os._exit(254)
    _, status = os.waitpid(pid, 0)
    return os.waitstatus_to_exitcode(status)


def call(number: int, *arguments: int) -> int:
    """0, or the error number."""
    result = LIBC.syscall(ctypes.c_long(number), *map(ctypes.c_long, arguments))
    return ctypes.get_errno() if result < 0 else 0


def mkdir(path: Path) -> Callable[[], int]:
    def attempt() -> int:
        os.mkdir(path)
        return 0

    return attempt


def profile(**fields: Any) -> bytes:
    return json.dumps({"defaultAction": ALLOW, **fields}).encode()


def compiled(text: bytes) -> bytes:
    found = seccompprofile.parse(text)
    return seccomp.compile_filter(
        found.default,
        found.default_number,
        found.architectures,
        found.rules,
        enosys_above_listed=found.enosys_above_listed,
    )


def default_program(*capabilities: str) -> bytes:
    rules = list(seccompdefault.rules(capabilities))
    machines = seccompdefault.ARCHITECTURES[os.uname().machine]
    return seccomp.compile_filter(ERRNO, errno.EPERM, machines, rules, enosys_above_listed=True)


# ── the default profile ──────────────────────────────────────────────────────────────────────────


@pytest.fixture(scope="module")
def ordinary() -> bytes:
    return default_program(*DEFAULT_CAPABILITIES)


def test_an_ordinary_application_does_not_notice_it(ordinary: bytes, tmp_path: Path) -> None:
    def attempt() -> int:
        (tmp_path / "file").write_text("x")
        pid = os.fork()
        if pid == 0:
            os.execv("/bin/true", ["true"])
        return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])

    assert under(ordinary, attempt) == 0


@pytest.mark.parametrize(
    ("name", "number", "arguments", "expected"),
    [
        ("keyctl", KEYCTL, (0, 0), errno.EPERM),
        ("add_key", 248, (0, 0, 0, 0, 0), errno.EPERM),
        ("bpf", 321, (0, 0, 0), errno.EPERM),
        ("io_uring_setup", 425, (1, 0), errno.EPERM),
        ("userfaultfd", 323, (0,), errno.EPERM),
        ("unshare(CLONE_NEWUSER)", 272, (0x10000000,), errno.EPERM),
        ("setns", 308, (0, 0), errno.EPERM),
        ("mount", 165, (0, 0, 0, 0, 0), errno.EPERM),
        ("umount2", 166, (0, 0), errno.EPERM),
        ("fsopen", 430, (0, 0), errno.EPERM),
        ("open_tree", 428, (0, 0, 0), errno.EPERM),
        ("pivot_root", 155, (0, 0), errno.EPERM),
        ("init_module", 175, (0, 0, 0), errno.EPERM),
        ("kexec_load", 246, (0, 0, 0, 0), errno.EPERM),
        ("reboot", 169, (0, 0, 0, 0), errno.EPERM),
        ("swapon", 167, (0, 0), errno.EPERM),
        ("open_by_handle_at", 304, (0, 0, 0), errno.EPERM),
        ("perf_event_open", 298, (0, 0, 0, 0, 0), errno.EPERM),
        ("clone(CLONE_NEWUSER)", 56, (0x10000000 | 17, 0, 0, 0, 0), errno.EPERM),
        ("clone3", CLONE3, (0, 0), errno.ENOSYS),
        ("personality(ADDR_NO_RANDOMIZE)", 135, (0x40000,), errno.EPERM),
        ("personality(ask)", 135, (0xFFFFFFFF,), 0),
        ("socket(AF_VSOCK)", 41, (40, 1, 0), errno.EPERM),
        ("socket(AF_UNIX)", 41, (1, 1, 0), 0),
        ("a call of the future", 1000, (), errno.ENOSYS),
        ("chroot", 161, (0,), errno.EFAULT),
        ("getpid", 39, (), 0),
    ],
)
def test_the_default_profile(
    ordinary: bytes, name: str, number: int, arguments: tuple[int, ...], expected: int
) -> None:
    assert under(ordinary, lambda: call(number, *arguments)) == expected, name


@pytest.mark.parametrize(
    ("capabilities", "number", "arguments", "expected"),
    [
        (("SYS_ADMIN",), 165, (0, 0, 0, 0, 0), errno.EFAULT),
        (("SYS_ADMIN",), CLONE3, (0, 0), errno.EINVAL),
        (("SYS_ADMIN",), KEYCTL, (0, 0), errno.EPERM),
        (("SYS_BOOT",), 169, (0, 0, 0, 0), errno.EINVAL),
        (("SYS_BOOT",), 165, (0, 0, 0, 0, 0), errno.EPERM),
        ((), 161, (0,), errno.EPERM),
        (("SYS_TIME",), 164, (0, 0), 0),
    ],
)
def test_a_capability_allows_its_calls(
    capabilities: tuple[str, ...], number: int, arguments: tuple[int, ...], expected: int
) -> None:
    assert under(default_program(*capabilities), lambda: call(number, *arguments)) == expected


def test_no_call_is_listed_twice_with_different_answers() -> None:
    conditional = " ".join(seccompdefault.WITH_CAPABILITY.values()).split()
    allowed, refused = set(seccompdefault.ALLOWED), set(seccompdefault.REFUSED)
    assert len(allowed) == len(seccompdefault.ALLOWED)
    assert not allowed & refused and not allowed & set(conditional)
    assert not refused & set(conditional)
    assert set(seccompdefault.WITH_CAPABILITY) <= set(capability.NAMES)


def test_the_manifests_know_the_capabilities_that_the_kernel_knows() -> None:
    assert frozenset(capability.NAMES) == CAPABILITIES


# ── profiles of files ────────────────────────────────────────────────────────────────────────────


def test_a_rule_forbids_one_call(tmp_path: Path) -> None:
    program = compiled(profile(syscalls=[{"names": ["mkdir", "mkdirat"], "action": ERRNO}]))
    assert under(program, mkdir(tmp_path / "a")) == errno.EPERM
    assert under(program, lambda: call(39)) == 0


def test_its_error_number_is_kept(tmp_path: Path) -> None:
    rule = {"names": ["mkdir", "mkdirat"], "action": ERRNO, "errnoRet": errno.EROFS}
    assert under(compiled(profile(syscalls=[rule])), mkdir(tmp_path / "a")) == errno.EROFS


def test_a_killing_rule_kills() -> None:
    rule = {"names": ["keyctl"], "action": "SCMP_ACT_KILL_PROCESS"}
    assert under(compiled(profile(syscalls=[rule])), lambda: call(KEYCTL, 0, 0)) == -31  # SIGSYS


def test_conditions_on_one_argument_are_alternatives() -> None:
    """As runc has it; libseccomp itself refuses to compare one argument twice."""
    equal = [{"index": 0, "value": value, "op": "SCMP_CMP_EQ"} for value in (0x8, 0xFFFFFFFF)]
    rule = {"names": ["personality"], "action": ERRNO, "args": equal}
    program = compiled(profile(syscalls=[rule]))
    for value, answer in ((0x8, errno.EPERM), (0xFFFFFFFF, errno.EPERM), (0, 0)):
        assert under(program, partial(call, 135, value)) == answer


def test_conditions_on_several_arguments_must_all_hold() -> None:
    both = [{"index": i, "value": 1, "op": "SCMP_CMP_EQ"} for i in (0, 1)]
    program = compiled(profile(syscalls=[{"names": ["socket"], "action": ERRNO, "args": both}]))
    assert under(program, lambda: call(41, 1, 1, 0)) == errno.EPERM
    assert under(program, lambda: call(41, 1, 2, 0)) == 0


def test_a_masked_condition() -> None:
    masked = {"index": 0, "value": 0x10000000, "valueTwo": 0, "op": "SCMP_CMP_MASKED_EQ"}
    rule = {"names": ["unshare"], "action": ALLOW, "args": [masked]}
    other = {"names": ["unshare"], "action": ERRNO, "args": [{**masked, "valueTwo": 0x10000000}]}
    program = compiled(profile(syscalls=[rule, other]))
    assert under(program, lambda: call(272, 0x10000000)) == errno.EPERM
    assert under(program, lambda: call(272, 0)) == 0


def test_a_call_newer_than_the_profile_gets_enosys() -> None:
    """Else the C library could not fall back to what the profile knows."""
    allowed = [*seccompdefault.ALLOWED, "personality", "socket"]
    older = [name for name in allowed if name not in ("cachestat", "futex_wait", "fchmodat2")]
    text = {"defaultAction": ERRNO, "syscalls": [{"names": older, "action": ALLOW}]}
    program = compiled(json.dumps(text).encode())
    assert under(program, lambda: call(1000)) == errno.ENOSYS
    assert under(program, lambda: call(KEYCTL, 0, 0)) == errno.EPERM
    chosen = compiled(json.dumps({**text, "defaultErrnoRet": errno.EACCES}).encode())
    assert under(chosen, lambda: call(KEYCTL, 0, 0)) == errno.EACCES


def test_an_unknown_call_is_passed_over() -> None:
    assert compiled(profile(syscalls=[{"names": ["no_such_call"], "action": ERRNO}]))


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (b"", "truncated"),
        (b"[]", "Expected `object`"),
        (b'{"syscalls": []}', "defaultAction"),
        (b'{"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [{"action": "x"}]}', "names"),
        (profile(defaultAction="ALLOW"), "defaultAction: 'ALLOW' is not supported"),
        (profile(defaultAction="SCMP_ACT_NOTIFY"), "SCMP_ACT_NOTIFY"),
        (profile(listenerPath="/run/x"), "listenerPath is not supported"),
        (profile(defaultErrnoRet=4096), "defaultErrnoRet: 4096 is no error number"),
        (profile(defaultErrnoRet=-1), "no error number"),
        (profile(architectures=["x86"]), "architectures: 'x86' is none"),
        (profile(architectures=["SCMP_ARCH_X86\0"]), "is none"),
        (profile(syscalls=[{"names": ["a\0b"], "action": ERRNO}]), "is no system call"),
        (profile(syscalls=[{"names": ["é"], "action": ERRNO}]), "is no system call"),
        (
            profile(syscalls=[{"names": ["mount"], "action": ALLOW, "includes": {"caps": ["X"]}}]),
            "syscalls[0]: includes and excludes are docker's",
        ),
        *(
            (
                profile(syscalls=[{"names": ["read"], "action": ERRNO, "args": [arguments]}]),
                f"syscalls[0].args[0].{field}",
            )
            for arguments, field in (
                ({"index": 6, "value": 0, "op": "SCMP_CMP_EQ"}, "index"),
                ({"index": -1, "value": 0, "op": "SCMP_CMP_EQ"}, "index"),
                ({"index": 0, "value": -1, "op": "SCMP_CMP_EQ"}, "value"),
                ({"index": 0, "value": 1 << 64, "op": "SCMP_CMP_EQ"}, "value"),
                ({"index": 0, "value": 0, "op": "EQ"}, "op"),
                ({"index": 0, "value": 0, "op": "SCMP_CMP_"}, "op"),
            )
        ),
    ],
)
def test_a_bad_profile_is_refused(text: bytes, why: str) -> None:
    with pytest.raises(ValueError) as caught:
        seccompprofile.parse(text)
    assert why in str(caught.value)


_VALUES: st.SearchStrategy[object] = st.deferred(
    lambda: (
        st.none()
        | st.booleans()
        | st.integers()
        | st.text(max_size=9)
        | st.lists(_VALUES, max_size=4)
        | st.dictionaries(
            st.sampled_from(["defaultAction", "syscalls", "names", "args", "x"]), _VALUES
        )
    )
)


@given(st.binary(max_size=200) | _VALUES.map(lambda value: json.dumps(value).encode()))
@settings(max_examples=200, deadline=None)
def test_nothing_but_value_errors_comes_of_garbage(text: bytes) -> None:
    with contextlib.suppress(ValueError):
        seccompprofile.parse(text)


def test_a_filter_too_large_for_the_kernel_is_refused() -> None:
    values = [Argument(0, Compare.EQ, value << 32 | value) for value in range(2500)]
    rules = [Rule(("personality",), ERRNO, arguments=(each,)) for each in values]
    with pytest.raises(OSError, match="more than 4096 instructions") as caught:
        seccomp.compile_filter(ALLOW, 0, (), rules)
    assert caught.value.errno == errno.E2BIG


# ── filters on disk ──────────────────────────────────────────────────────────────────────────────


def test_a_filter_is_compiled_once_for_what_makes_a_difference(tmp_path: Path) -> None:
    first = filters.default_filter(tmp_path / "c", ["CHOWN"])
    before = first.stat()
    assert filters.default_filter(tmp_path / "c", ["CHOWN", "KILL"]) == first
    assert filters.default_filter(tmp_path / "c", ["SYS_ADMIN"]) != first
    assert first.stat().st_mtime_ns == before.st_mtime_ns
    assert oct(before.st_mode & 0o777) == "0o600"
    assert len(filters.read_filter(str(first))) % 8 == 0
    assert sorted(path.suffix for path in (tmp_path / "c").iterdir()) == [".bpf", ".bpf"]


def test_a_changed_profile_is_compiled_anew(tmp_path: Path) -> None:
    file = tmp_path / "p" / "mine" / "a.json"
    file.parent.mkdir(parents=True)
    file.write_bytes(profile())
    one = filters.localhost_filter(tmp_path / "c", tmp_path / "p", "mine/a.json")
    file.write_bytes(profile(syscalls=[{"names": ["mkdir"], "action": ERRNO}]))
    two = filters.localhost_filter(tmp_path / "c", tmp_path / "p", "mine/a.json")
    assert one != two and one.exists()


def test_an_empty_or_missing_filter_is_not_taken_for_unconfined(tmp_path: Path) -> None:
    assert filters.read_filter("") == b""
    (tmp_path / "empty.bpf").touch()
    for name in ("empty.bpf", "missing.bpf"):
        with pytest.raises(OSError):
            filters.read_filter(str(tmp_path / name))


def _make_odd(directory: Path, kind: str) -> None:
    target = directory / "profiles" / "x.json"
    if kind == "fifo":
        os.mkfifo(target)
    elif kind == "directory":
        target.mkdir()
    elif kind == "link out":
        (directory / "secret.json").write_bytes(profile())
        target.symlink_to(directory / "secret.json")
    elif kind == "magic link":
        target.symlink_to("/proc/self/exe")
    elif kind == "large":
        target.write_bytes(b" " * (1 << 20) + profile())


@pytest.mark.parametrize(
    "kind", ["missing", "fifo", "directory", "link out", "magic link", "large"]
)
def test_a_profile_is_a_regular_file_below_the_directory(tmp_path: Path, kind: str) -> None:
    (tmp_path / "profiles").mkdir()
    _make_odd(tmp_path, kind)
    with pytest.raises(PodrunError) as caught:
        filters.localhost_filter(tmp_path / "c", tmp_path / "profiles", "x.json")
    assert caught.value.reason == "CreateContainerConfigError"
    assert "x.json" in caught.value.message
    assert not (tmp_path / "c").exists()


def test_a_link_inside_is_followed(tmp_path: Path) -> None:
    (tmp_path / "p").mkdir()
    (tmp_path / "p" / "real.json").write_bytes(profile())
    (tmp_path / "p" / "x.json").symlink_to("real.json")
    assert filters.localhost_filter(tmp_path / "c", tmp_path / "p", "x.json").exists()


def test_without_the_library_the_hint_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(seccomp, "LIBRARY", "libnosuch.so.9")
    assert not seccomp.library_found()
    with pytest.raises(PodrunError) as caught:
        filters.default_filter(tmp_path, [])
    assert "libnosuch.so.9 is not installed" in caught.value.message
    assert "libseccomp2" in caught.value.hint
