"""What containers may do, tried from inside on the real kernel."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

from podrun.container import apparmor
from podrun.linux import capability, lsm
from podrun.node.config import Config
from podrun.node.paths import Paths
from podrun.volume import volumes
from podrun.volume.ownership import GroupOwner, give
from podrun.volume.spec import Volume
from tests.node import Node

IDLE = "trap 'exit 0' TERM; while :; do sleep 0.05; done"
STATUS = "grep -E '^(Cap|Groups|NoNew|Seccomp:)' /proc/self/status"


def pod(name: str, *containers: dict[str, Any], **spec: Any) -> str:
    """A manifest; each container runs IDLE from the host's files unless it says otherwise."""
    default = {"image": "localhost/host", "command": ["sh", "-c", IDLE]}
    listed = [{"name": f"c{i}", **default, **each} for i, each in enumerate(containers or ({},))]
    whole = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name},
        "spec": {"terminationGracePeriodSeconds": 1, "containers": listed, **spec},
    }
    return json.dumps(whole)


def context(**fields: Any) -> dict[str, Any]:
    return {"securityContext": fields}


def inside(
    node: Node, name: str, script: str, container: str = "c0", *, check: bool = True
) -> subprocess.CompletedProcess[str]:
    return node.podrun("exec", name, "-c", container, "--", "sh", "-c", script, check=check)


def rights(node: Node, name: str, container: str = "c0") -> dict[str, str]:
    """Rows of /proc/self/status of a command run by ``podrun exec``."""
    return rows(inside(node, name, STATUS, container).stdout)


def rows(text: str) -> dict[str, str]:
    return {key: value.strip() for key, _, value in (r.partition(":") for r in text.splitlines())}


def waiting(node: Node, name: str, container: int = 0) -> dict[str, Any]:
    found = node.status(name).get("containerStatuses") or [{}]
    state: dict[str, Any] = found[container].get("state", {}).get("waiting", {})
    return state


# ── capabilities, no_new_privs, users ────────────────────────────────────────────────────────────


def test_capabilities_are_those_asked_for_and_none_is_ambient(node: Node) -> None:
    node.apply_text(
        pod(
            "caps",
            {},
            context(capabilities={"drop": ["ALL"], "add": ["CAP_net_raw", "CHOWN"]}),
            context(capabilities={"drop": ["CAP_KILL"]}, runAsUser=1000),
            context(privileged=True),
            context(capabilities={"add": ["ALL"]}),
        )
    )
    found = [rights(node, "caps", f"c{i}") for i in range(5)]
    for each in found:
        assert int(each["CapInh"], 16) == int(each["CapAmb"], 16) == 0
    effective = [set(capability.names(int(each["CapEff"], 16))) for each in found]
    bounding = [set(capability.names(int(each["CapBnd"], 16))) for each in found]
    assert effective[0] == bounding[0] >= {"CHOWN", "KILL", "NET_RAW"}
    assert not bounding[0] & {"SYS_ADMIN", "SYS_PTRACE", "NET_ADMIN", "SYS_MODULE", "BPF"}
    assert effective[1] == bounding[1] == {"CHOWN", "NET_RAW"}
    assert effective[2] == set() and bounding[2] == bounding[0] - {"KILL"}
    held = set(capability.names(capability.held()))
    assert effective[3] == effective[4] == held


def test_a_capability_that_podrun_has_not_got_is_left_out_and_told(node: Node) -> None:
    held = capability.names(capability.held())
    lacking = [name for name in capability.NAMES if name not in held]
    node.apply_text(pod("lacking", context(capabilities={"add": lacking})))
    effective = int(rights(node, "lacking")["CapEff"], 16)
    assert not set(lacking) & set(capability.names(effective))
    told = node.podrun("describe", "pod", "lacking").stdout
    assert not lacking or f"podrun itself lacks the added capabilities {lacking[0]}" in told


def test_an_unknown_capability_is_refused_by_its_path(node: Node) -> None:
    done = node.apply_text(pod("x", context(capabilities={"add": ["NET_ADMN"]})), check=False)
    assert done.returncode == 3
    assert "spec.containers[0].securityContext.capabilities.add[0]" in done.stderr
    assert 'did you mean "NET_ADMIN"?' in done.stderr


