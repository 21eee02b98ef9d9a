"""The system calls containers may make, by the default filter and by profiles of the node's own."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from tests.integration.test_rights import IDLE, STATUS, context, inside, pod, rights, rows, waiting
from tests.node import Node


def test_every_way_in_is_under_the_same_filter(node: Node) -> None:
    """The container, exec, a probe, a hook; with no_new_privs (seal) and without (confine)."""
    report = {"exec": {"command": ["sh", "-c", f"{STATUS} > /v/$NAME.hook"]}}
    probe = {"exec": {"command": ["sh", "-c", f"{STATUS} > /v/$NAME.probe"]}, "periodSeconds": 1}
    containers = [
        {
            "command": ["sh", "-c", f"{STATUS} > /v/$NAME.main; {IDLE}"],
            "env": [{"name": "NAME", "value": name}],
            "volumeMounts": [{"name": "v", "mountPath": "/v"}],
            "lifecycle": {"postStart": report},
            "livenessProbe": probe,
            **context(**fields),
        }
        for name, fields in (
            ("plain", {}),
            ("sealed", {"allowPrivilegeEscalation": False, "runAsUser": 1000}),
            ("free", {"seccompProfile": {"type": "Unconfined"}}),
            ("privileged", {"privileged": True}),
        )
    ]
    node.apply_text(pod("ways", *containers, volumes=[{"name": "v", "emptyDir": {}}]))
    volume = next(node.paths.pods.glob("*/volumes/v"))
    for index, name in enumerate(("plain", "sealed", "free", "privileged")):
        wanted = rights(node, "ways", f"c{index}")
        assert wanted["Seccomp"] == ("2" if index < 2 else "0"), name
        for way in ("main", "hook", "probe"):
            file = volume / f"{name}.{way}"
            found = node.wait_until(lambda f=file: f.exists() and f.read_text())  # type: ignore[misc]
            assert rows(found) == wanted, file.name


FORBIDDEN = """
import ctypes, errno, os, threading
libc = ctypes.CDLL(None, use_errno=True)
def call(number, *arguments):
    ctypes.set_errno(0)
    libc.syscall(ctypes.c_long(number), *map(ctypes.c_long, arguments))
    return errno.errorcode.get(ctypes.get_errno(), "ok")
numbers = dict(mount=165, unshare=272, keyctl=250, bpf=321, clone3=435, io_uring_setup=425,
               userfaultfd=323, open_by_handle_at=304, setns=308, newer=1000)
for name, number in numbers.items():
    print(name, call(number, 0x10000000, 0, 0, 0, 0))
