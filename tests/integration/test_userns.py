"""Pods with hostUsers: false: root inside is nobody outside, and everything else still works."""

from __future__ import annotations

import contextlib
import os
import pty
import signal
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from podrun.container import imagevolume
from podrun.container.spec import ContainerRecord
from podrun.image import rootfs
from podrun.linux import mount, users
from podrun.linux.users import COUNT
from podrun.node.config import Config
from podrun.node.paths import Paths
from podrun.node.records import read_record
from podrun.sandbox import idleases
from podrun.sandbox.create import read as read_sandbox
from podrun.volume.spec import Volume
from tests.integration.image_lab import directory, member, unpacked
from tests.integration.test_image_rootfs import in_child
from tests.integration.test_port_forward import SERVER, ask, forwarding
from tests.integration.test_rights import IDLE, context, pod
from tests.node import Node, wait_until


def own(name: str, *containers: dict[str, Any], **spec: Any) -> str:
    return pod(name, *containers, hostUsers=False, **spec)


def inside(node: Node, name: str, script: str, *flags: str, check: bool = True) -> str:
    return node.podrun("exec", *flags, name, "--", "sh", "-c", script, check=check).stdout


def record(node: Node, name: str) -> ContainerRecord:
    uid = node.pod(name)["metadata"]["uid"]
    found = (read_record(path, ContainerRecord) for path in node.paths.runtime.glob("*.json"))
    return next(each for each in found if each is not None and each.pod_uid == uid)


def volume(node: Node, name: str, volume: str = "v") -> Path:
    uid = node.pod(name)["metadata"]["uid"]
    return node.paths.pod(uid, "default", name).volume(volume)


def owner(path: Path) -> tuple[int, int]:
    status = path.lstat()
    return status.st_uid, status.st_gid


MOUNT = {"volumeMounts": [{"name": "v", "mountPath": "/v"}]}
DISK = {"volumes": [{"name": "v", "emptyDir": {}}]}


# ── ids ──────────────────────────────────────────────────────────────────────────────────────────


def test_root_inside_is_nobody_outside_and_no_two_pods_are_the_same(node: Node) -> None:
    firsts = []
    for name in ("ids-a", "ids-b"):
        node.apply_text(own(name))
        inner, outer, count = map(int, inside(node, name, "cat /proc/self/uid_map").split())
        assert (inner, count) == (0, COUNT)
        assert inside(node, name, "id -u; id -g; cat /proc/self/gid_map").split() == [
            "0", "0", "0", str(outer), str(COUNT),
        ]  # fmt: skip
        main = record(node, name)
        status = Path(f"/proc/{main.pid}/status").read_text()
        assert f"Uid:\t{outer}\t{outer}\t{outer}\t{outer}\n" in status
        assert f"Groups:\t{outer} \n" in status
        firsts.append(outer)
    assert abs(firsts[0] - firsts[1]) >= COUNT
    described = node.podrun("describe", "pod", "ids-b").stdout
    assert f"user ids 0–65535 are {firsts[1]}–{firsts[1] + COUNT - 1} of the host" in described
    assert "shares  net, ipc, uts, user" in described


def test_everything_of_the_container_is_its_own(node: Node) -> None:
    """Files of the image, of podrun, of the kernel: none belongs to nobody that it has to write."""
    node.apply_text(own("files", {"command": ["sh", "-c", f"echo out >/dev/stdout; {IDLE}"]}))
    listed = inside(
        node, "files",
        "stat -c '%u:%g %n' / /etc /etc/passwd /etc/hosts /etc/resolv.conf /dev /dev/null /dev/pts"
        " /dev/shm /dev/termination-log /sys/fs/cgroup /proc/self/status",
    )  # fmt: skip
    assert [line for line in listed.splitlines() if not line.startswith("0:0 ")] == []
    inside(
        node, "files", "echo x >>/etc/hosts; touch /root/f /etc/f /dev/shm/f; echo e >/dev/stderr"
    )
    assert node.podrun("logs", "files").stdout == "out\n"
    assert not Path("/etc/f").exists()


