"""The whole picture of a container's confinement, looked at from inside (tests/checker/look.py).

Whatever cgroups the host has: ``make test-vm`` runs it on pure v2.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from podrun.container.spec import DEFAULT_CAPABILITIES
from podrun.linux import capability
from tests.integration.test_rights import context, pod
from tests.node import PROJECT, Node

LOOK = (PROJECT / "tests/checker/look.py").read_text()
PYTHON = "/usr/bin/python3"  # the host's, which every user may run
LINKS = {
    "fd": "l /proc/self/fd", "stdin": "l /proc/self/fd/0", "stdout": "l /proc/self/fd/1",
    "stderr": "l /proc/self/fd/2", "ptmx": "l pts/ptmx",
}  # fmt: skip
DEVICES = {
    "full": "c1:7", "mqueue": "d", "null": "c1:3", "pts": "d", "random": "c1:8", "shm": "d",
    "termination-log": "-", "tty": "c5:0", "urandom": "c1:9", "zero": "c1:5", **LINKS,
}  # fmt: skip
#: of look.py's, what RuntimeDefault lets everybody do; userfaultfd and keys are for nobody
ALLOWED = {"getpid"}


def look(node: Node, name: str, container: dict[str, Any], **spec: Any) -> dict[str, Any]:
    command = {"command": [PYTHON, "-c", LOOK], **container}
    node.apply_text(pod(name, command, restartPolicy="Never", **spec), check=False)
    node.wait_until(lambda: node.status(name).get("phase") in ("Succeeded", "Failed"), timeout=60)
    said = node.podrun("logs", name).stdout
    found: dict[str, Any] = json.loads(said)
    return found


def bits(seen: dict[str, Any]) -> dict[str, int]:
    return {
        name: int(seen["status"][f"Cap{name}"], 16) for name in ("Inh", "Prm", "Eff", "Bnd", "Amb")
    }


def check_common(node: Node, seen: dict[str, Any], name: str) -> None:
    """What holds for every container, privileged or not."""
    assert set(seen["descriptors"]) - {"3"} == {"0", "1", "2"}  # 3: the list itself
    assert seen["descriptors"]["0"] == "/dev/null"
    assert seen["umask"] == 0o022
    assert seen["hostname"] == name and seen["environment"]["HOSTNAME"] == name
    assert set(seen["environment"]) <= {"PATH", "HOSTNAME", "HOME", "LC_CTYPE", "PWD"}
    assert seen["shm bytes"] == 64 << 20
    assert seen["pid"] == 1 and seen["processes"] == ["1"]
    assert seen["cwd"] == "/"
    for kind, inode in seen["namespaces"].items():
        if kind in ("pid", "net", "ipc", "uts", "mnt", "cgroup"):
            assert inode != os.readlink(f"/proc/self/ns/{kind}"), kind
    for line in seen["cgroup"]:
        assert line.split(":", 2)[2].startswith("/") and node.mark not in line, line
    check_mounts(node, seen)


def check_mounts(node: Node, seen: dict[str, Any]) -> None:
    """Its own only; of the host no more than the names of the files that are bound into it."""
    known = {"/", "/proc", "/sys", "/dev", "/dev/pts", "/dev/shm", "/dev/mqueue",
             "/etc/hosts", "/etc/hostname", "/etc/resolv.conf", "/dev/termination-log"}  # fmt: skip
    for each in seen["mounts"]:
        target = each["target"]
        inside = target.startswith(("/proc/", "/sys/"))
        assert target in known or inside, each
    targets = [each["target"] for each in seen["mounts"]]
    assert known - set(targets) == set()
    options = {each["target"]: set(each["options"].split(",")) for each in seen["mounts"]}
    assert {"nosuid", "nodev", "noexec"} <= options["/proc"] & options["/sys"]


def check_confined(seen: dict[str, Any]) -> None:
    """What holds for all but privileged ones."""
    assert seen["status"]["Seccomp"] == "2"
    calls = {name for name, result in seen["syscalls"].items() if result == "allowed"}
    assert calls == ALLOWED, seen["syscalls"]
    assert {seen["syscalls"][name] for name in set(seen["syscalls"]) - ALLOWED} <= {"EPERM"}
    assert {path: empty for path, empty in seen["masked"].items() if empty is False} == {}
    assert {path: said for path, said in seen["read-only"].items() if said == "opened"} == {}
    assert seen["devices"] == DEVICES
    assert set(seen["opened"].values()) == {"opened"}
    options = {each["target"]: each["options"].split(",") for each in seen["mounts"]}
    assert "ro" in options["/sys"] and "ro" in options["/proc/sys"]
    cgroups = [each for each in seen["mounts"] if each["type"].startswith("cgroup")]
    assert cgroups and all("ro" in each["options"].split(",") for each in cgroups)


def test_the_default_container(node: Node) -> None:
    seen = look(node, "picture", {})
    check_common(node, seen, "picture")
    check_confined(seen)
    assert seen["ids"] == [[0, 0, 0], [0, 0, 0], [0]]
    expected = capability.mask(DEFAULT_CAPABILITIES) & capability.held()
    assert bits(seen) == {"Inh": 0, "Prm": expected, "Eff": expected, "Bnd": expected, "Amb": 0}
    assert seen["status"]["NoNewPrivs"] == "0"
    assert seen["root"] == "opened"
    assert seen["made device"] in ("EPERM", "EACCES")  # made, but not to be opened
    assert seen["environment"]["HOME"] == "/root"
    assert seen["sysctls"]["net/ipv4/ip_unprivileged_port_start"] == "0"
    assert seen["sysctls"]["net/ipv4/ping_group_range"].split() == ["0", "2147483647"]


def test_a_container_of_the_restricted_standard(node: Node) -> None:
    """The Pod Security Standard's strictest profile, with a read-only root."""
    wanted = context(
        runAsNonRoot=True, runAsUser=1000, runAsGroup=1000, allowPrivilegeEscalation=False,
        capabilities={"drop": ["ALL"]}, seccompProfile={"type": "RuntimeDefault"},
        readOnlyRootFilesystem=True,
    )  # fmt: skip
    seen = look(node, "restricted", wanted)
    check_common(node, seen, "restricted")
    check_confined(seen)
    assert seen["ids"] == [[1000] * 3, [1000] * 3, [1000]]
    assert set(bits(seen).values()) == {0}
    assert seen["status"]["NoNewPrivs"] == "1"
    assert seen["root"] == "EROFS"
    assert seen["made device"].startswith("mknod ")


def test_a_privileged_container(node: Node) -> None:
    """Much of the host's, but still in namespaces of its own and without our descriptors."""
    seen = look(node, "privileged", context(privileged=True))
    check_common(node, seen, "privileged")
    held = capability.held()
    assert bits(seen) == {"Inh": 0, "Prm": held, "Eff": held, "Bnd": held, "Amb": 0}
    assert seen["status"]["Seccomp"] == "0" and seen["status"]["NoNewPrivs"] == "0"
    assert set(seen["devices"]) >= set(DEVICES)
    options = {each["target"]: each["options"].split(",") for each in seen["mounts"]}
    assert "rw" in options["/sys"] and "/proc/sys" not in options
    assert seen["syscalls"]["getpid"] == "allowed"


def test_the_host_is_as_it_was(node: Node) -> None:
    """What the look tries inside (sysctls, devices, the hostname) reaches nothing outside."""
    before = (os.uname().nodename, Path("/proc/sys/kernel/core_pattern").read_text())
    look(node, "tries", {})
    assert (os.uname().nodename, Path("/proc/sys/kernel/core_pattern").read_text()) == before