def test_set_user_id_programs_gain_nothing_with_no_new_privileges(node: Node) -> None:
    """A copy of id(1) that belongs to root and has the bit, run by somebody else."""
    script = f"cp /usr/bin/id /v/id; chmod 4755 /v/id; {IDLE}"
    mount = {"volumeMounts": [{"name": "v", "mountPath": "/v"}]}
    user = {"command": ["sh", "-c", IDLE], **mount}
    node.apply_text(
        pod(
            "suid",
            {"command": ["sh", "-c", script], **mount},
            {**user, **context(runAsUser=1000)},
            {**user, **context(runAsUser=1000, allowPrivilegeEscalation=False)},
            volumes=[{"name": "v", "emptyDir": {}}],
        )
    )
    node.wait_until(lambda: inside(node, "suid", "test -u /v/id", check=False).returncode == 0)
    assert inside(node, "suid", "/v/id -u", "c1").stdout.strip() == "0"
    assert inside(node, "suid", "/v/id -u", "c2").stdout.strip() == "1000"
    found = [rights(node, "suid", f"c{i}")["NoNewPrivs"] for i in (1, 2)]
    assert found == ["0", "1"]


def test_groups(node: Node) -> None:
    """The primary group is among them, else giving it up would open files it may not read."""
    shared = {"runAsUser": 1000, "runAsGroup": 3000, "supplementalGroups": [4000], "fsGroup": 5000}
    node.apply_text(pod("groups", {}, securityContext=shared))
    assert rights(node, "groups")["Groups"].split() == ["3000", "4000", "5000"]
    assert inside(node, "groups", "id -u; id -g").stdout.split() == ["1000", "3000"]


def test_the_images_groups_are_merged_unless_the_policy_is_strict(node: Node) -> None:
    """daemon (uid 1) is made a member of users (100) in the container's own /etc/group."""
    member = "echo 'extra:x:7777:daemon' > /v/group"
    mount = [
        {"name": "v", "mountPath": "/v"},
        {"name": "v", "mountPath": "/etc/group", "subPath": "group"},
    ]
    for policy, expected in (("Merge", ["1", "42", "7777"]), ("Strict", ["1", "42"])):
        shared = {"supplementalGroups": [42], "supplementalGroupsPolicy": policy}
        text = pod(
            f"member-{policy.lower()}",
            {"volumeMounts": mount, **context(runAsUser=1)},
            initContainers=[
                {
                    "name": "init",
                    "image": "localhost/host",
                    "command": ["sh", "-c", member],
                    "volumeMounts": mount[:1],
                }
            ],
            securityContext=shared,
            volumes=[{"name": "v", "emptyDir": {}}],
        )
        node.apply_text(text)
        found = rights(node, f"member-{policy.lower()}")["Groups"].split()
        assert sorted(found, key=int) == expected, policy


def test_a_read_only_root(node: Node) -> None:
    node.apply_text(
        pod(
            "ro",
            {
                **context(readOnlyRootFilesystem=True),
                "volumeMounts": [{"name": "v", "mountPath": "/v"}],
            },
            volumes=[{"name": "v", "emptyDir": {}}],
        )
    )
    assert "Read-only file system" in inside(node, "ro", "touch /x", check=False).stderr
    inside(node, "ro", "touch /v/x /dev/shm/x")


# ── seccomp ──────────────────────────────────────────────────────────────────────────────────────


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


# ── AppArmor, SELinux ────────────────────────────────────────────────────────────────────────────


def test_apparmor(node: Node) -> None:
    wanted = {"type": "Localhost", "localhostProfile": "podrun-test-no-such"}
    unconfined = {"appArmorProfile": {"type": "Unconfined"}}
    node.apply_text(pod("aa", {}, context(**unconfined)))
    if lsm.apparmor_enabled() and not apparmor.obstacle():
        said = inside(node, "aa", "cat /proc/self/attr/apparmor/current").stdout
        assert said.strip() == "podrun-default (enforce)"
        said = inside(node, "aa", "cat /proc/self/attr/apparmor/current", "c1").stdout
        assert said.strip() == "unconfined"
    message = "Cannot enforce AppArmor: AppArmor is not enabled on the host"
    if lsm.apparmor_enabled():
        message = "apparmor profile not found: podrun-test-no-such"
    node.apply_text(pod("aa-local", context(appArmorProfile=wanted)), "--no-wait")
    reason = node.wait_until(lambda: waiting(node, "aa-local").get("message"))
    assert message in reason
    assert waiting(node, "aa-local")["reason"] == "CreateContainerConfigError"