def test_ranges_are_given_back_with_the_pod_and_kept_until_then(fresh_node: Node) -> None:
    node = fresh_node
    node.apply_text(own("kept", MOUNT, **DISK))
    first = record(node, "kept").first_id
    assert list(idleases.by_range(node.paths)) == [first]
    inside(node, "kept", "echo 1 >/v/f")
    node.kill_agent()
    node.apply_text(own("kept", MOUNT, **DISK))
    assert record(node, "kept").first_id == first
    assert inside(node, "kept", "cat /v/f") == "1\n"

    uid = node.pod("kept")["metadata"]["uid"]
    sandbox = read_sandbox(node.paths.pod(uid, "default", "kept"))
    assert sandbox is not None and "user" in sandbox.namespaces
    os.kill(sandbox.pid, signal.SIGKILL)

    def again() -> bool:
        found = node.podrun("exec", "kept", "--", "cat", "/v/f", check=False)
        now = read_sandbox(node.paths.pod(uid, "default", "kept"))
        return now is not None and now.pid != sandbox.pid and found.stdout == "1\n"

    wait_until(again, what="a new sandbox with the volume's file")
    assert record(node, "kept").first_id == first
    node.podrun("delete", "pod", "kept", "--now")
    assert idleases.by_range(node.paths) == {}


def test_an_id_beyond_the_range_cannot_be_had(node: Node) -> None:
    text = own("beyond", context(runAsUser=70000), restartPolicy="Never")
    done = node.apply_text(text, check=False)
    assert "the id 70000 is not among the 65536" in done.stderr + str(node.status("beyond"))


# ── rights ───────────────────────────────────────────────────────────────────────────────────────


def test_all_capabilities_are_powerless_over_the_host(node: Node) -> None:
    node.apply_text(own("all", context(privileged=True)))
    assert int(inside(node, "all", "grep CapEff /proc/self/status").split()[1], 16) >> 21 & 1
    for script in (
        "mknod /tmp/b b 254 0",
        "mkdir -p /tmp/m && mount -t ext4 $(ls /dev/vd? /dev/sd? 2>/dev/null | head -1) /tmp/m",
        "echo 1 >/proc/sys/kernel/sysrq",
        "echo h >/proc/sysrq-trigger",
        "cat /proc/kcore",
        'date -s "$(date)"',
    ):
        done = node.podrun("exec", "all", "--", "sh", "-c", script, check=False)
        assert done.returncode != 0, script
    before = os.uname().nodename
    inside(node, "all", "mkdir -p /tmp/t && mount -t tmpfs t /tmp/t && hostname other")
    assert os.uname().nodename == before
    for device in (path for path in Path("/dev").iterdir() if path.is_block_device()):
        done = node.podrun("exec", "all", "--", "head", "-c1", str(device), check=False)
        assert done.returncode != 0, device


def test_proc_may_be_unmasked(node: Node) -> None:
    node.apply_text(own("unmasked", context(procMount="Unmasked")))
    mounts = inside(node, "unmasked", "cat /proc/self/mountinfo")
    assert " /proc/sys " not in mounts
    denied = node.podrun(
        "exec", "unmasked", "--", "sh", "-c", "echo 1 >/proc/sys/kernel/sysrq", check=False
    )
    assert denied.returncode != 0


# ── volumes ──────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def on_tmpfs(tmp_path: Path) -> Iterator[Path]:
    path = tmp_path / "tmpfs"
    path.mkdir()
    mount.mount("podrun-test", str(path), "tmpfs", 0)
    yield path
    mount.umount2(str(path), mount.MNT_DETACH)


def test_volumes_hold_the_ids_of_inside(node: Node, tmp_path: Path, on_tmpfs: Path) -> None:
    os.chmod(tmp_path, 0o755)
    names = {"disk": "emptyDir", "memory": "emptyDir", "host": "hostPath", "tmpfs": "hostPath"}
    sources: dict[str, dict[str, str]] = {
        "disk": {}, "memory": {"medium": "Memory"}, "host": {"path": str(tmp_path / "h")},
        "tmpfs": {"path": str(on_tmpfs)},
    }  # fmt: skip
    (tmp_path / "h").mkdir()
    (tmp_path / "h/hosts").write_text("theirs")
    mounts = [{"name": name, "mountPath": f"/v/{name}"} for name in names]
    mounts.append({"name": "disk", "mountPath": "/v/sub", "subPath": "a/b"})
    listed = [{"name": name, kind: sources[name]} for name, kind in names.items()]
    node.apply_text(own("volumes", {"volumeMounts": mounts}, volumes=listed))
    inside(node, "volumes", "for d in /v/*; do echo 1 >$d/r; echo 2 >$d/u; chown 7:8 $d/u; done")
    shown = inside(node, "volumes", "stat -c %u:%g /v/*/r /v/*/u /v/host/hosts").split()
    assert shown == ["0:0"] * 5 + ["7:8"] * 5 + ["0:0"]
    disk, memory = volume(node, "volumes", "disk"), volume(node, "volumes", "memory")
    for path in (disk, disk / "a/b", memory, tmp_path / "h", on_tmpfs):
        assert (owner(path / "r"), owner(path / "u")) == ((0, 0), (7, 8))


