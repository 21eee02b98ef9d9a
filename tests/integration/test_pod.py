"""A real Pod, seen from inside and from outside: namespaces, files, streams, rights, order."""

from __future__ import annotations

import os
import socket
import stat
from pathlib import Path

import msgspec
import pytest

from podrun.container import control
from podrun.container.spec import ContainerRecord
from podrun.linux import namespace
from podrun.sandbox.spec import SandboxRecord
from tests.node import Node, wait_until

IDLE = "trap 'exit 0' TERM; while :; do sleep 0.05; done"


def container(name: str, script: str = IDLE, extra: str = "") -> str:
    return f"""
  - name: {name}
    image: localhost/host
    command: [sh, -c, "{script}"]
    {extra}"""


def pod(name: str, containers: str, spec: str = "") -> str:
    return f"""
apiVersion: v1
kind: Pod
metadata: {{name: {name}}}
spec:
  terminationGracePeriodSeconds: 1
  {spec}
  containers:{containers}
"""


def sandbox(node: Node) -> SandboxRecord:
    path = next(iter(node.paths.pods.glob("*/sandbox.json")))
    return msgspec.json.decode(path.read_bytes(), type=SandboxRecord)


def record(node: Node, name: str) -> ContainerRecord:
    return next(r for r in control.records(node.paths.runtime) if r.name == name)


def run(node: Node, name: str, command: str, target: str = "a") -> str:
    return node.podrun("exec", name, "-c", target, "--", "sh", "-c", command).stdout


def namespaces(pid: int) -> dict[str, int]:
    return {kind: namespace.inode(pid, kind) for kind in namespace.FLAGS}


def test_containers_join_the_namespaces_of_pause(node: Node) -> None:
    node.apply_text(pod("shared", container("a") + container("b")))
    pause = namespaces(sandbox(node).pid)
    a, b = namespaces(record(node, "a").pid), namespaces(record(node, "b").pid)
    host = namespaces(os.getpid())
    for kind in ("net", "ipc", "uts"):
        assert pause[kind] == a[kind] == b[kind] != host[kind]
    for kind in ("pid", "mnt", "cgroup"):
        assert len({pause[kind], a[kind], b[kind], host[kind]}) >= 3, kind
        assert a[kind] != b[kind]
        assert host[kind] not in (a[kind], b[kind])


def test_the_application_is_pid_1_of_its_container(node: Node) -> None:
    node.apply_text(pod("one", container("a")))
    assert run(node, "one", "cat /proc/1/comm").strip() == "sh"
    assert run(node, "one", "ls /proc | grep -c '^[0-9]'").strip() in ("3", "4", "5")


def test_shared_process_namespace_has_pause_as_pid_1_that_reaps(node: Node) -> None:
    spec = "shareProcessNamespace: true"
    node.apply_text(pod("sharepid", container("a") + container("b"), spec))
    assert run(node, "sharepid", "cat /proc/1/comm").strip() == "pause"
    names = run(node, "sharepid", "cat /proc/[0-9]*/cmdline | tr '\\\\0' ' '")
    assert names.count("while") >= 2  # both containers see each other
    run(node, "sharepid", "sh -c 'sleep 0.1 & exec true'")  # an orphan for pause
    zombies = "grep -l '^State:.Z' /proc/[0-9]*/status 2>/dev/null | wc -l"
    wait_until(lambda: run(node, "sharepid", zombies).strip() == "0", what="no zombie")


def test_host_namespaces_where_the_pod_asks_for_them(node: Node) -> None:
    spec = "hostNetwork: true\n  hostPID: true\n  hostIPC: true"
    node.apply_text(pod("hosty", container("a"), spec))
    inside, host = namespaces(record(node, "a").pid), namespaces(os.getpid())
    for kind in ("net", "ipc", "uts", "pid"):
        assert inside[kind] == host[kind], kind
    assert node.status("hosty")["podIP"] == node.status("hosty")["hostIP"]