@pytest.mark.skipif(lsm.selinux_enabled(), reason="for hosts without SELinux")
def test_selinux_options_need_selinux(node: Node) -> None:
    options = {"level": "s0:c1,c2"}
    node.apply_text(pod("se", context(seLinuxOptions=options)), "--no-wait")
    node.wait_until(lambda: waiting(node, "se").get("reason") == "CreateContainerConfigError")
    assert "SELinux is not enabled" in waiting(node, "se")["message"]


# ── sysctls ──────────────────────────────────────────────────────────────────────────────────────


def test_sysctls_are_set_in_the_pod_and_only_there(node: Node) -> None:
    wanted = {
        "net.ipv4.ip_local_port_range": "20000 20100",
        "net/ipv4/tcp_keepalive_time": "77",
        "kernel.shm_rmid_forced": "1",
        "net.ipv4.ip_unprivileged_port_start": "500",
    }
    names = [{"name": name, "value": value} for name, value in wanted.items()]
    node.apply_text(pod("tuned", {}, context(runAsUser=1000), securityContext={"sysctls": names}))
    for name, value in wanted.items():
        path = name.replace(".", "/")
        assert inside(node, "tuned", f"cat /proc/sys/{path}", "c1").stdout.split() == value.split()
        assert Path("/proc/sys", path).read_text().split() != value.split(), name
    assert inside(node, "tuned", "cat /proc/sys/net/ipv4/ping_group_range").stdout.split() == [
        "0", "2147483647",
    ]  # fmt: skip
    assert inside(node, "tuned", "echo 1 > /proc/sys/kernel/shm_rmid_forced", check=False).stderr


@pytest.mark.parametrize("name", ["net.core.somaxconn", "kernel.msgmax", "vm.swappiness"])
def test_an_unsafe_sysctl_fails_the_pod(node: Node, name: str) -> None:
    before = Path("/proc/sys", name.replace(".", "/")).read_text()
    sysctls = {"sysctls": [{"name": name, "value": "33"}]}
    done = node.apply_text(pod("unsafe", securityContext=sysctls), check=False)
    assert done.returncode == 1 and "created" in done.stdout
    assert f'cannot go on: Failed: SysctlForbidden: forbidden sysctl: "{name}"' in done.stderr
    node.wait_until(lambda: node.status("unsafe").get("phase") == "Failed")
    status = node.status("unsafe")
    assert status["reason"] == "SysctlForbidden"
    assert status["message"].startswith(f'forbidden sysctl: "{name}"')
    assert Path("/proc/sys", name.replace(".", "/")).read_text() == before


def test_an_unsafe_sysctl_that_the_node_allows(leak_marks: set[str]) -> None:
    own = Node(allowed_unsafe_sysctls=("net.core.*", "kernel.msgmax"))
    leak_marks.add(own.mark)
    try:
        wanted = {"net.core.somaxconn": "33", "kernel.msgmax": "9000"}
        names = [{"name": name, "value": value} for name, value in wanted.items()]
        own.apply_text(pod("allowed", securityContext={"sysctls": names}))
        for name, value in wanted.items():
            path = name.replace(".", "/")
            assert inside(own, "allowed", f"cat /proc/sys/{path}").stdout.strip() == value
    finally:
        own.close()


def test_a_sysctl_with_a_bad_value_says_which(node: Node) -> None:
    bad = {"sysctls": [{"name": "net.ipv4.tcp_syncookies", "value": "many"}]}
    node.apply_text(pod("bad", securityContext=bad), "--no-wait")

    def told() -> str:
        said = node.podrun("describe", "pod", "bad").stdout
        return said if "tcp_syncookies=many" in said else ""

    assert "FailedCreatePodSandBox" in node.wait_until(told)


# ── fsGroup ──────────────────────────────────────────────────────────────────────────────────────