def test_fs_group_and_users_mean_the_ids_of_inside(node: Node) -> None:
    node.apply_text(
        own("group", {**MOUNT, **context(runAsUser=1000, runAsGroup=1001)},
            securityContext={"fsGroup": 2000}, **DISK)
    )  # fmt: skip
    assert inside(node, "group", "id -u; id -g; id -G").split() == ["1000", "1001", "1001", "2000"]
    inside(node, "group", "echo 1 >/v/f")
    assert owner(volume(node, "group") / "f") == (1000, 2000)


def test_a_file_system_that_cannot_be_idmapped_is_named(node: Node) -> None:
    volumes = [{"name": "v", "hostPath": {"path": "/proc/sys"}}]
    done = node.apply_text(own("cannot", MOUNT, volumes=volumes), check=False)
    said = done.stderr + str(node.status("cannot"))
    assert 'volume "v": the file system of /proc (proc) cannot be mounted' in said
    assert "FailedMount" in said


def test_layers_of_an_image_volume_have_the_ids_too(tmp_path: Path) -> None:
    for name in ("low", "top"):
        (tmp_path / name).mkdir()
    low = unpacked(tmp_path / "low/fs", directory("./"), member("a", b"1", uid=9), directory("d"))
    top = unpacked(tmp_path / "top/fs", member("d/b", b"2"), lowers=[low])
    paths = Paths(Config(state_root=str(tmp_path / "state"))).pod("u", "default", "web")

    def child() -> None:
        with users.made(500000) as own:
            for layers in ([top, low], [low]):
                lowers = [str(path) for path in layers]
                fd = imagevolume.open_mount(Volume("v", "image"), lowers, "", paths, own)
                assert (os.stat("a", dir_fd=fd).st_uid, os.fstat(fd).st_uid) == (500009, 500000)

    in_child(child)


def on_a_terminal(node: Node, name: str, script: str) -> str:
    master, slave = pty.openpty()
    with open(master, "rb", buffering=0) as shown:
        client = node.popen(
            "exec", "-it", name, "--", "sh", "-c", script, stdin=slave, stdout=slave, stderr=slave
        )
        os.close(slave)
        text = b""
        with contextlib.suppress(OSError):  # EIO: nobody holds the other end any more
            while data := shown.read(4096):
                text += data
        assert client.wait(20) == 0, text
    return text.decode()


def test_a_root_of_many_layers(tmp_path: Path) -> None:
    """Whiteouts mean what they mean; a file of a lower layer that is changed keeps its owner."""
    for name in ("low", "mid", "top"):
        (tmp_path / name).mkdir()
    low = unpacked(
        tmp_path / "low/fs", directory("./", uid=3), member("a", b"1", uid=9), member("gone"),
        directory("opaque"), member("opaque/old"),
    )  # fmt: skip
    mid = unpacked(tmp_path / "mid/fs", member(".wh.gone"), lowers=[low])
    top = unpacked(
        tmp_path / "top/fs", member("opaque/.wh..wh..opq"), member("opaque/new"), lowers=[mid, low]
    )

    def child(way: rootfs.How) -> None:
        upper = tmp_path / way / "upper"
        with users.made(500000) as own:
            root = rootfs.prepare([top, mid, low], upper, ways=[way], users=own)
            with users.making_files_of(500000):
                os.chdir(f"/proc/self/fd/{root.fd}")
                assert (sorted(os.listdir(".")), os.listdir("opaque")) == (["a", "opaque"], ["new"])
                os.chmod("a", 0o600)
                Path("b").write_text("x")
                shown = [Path(name).stat().st_uid - 500000 for name in (".", "a", "b", "opaque")]
                assert shown == [3, 9, 0, 0]
                os.chdir("/")
            if way == "overlay":
                assert [owner(upper / name)[0] for name in "ab"] == [500009, 500000]
        os.close(root.fd)

    ways: tuple[rootfs.How, ...] = ("overlay", "tmpfs", "copy")
    for way in ways:
        in_child(lambda way=way: child(way))  # type: ignore[misc]
    assert owner(low / "a") == (9, 0)