def test_one_address_localhost_and_a_unix_socket_in_a_volume(node: Node) -> None:
    mount = "volumeMounts: [{name: v, mountPath: /v}]"
    server = (
        "python3 -c 'import socket,os,select; t=socket.create_server((str(),7001)); "
        "u=socket.socket(socket.AF_UNIX); u.bind(chr(47)+str(chr(118))+chr(47)+str(115)); "
        "u.listen()\\nwhile True:\\n r=select.select([t,u],[],[])[0][0]; "
        'c=r.accept()[0]; c.send(b\\"hi\\"); c.close()\''
    )
    node.apply_text(
        pod(
            "talk",
            container("a", server, mount) + container("b", IDLE, mount),
            "volumes: [{name: v, emptyDir: {}}]",
        )
    )
    tcp = "import socket; print(socket.create_connection(('127.0.0.1', 7001)).recv(9))"
    wait_until(
        lambda: (
            "hi"
            in node.podrun(
                "exec", "talk", "-c", "b", "--", "python3", "-c", tcp, check=False
            ).stdout
        )
    )
    unix = "import socket; u=socket.socket(socket.AF_UNIX); u.connect('/v/115'); print(u.recv(9))"
    assert "hi" in node.podrun("exec", "talk", "-c", "b", "--", "python3", "-c", unix).stdout
    addresses = {run(node, "talk", "hostname -I", target) for target in ("a", "b")}
    assert len(addresses) == 1
    assert node.status("talk")["podIP"] in next(iter(addresses))
    with socket.create_connection((node.status("talk")["podIP"], 7001), timeout=5) as client:
        assert client.recv(9) == b"hi"  # from the node, too


def test_init_containers_run_one_after_another_before_the_apps(node: Node) -> None:
    mount = "volumeMounts: [{name: v, mountPath: /v}]"
    inits = "".join(
        container(f"i{n}", f"sleep 0.05; echo i{n} >> /v/order; ls /v/app && exit 9; exit 0", mount)
        for n in range(3)
    )
    spec = f"volumes: [{{name: v, emptyDir: {{}}}}]\n  initContainers:{inits}"
    node.apply_text(
        pod("order", container("a", f"echo a >> /v/order; touch /v/app; {IDLE}", mount), spec)
    )
    wait_until(lambda: run(node, "order", "cat /v/order").split() == ["i0", "i1", "i2", "a"])


def test_a_failing_init_container_keeps_the_apps_from_starting(node: Node) -> None:
    spec = f"restartPolicy: Never\n  initContainers:{container('i', 'exit 4')}"
    node.apply_text(pod("badinit", container("a"), spec))
    status = node.status("badinit")
    assert status["phase"] == "Failed"
    assert status["initContainerStatuses"][0]["state"]["terminated"]["exitCode"] == 4
    assert status["containerStatuses"][0]["state"]["waiting"]["reason"] == "PodInitializing"
    assert "Init:Error" in node.podrun("ps").stdout


def test_empty_dir_is_0777_shared_and_gone_with_the_pod(node: Node) -> None:
    mount = "volumeMounts: [{name: v, mountPath: /v}]"
    node.apply_text(
        pod(
            "empty",
            container("a", IDLE, mount) + container("b", IDLE, mount),
            "volumes: [{name: v, emptyDir: {}}]",
        )
    )
    assert run(node, "empty", "stat -c %a:%u:%g /v; echo x > /v/f").split() == ["777:0:0"]
    assert run(node, "empty", "cat /v/f", "b").strip() == "x"
    volume = next(iter(node.paths.pods.glob("*/volumes/v")))
    assert (volume / "f").read_text() == "x\n"
    node.podrun("delete", "empty")
    assert not volume.exists()