def test_fs_group_owns_empty_dirs_and_not_host_paths(node: Node, tmp_path: Path) -> None:
    host = tmp_path / "host"
    host.mkdir(mode=0o755)
    mounts = [{"name": "v", "mountPath": "/v"}, {"name": "h", "mountPath": "/h"}]
    node.apply_text(
        pod(
            "owned",
            {"volumeMounts": mounts, **context(runAsUser=1000, runAsGroup=1000)},
            securityContext={"fsGroup": 5555},
            volumes=[
                {"name": "v", "emptyDir": {}},
                {"name": "h", "hostPath": {"path": str(host)}},
            ],
        )
    )
    script = "umask 027; mkdir -p /v/d; touch /v/d/f; stat -c '%a %u:%g' /v /v/d /v/d/f /h"
    assert inside(node, "owned", script).stdout.splitlines() == [
        "2777 0:5555", "2750 1000:5555", "640 1000:5555", "755 0:0",
    ]  # fmt: skip


@pytest.fixture
def volume(tmp_path: Path) -> Path:
    """As a container of another user left it."""
    root = tmp_path / "v"
    (root / "deep" / "er").mkdir(parents=True)
    (root / "deep" / "file").write_text("x")
    (root / "deep" / "file").chmod(0o4700)
    (root / "deep" / "er" / "private").write_text("x")
    (root / "deep" / "er").chmod(0o700)
    os.mkfifo(root / "fifo", 0o600)
    (tmp_path / "outside").write_text("x")
    (tmp_path / "outside").chmod(0o600)
    (root / "link").symlink_to(tmp_path / "outside")
    (root / "dirlink").symlink_to(tmp_path)
    return root


def mode(path: Path) -> tuple[int, int]:
    found = path.lstat()
    return found.st_gid, found.st_mode & 0o7777


def test_all_in_a_volume_is_given_to_the_group(volume: Path, tmp_path: Path) -> None:
    outside, above = mode(tmp_path / "outside"), mode(tmp_path)
    give(volume, GroupOwner(5555))
    assert mode(volume) == mode(volume / "deep") == (5555, 0o2775)
    assert mode(volume / "deep" / "er") == (5555, 0o2770)
    assert mode(volume / "deep" / "file") == (5555, 0o4760)
    assert mode(volume / "fifo") == (5555, 0o660)
    assert mode(volume / "link")[0] == mode(volume / "dirlink")[0] == 5555
    assert (mode(tmp_path / "outside"), mode(tmp_path)) == (outside, above)


def test_a_root_that_is_right_speaks_for_all(volume: Path) -> None:
    private = volume / "deep" / "file"
    give(volume, GroupOwner(5555))
    os.chown(private, 0, 0)
    give(volume, GroupOwner(5555, always=False))
    assert private.lstat().st_gid == 0
    give(volume, GroupOwner(5555, always=True))
    assert private.lstat().st_gid == 5555
    os.chown(private, 0, 0)
    volume.chmod(0o755)  # the root lost a bit: it is no longer right
    give(volume, GroupOwner(5555, always=False))
    assert private.lstat().st_gid == 5555


def test_a_tree_deeper_than_descriptors_and_paths_reach(tmp_path: Path) -> None:
    root = tmp_path / "v"
    root.mkdir()
    here = os.open(root, os.O_RDONLY)
    depth = 1200
    for _ in range(depth):
        os.mkdir("d" * 10, dir_fd=here)
        there = os.open("d" * 10, os.O_RDONLY, dir_fd=here)
        os.close(here)
        here = there
    try:
        give(root, GroupOwner(5555))
        assert os.fstat(here).st_gid == 5555
    finally:
        os.close(here)
        from podrun.linux.trees import remove_tree

        remove_tree(root)


def test_the_group_stays_when_the_sandbox_is_made_anew(tmp_path: Path) -> None:
    """Making a volume that is there keeps set-group-ID, which OnRootMismatch looks at."""
    paths = Paths(Config(state_root=str(tmp_path))).pod("u", "default", "web")
    data = Volume("data", "emptyDir")
    volumes.make(data, paths, GroupOwner(5555))
    volumes.make(data, paths)
    assert mode(paths.volume("data")) == (5555, 0o2777)
