"""What containers may do, tried from inside on the real kernel: capabilities, users, labels."""

from __future__ import annotations

import json
import subprocess
from typing import Any

import pytest

from podrun.container import apparmor
from podrun.linux import capability, lsm
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