def test_host_path_and_its_types(node: Node, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("content")
    spec = f"""volumes:
  - {{name: d, hostPath: {{path: {tmp_path}, type: Directory}}}}
  - {{name: new, hostPath: {{path: {tmp_path}/new/deep, type: DirectoryOrCreate}}}}
  - {{name: f, hostPath: {{path: {tmp_path}/file, type: File}}}}"""
    mounts = """volumeMounts:
    - {name: d, mountPath: /d, readOnly: true}
    - {name: new, mountPath: /n}
    - {name: f, mountPath: /deep/er/f}"""
    node.apply_text(pod("hostpath", container("a", IDLE, mounts), spec))
    assert run(node, "hostpath", "cat /d/file /deep/er/f").strip() == "contentcontent"
    assert "Read-only" in run(node, "hostpath", "touch /d/x 2>&1; touch /n/y")
    assert (tmp_path / "new/deep/y").exists()
    node.podrun("delete", "hostpath")
    assert (tmp_path / "new/deep/y").exists()


def test_a_host_path_of_the_wrong_type_is_told(node: Node, tmp_path: Path) -> None:
    spec = f"volumes: [{{name: d, hostPath: {{path: {tmp_path}, type: Socket}}}}]"
    mount = "volumeMounts: [{name: d, mountPath: /d}]"
    done = node.apply_text(pod("wrong", container("a", IDLE, mount), spec), check=False)
    assert done.returncode == 1
    assert f"{tmp_path} is not a Socket" in done.stderr


def test_the_inside_shows_no_descriptor_environment_or_mount_of_ours(node: Node) -> None:
    node.apply_text(pod("clean", container("a")))
    main = record(node, "a").pid
    fds = {int(fd): os.readlink(f"/proc/{main}/fd/{fd}") for fd in os.listdir(f"/proc/{main}/fd")}
    assert set(fds) <= {0, 1, 2}
    assert fds[0] == "/dev/null"
    environment = Path(f"/proc/{main}/environ").read_text()
    assert "PODRUN" not in environment
    keys = {entry.partition("=")[0] for entry in environment.split("\0") if entry}
    assert keys <= {"PATH", "HOSTNAME", "HOME", "PWD", "TERM", "LANG"}, keys
    mounts = Path(f"/proc/{main}/mountinfo").read_text()
    assert "/old" not in mounts
    targets = [line.split()[4] for line in mounts.splitlines()]
    assert targets[0] == "/"
    assert len(targets) == len(set(targets)), "something is mounted twice"


def test_rights_are_the_default_set_and_nothing_more(node: Node) -> None:
    node.apply_text(pod("rights", container("a")))
    text = Path(f"/proc/{record(node, 'a').pid}/status").read_text()
    rows = dict(line.split(":\t", 1) for line in text.splitlines() if ":\t" in line)
    wanted = 0xA80425FB  # containerd's default set
    for row in ("CapPrm", "CapEff", "CapBnd"):
        assert int(rows[row], 16) == wanted, row
    assert int(rows["CapInh"], 16) == int(rows["CapAmb"], 16) == 0
    # exec gets no more than the application has
    inside = run(node, "rights", "grep Cap /proc/self/status")
    assert [int(line.split()[1], 16) for line in inside.splitlines()] == [
        0,
        wanted,
        wanted,
        wanted,
        0,
    ]


@pytest.mark.parametrize(
    "path", ["/proc/sys/kernel/hostname", "/proc/irq/default_smp_affinity", "/sys/kernel/x"]
)
def test_kernel_knobs_cannot_be_written(node: Node, path: str) -> None:
    node.apply_text(pod("knobs", container("a")))
    assert "Read-only" in run(node, "knobs", f"(echo x > {path}) 2>&1 || true")


def test_dev_is_the_containers_own(node: Node) -> None:
    node.apply_text(pod("dev", container("a")))
    names = set(run(node, "dev", "ls /dev").split())
    assert names == {
        "fd", "full", "mqueue", "null", "ptmx", "pts", "random", "shm", "stderr", "stdin",
        "stdout", "termination-log", "tty", "urandom", "zero",
    }  # fmt: skip
    assert run(node, "dev", "echo x > /dev/null; stat -c %a /dev/null").strip() == "666"
    failed = "mknod /tmp/disk b 254 0 && head -c 1 /tmp/disk 2>&1 || true"
    assert "not permitted" in run(node, "dev", failed)


def test_shared_memory_is_one_per_pod(node: Node) -> None:
    node.apply_text(pod("shm", container("a") + container("b")))
    run(node, "shm", "echo there > /dev/shm/x")
    assert run(node, "shm", "cat /dev/shm/x", "b").strip() == "there"
    size = os.statvfs(f"/proc/{record(node, 'a').pid}/root/dev/shm")
    assert size.f_blocks * size.f_frsize == 64 << 20
    mode = os.stat(f"/proc/{record(node, 'a').pid}/root/dev/shm").st_mode
    assert stat.S_IMODE(mode) == 0o1777


def test_hostname_hosts_and_resolv_conf(node: Node) -> None:
    spec = """hostAliases: [{ip: 10.1.2.3, hostnames: [foo, bar]}]
  dnsPolicy: None
  dnsConfig:
    nameservers: [192.0.2.53]
    searches: [a.test]
    options: [{name: ndots, value: '2'}]"""
    node.apply_text(pod("names", container("a"), spec))
    ip = node.status("names")["podIP"]
    assert (
        run(node, "names", "hostname; cat /etc/hostname; echo $HOSTNAME").split() == ["names"] * 3
    )
    hosts = run(node, "names", "cat /etc/hosts")
    assert f"{ip}\tnames\n" in hosts
    assert hosts.endswith("# Entries added by HostAliases.\n10.1.2.3\tfoo\tbar\n")
    resolv = run(node, "names", "cat /etc/resolv.conf")
    assert resolv == "search a.test\nnameserver 192.0.2.53\noptions ndots:2\n"


def test_command_args_env_and_working_dir(node: Node) -> None:
    extra = """args: [one, two]
    workingDir: /var/tmp/made
    env: [{name: A, value: "1"}, {name: HOME, value: /h}]"""
    script = "echo $0 $1 $A $HOME $PWD"
    node.apply_text(pod("args", container("a", script, extra), "restartPolicy: Never"))
    node.podrun("wait", "args", "--for=phase=Succeeded")
    assert node.podrun("logs", "args").stdout.split() == ["one", "two", "1", "/h", "/var/tmp/made"]


def test_a_missing_program_is_a_start_error(node: Node) -> None:
    text = pod("missing", container("a"), "restartPolicy: Never").replace(
        "[sh, -c,", "[no-such-prog,"
    )
    node.apply_text(text, check=False)
    state = node.status("missing")["containerStatuses"][0]["state"]["terminated"]
    assert (state["exitCode"], state["reason"]) == (128, "StartError")
    assert "no-such-prog" in state["message"]
    assert node.status("missing")["phase"] == "Failed"


def test_run_as_user_and_groups(node: Node) -> None:
    extra = "securityContext: {runAsUser: 1234, runAsGroup: 2345, allowPrivilegeEscalation: false}"
    spec = "securityContext: {supplementalGroups: [3456]}"
    node.apply_text(pod("user", container("a", IDLE, extra), spec))
    assert run(node, "user", "id -u; id -g; id -G").split() == ["1234", "2345", "2345", "3456"]
    text = Path(f"/proc/{record(node, 'a').pid}/status").read_text()
    assert "CapEff:\t0000000000000000" in text
    assert "NoNewPrivs:\t1" in text


def test_memory_limit_and_oom_are_the_kernels_word(node: Node) -> None:
    hog = "tail -c 200m /dev/zero | tail -c 1; python3 -c 'x=bytearray(200<<20)'"
    extra = "resources: {limits: {memory: 32Mi, cpu: 500m}}"
    node.apply_text(pod("oom", container("a", hog, extra), "restartPolicy: Never"), check=False)
    state = node.wait_until(
        lambda: node.status("oom")["containerStatuses"][0]["state"].get("terminated"), timeout=40
    )
    assert state["reason"] == "OOMKilled"
    assert node.status("oom")["qosClass"] == "Guaranteed"


def test_read_only_root(node: Node) -> None:
    extra = "securityContext: {readOnlyRootFilesystem: true}"
    node.apply_text(pod("ro", container("a", IDLE, extra)))
    assert "Read-only" in run(node, "ro", "touch /x 2>&1; touch /dev/shm/y")


def test_the_host_image_is_copy_on_write(node: Node) -> None:
    name = f"/etc/{node.mark}-cow"
    node.apply_text(pod("cow", container("a")))
    run(node, "cow", f"echo x > {name}")
    assert not Path(name).exists()