# ── everything else ──────────────────────────────────────────────────────────────────────────────


def test_commands_probes_terminals_and_copies(node: Node, tmp_path: Path) -> None:
    probe = {"exec": {"command": ["sh", "-c", "id -u >>/v/probe; test -w /v"]}, "periodSeconds": 1}
    main = {
        **MOUNT, **context(runAsUser=1000), "tty": True, "startupProbe": probe,
        "lifecycle": {"postStart": {"exec": {"command": ["sh", "-c", "id -u >/tmp/hook"]}}},
        "command": ["sh", "-c", f"stat -c %u /dev/console; echo end >/dev/termination-log; {IDLE}"],
    }  # fmt: skip
    node.apply_text(own("all-of-it", main, **DISK), "--wait")
    assert "1000" in inside(node, "all-of-it", "cat /v/probe").split()
    assert inside(node, "all-of-it", "cat /tmp/hook") == "1000\n"
    assert node.podrun("logs", "all-of-it").stdout.split() == ["1000"]
    assert "/dev/pts/1 1000\r\n" in on_a_terminal(node, "all-of-it", "echo $(tty) $(id -u)")

    (tmp_path / "tree").mkdir()
    (tmp_path / "tree/f").write_text("content")
    for target in ("/v", "/tmp"):
        node.podrun("cp", tmp_path / "tree", f"all-of-it:{target}/tree")
        shown = inside(node, "all-of-it", f"stat -c %u {target}/tree {target}/tree/f").split()
        assert shown == ["1000", "1000"]
        node.podrun("cp", f"all-of-it:{target}/tree/f", tmp_path / "back")
        assert (tmp_path / "back").read_text() == "content"
        assert owner(tmp_path / "back") == (0, 0)
    assert owner(volume(node, "all-of-it") / "tree/f")[0] == 1000


@pytest.mark.parametrize("host_users", [True, False])
@pytest.mark.parametrize("uid", [0, 1000])
def test_any_user_may_open_its_streams(node: Node, host_users: bool, uid: int) -> None:
    """As runc and crun have it: images write their logs to /dev/stdout whoever they run as."""
    script = "echo out >/dev/stdout; echo err >/dev/stderr"
    main = {
        **context(runAsUser=uid), "command": ["sh", "-c", f"{script}; {IDLE}"],
        "startupProbe": {"exec": {"command": ["sh", "-c", script]}},
    }  # fmt: skip
    name = f"streams-{uid}-{host_users}".lower()
    node.apply_text(pod(name, main, hostUsers=host_users), "--wait")
    assert sorted(node.podrun("logs", name).stdout.split()) == ["err", "out"]
    done = node.podrun("exec", name, "--", "sh", "-c", script)
    assert (done.stdout, done.stderr) == ("out\n", "err\n")


def test_a_message_is_left_at_the_end(node: Node) -> None:
    command = {"command": ["sh", "-c", "echo bye >/dev/termination-log; exit 3"]}
    node.apply_text(own("bye", command, restartPolicy="Never"), check=False)
    states = wait_until(lambda: node.status("bye").get("containerStatuses"), what="its status")
    ended = wait_until(
        lambda: node.status("bye")["containerStatuses"][0]["state"].get("terminated"),
        what=str(states),
    )
    assert (ended["exitCode"], ended["message"].strip()) == (3, "bye")


def test_a_shared_pid_namespace_with_a_sidecar(node: Node) -> None:
    sidecar = {
        "name": "side", "image": "localhost/host", "command": ["sh", "-c", IDLE],
        "restartPolicy": "Always",
    }  # fmt: skip
    node.apply_text(own("shared", shareProcessNamespace=True, initContainers=[sidecar]))
    assert inside(node, "shared", "cat /proc/1/comm") == "pause\n"
    assert inside(node, "shared", "cat /proc/1/uid_map") == inside(
        node, "shared", "cat /proc/self/uid_map", "-c", "side"
    )
    inside(node, "shared", "ls -d /proc/[0-9]* | wc -l; kill -0 1")