ran = []
thread = threading.Thread(target=ran.append, args=("thread",))
thread.start(); thread.join()
print(ran[0], "ok")
"""


@pytest.mark.skipif(os.uname().machine != "x86_64", reason="numbers of x86_64")
def test_forbidden_calls_fail_and_threads_start_without_clone3(node: Node) -> None:
    node.apply_text(pod("forbidden"))
    done = node.podrun("exec", "forbidden", "--", "python3", "-c", FORBIDDEN)
    found = dict(line.split() for line in done.stdout.splitlines())
    assert found.pop("clone3") == found.pop("newer") == "ENOSYS"
    assert found.pop("thread") == "ok"
    assert set(found.values()) == {"EPERM"}, found


def test_a_capability_opens_its_calls(node: Node) -> None:
    node.apply_text(pod("admin", context(capabilities={"add": ["SYS_ADMIN"]})))
    inside(node, "admin", "unshare --mount mount -t tmpfs x /mnt")
    assert rights(node, "admin")["Seccomp"] == "2"


def test_a_profile_of_the_nodes_own(node: Node) -> None:
    """Forbids mkdir; the pod names it, one container another, and a privileged one none."""
    rule = {"names": ["mkdir", "mkdirat"], "action": "SCMP_ACT_ERRNO", "errnoRet": 95}
    profile = {"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [rule]}
    directory = node.paths.seccomp_profiles / "mine"
    directory.mkdir(parents=True, exist_ok=True)
    (directory / "no-mkdir.json").write_text(json.dumps(profile))
    text = pod(
        "localhost",
        {},
        context(allowPrivilegeEscalation=False),
        context(seccompProfile={"type": "Unconfined"}),
        context(privileged=True),
        securityContext={
            "seccompProfile": {"type": "Localhost", "localhostProfile": "mine/no-mkdir.json"}
        },
    )
    node.apply_text(text)
    for index in (0, 1):
        done = inside(node, "localhost", "mkdir /x", f"c{index}", check=False)
        assert "Operation not supported" in done.stderr, index
    for index in (2, 3):
        inside(node, "localhost", "mkdir /x", f"c{index}")


def test_the_strictest_profile_that_a_container_can_start_under(node: Node) -> None:
    """Under no_new_privs nothing of podrun's comes between the filter and execve."""
    names = """access arch_prctl brk close execve exit_group fstat getpid getppid getuid geteuid
        getgid getegid mmap mprotect munmap newfstatat openat pread64 prlimit64 read rseq
        rt_sigaction set_robust_list set_tid_address write getrandom""".split()  # noqa: SIM905
    profile = {
        "defaultAction": "SCMP_ACT_ERRNO",
        "syscalls": [{"names": names, "action": "SCMP_ACT_ALLOW"}],
    }
    node.paths.seccomp_profiles.mkdir(parents=True, exist_ok=True)
    (node.paths.seccomp_profiles / "strict.json").write_text(json.dumps(profile))
    strict = {"type": "Localhost", "localhostProfile": "strict.json"}
    text = pod(
        "strict",
        {
            "command": ["/bin/echo", "hello"],
            **context(allowPrivilegeEscalation=False, seccompProfile=strict),
        },
        restartPolicy="Never",
    )
    node.apply_text(text)
    node.wait_until(lambda: node.status("strict").get("phase") == "Succeeded")
    assert node.podrun("logs", "strict").stdout == "hello\n"


def test_a_missing_profile_is_a_config_error_until_it_appears(node: Node) -> None:
    profile = node.paths.seccomp_profiles / "late.json"
    late = {"type": "Localhost", "localhostProfile": "late.json"}
    node.apply_text(pod("late", context(seccompProfile=late)), "--no-wait")
    node.wait_until(lambda: waiting(node, "late").get("reason") == "CreateContainerConfigError")
    assert "late.json: No such file or directory" in waiting(node, "late")["message"]
    profile.parent.mkdir(parents=True, exist_ok=True)
    profile.write_text('{"defaultAction": "SCMP_ACT_ALLOW"}')
    node.wait_until(lambda: node.status("late").get("phase") == "Running", timeout=40)
    assert rights(node, "late")["Seccomp"] == "2"


def test_a_profile_that_forbids_execve_is_a_start_error(node: Node) -> None:
    directory = node.paths.seccomp_profiles
    directory.mkdir(parents=True, exist_ok=True)
    rule = {"names": ["execve", "execveat"], "action": "SCMP_ACT_ERRNO"}
    text = json.dumps({"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [rule]})
    (directory / "no-exec.json").write_text(text)
    profile = {"type": "Localhost", "localhostProfile": "no-exec.json"}
    node.apply_text(
        pod("noexec", context(seccompProfile=profile), restartPolicy="Never"), check=False
    )
    node.wait_until(lambda: node.status("noexec").get("phase") == "Failed")
    ended = node.status("noexec")["containerStatuses"][0]["state"]["terminated"]
    assert ended["reason"] == "StartError" and "Operation not permitted" in ended["message"]


def test_pause_is_confined(node: Node) -> None:
    node.apply_text(pod("paused"))
    record = json.loads(next(node.paths.pods.glob("*/sandbox.json")).read_bytes())
    status = rows(Path(f"/proc/{record['pid']}/status").read_text())
    assert (status["Seccomp"], status["NoNewPrivs"]) == ("2", "1")
    assert int(status["CapBnd"], 16) == 0


def test_without_the_default_nothing_said_is_unconfined(leak_marks: set[str]) -> None:
    own = Node(seccomp_default=False)
    leak_marks.add(own.mark)
    try:
        own.apply_text(pod("open", {}, context(seccompProfile={"type": "RuntimeDefault"})))
        assert [rights(own, "open", c)["Seccomp"] for c in ("c0", "c1")] == ["0", "2"]
    finally:
        own.close()