def test_services_of_the_network(node: Node) -> None:
    """The namespace belongs to the pod: low ports may be bound, addresses seen, ping sent."""
    node.apply_text(own("network", context(runAsUser=1000)))
    listed = inside(
        node, "network", "cat /proc/net/if_inet6; cat /proc/sys/net/ipv4/ping_group_range"
    )
    assert "eth0" in listed and listed.split()[-2:] == ["0", "65535"]
    text = "import socket; s = socket.socket(); s.bind(('', 80)); print(s.getsockname()[1])"
    assert inside(node, "network", f'python3 -c "{text}"') == "80\n"


def test_parameters_of_the_pods_own_kernel(node: Node) -> None:
    sysctls = {"kernel.shm_rmid_forced": "1", "net.ipv4.tcp_syncookies": "0"}
    listed = [{"name": name, "value": value} for name, value in sysctls.items()]
    node.apply_text(own("sysctls", securityContext={"sysctls": listed}))
    shown = inside(
        node, "sysctls", "cat /proc/sys/kernel/shm_rmid_forced /proc/sys/net/ipv4/tcp_syncookies"
    )
    assert shown.split() == ["1", "0"]


def test_set_user_id_programs_and_file_capabilities(node: Node) -> None:
    node.apply_text(own("setuid", MOUNT, **DISK))
    script = (
        "cp /usr/bin/id /tmp/id; chmod u+s /tmp/id; cp /tmp/id /v/id; chmod u+s /v/id;"
        "for id in /tmp/id /v/id; do setpriv --reuid 1000 --clear-groups $id -u; done"
    )
    assert inside(node, "setuid", script).split() == ["0", "0"]
    program = "import os; os.setxattr('/tmp/grep', 'security.capability', bytes.fromhex('0100000201000000000000000000000000000000'))"  # noqa: E501
    done = inside(
        node, "setuid",
        f'cp /usr/bin/grep /tmp/grep; python3 -c "{program}";'
        "setpriv --reuid 1000 --clear-groups /tmp/grep CapEff /proc/self/status",
    )  # fmt: skip
    assert done.split()[1] == "0000000000000001"


def test_no_range_is_left(leak_marks: set[str], leaves_nothing: None) -> None:
    node = Node(userns_first_id=(1 << 31) - 1)
    leak_marks.add(node.mark)
    try:
        done = node.apply_text(own("none"), check=False)
        events = node.podrun("describe", "pod", "none").stdout
        assert "no 65536 user ids are left" in done.stderr + events
    finally:
        node.close()


def test_connections_are_forwarded(node: Node) -> None:
    command = [os.path.realpath(sys.executable), "-c", SERVER, "AF_INET", "127.0.0.1", "7001"]
    node.apply_text(own("forwarded", {"command": command}))
    node.wait_until(lambda: "up" in node.podrun("logs", "forwarded").stdout)
    with forwarding(node, "forwarded", ":7001") as found:
        assert ask(found.ports["127.0.0.1", 7001], b"abc") == b"cba"


def test_whoever_is_killed_when_nothing_is_left(fresh_node: Node) -> None:
    """The agent is killed ever later while a pod begins; the next one carries on or cleans up."""
    node = fresh_node
    text = own("killed", MOUNT, **DISK)
    for count in range(6):
        node.apply_text(text, "--no-wait")
        deadline = time.monotonic() + count * 0.08
        wait_until(lambda until=deadline: time.monotonic() > until)  # type: ignore[misc]
        node.kill_agent()
        node.apply_text(text, "--wait")
        assert inside(node, "killed", "id -u") == "0\n"
        assert len(idleases.by_range(node.paths)) == 1
        node.podrun("delete", "pod", "killed", "--now")
        assert idleases.by_range(node.paths) == {}
    node.paths.users.joinpath(str(0x70000000)).symlink_to("of-a-pod-that-is-no-more")
    node.kill_agent()
    node.apply_text(text)
    assert node.pod("killed")["metadata"]["uid"] in idleases.by_range(node.paths).values()
    assert "of-a-pod-that-is-no-more" not in idleases.by_range(node.paths).values()
