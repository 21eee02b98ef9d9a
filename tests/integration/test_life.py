"""The life of real pods: restarts, rounds, other sizes, last words, names, gates, deadlines."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import pytest

from podrun.cgroup.hierarchy import detect
from podrun.container import control
from tests.node import Node

IDLE = "trap 'exit 0' TERM; while :; do sleep 0.05; done"


def manifest(name: str, body: str) -> str:
    return f"""
apiVersion: v1
kind: Pod
metadata: {{name: {name}}}
spec:
  terminationGracePeriodSeconds: 1
{body}
"""


def container(name: str, script: str = IDLE, *fields: str) -> str:
    lines = [f"  - name: {name}", "    image: localhost/host", f'    command: [sh, -c, "{script}"]']
    return "\n".join([*lines, *(f"    {field}" for field in fields)])


def status_of(node: Node, pod: str, name: str) -> dict[str, Any]:
    status = node.status(pod)
    both = status.get("containerStatuses", []) + status.get("initContainerStatuses", [])
    found: dict[str, Any] = next(entry for entry in both if entry["name"] == name)
    return found


def cgroup_value(node: Node, name: str, v1: str, v2: str) -> str:
    record = next(r for r in control.records(node.paths.runtime) if r.name == name)
    hierarchy = detect()
    controller = v1.partition(".")[0]
    if controller in hierarchy.v1:
        return (hierarchy.v1[controller] / record.cgroup / v1).read_text().strip()
    assert hierarchy.v2 is not None
    return (hierarchy.v2 / record.cgroup / v2).read_text().strip()


def has_value(node: Node, name: str, files: tuple[str, str], wanted: str) -> bool:
    return cgroup_value(node, name, *files) == wanted


def has_quota(node: Node, name: str, wanted: str) -> bool:
    return cgroup_value(node, name, "cpu.cfs_quota_us", "cpu.max").split()[0] == wanted


def test_a_changed_container_is_restarted_alone(node: Node) -> None:
    body = "  containers:\n{}\n{}"
    first = manifest("change", body.format(container("a"), container("b")))
    node.apply_text(first)
    before = {r.name: r.id for r in control.records(node.paths.runtime)}
    changed = manifest("change", body.format(container("a", f"echo new; {IDLE}"), container("b")))
    assert "configured" in node.apply_text(changed).stdout
    node.wait_until(lambda: status_of(node, "change", "a")["restartCount"] == 1)
    node.wait_until(lambda: "new" in node.podrun("logs", "change", "-c", "a").stdout)
    after = {r.name: r.id for r in control.records(node.paths.runtime)}
    assert after["b"] == before["b"]
    assert after["a"] != before["a"]
    assert "unchanged" in node.apply_text(changed).stdout


def test_labels_and_deadline_change_in_place(node: Node) -> None:
    text = manifest("place", "  containers:\n" + container("a"))
    node.apply_text(text)
    uid = node.pod("place")["metadata"]["uid"]
    labelled = text.replace("{name: place}", "{name: place, labels: {tier: front}}")
    assert "configured" in node.apply_text(labelled).stdout
    found = node.pod("place")
    assert (found["metadata"]["uid"], found["metadata"]["labels"]) == (uid, {"tier": "front"})
    assert status_of(node, "place", "a")["restartCount"] == 0


def test_what_cannot_change_in_place_gives_a_new_pod_after_the_old_one(node: Node) -> None:
    text = manifest("anew", "  containers:\n" + container("a"))
    node.apply_text(text)
    uid = node.pod("anew")["metadata"]["uid"]
    node.apply_text(text.replace("spec:", "spec:\n  hostname: other"), "--wait", "--timeout", "30s")
    assert node.pod("anew")["metadata"]["uid"] != uid
    assert node.podrun("exec", "anew", "--", "hostname").stdout.strip() == "other"
    assert len(list(node.paths.pods.iterdir())) == 1


def test_resources_are_resized_without_a_restart(node: Node) -> None:
    fields = "resources: {{limits: {{cpu: {}, memory: {}}}}}"
    text = manifest("size", "  containers:\n" + container("a", IDLE, fields.format("100m", "64Mi")))
    node.apply_text(text)
    assert cgroup_value(node, "a", "memory.limit_in_bytes", "memory.max") == str(64 << 20)
    for cpu, memory in (("300m", "128Mi"), ("200m", "48Mi")):
        fields_now = fields.format(cpu, memory)
        node.apply_text(manifest("size", "  containers:\n" + container("a", IDLE, fields_now)))
        wanted = str(int(memory.removesuffix("Mi")) << 20)
        files = ("memory.limit_in_bytes", "memory.max")
        node.wait_until(partial(has_value, node, "a", files, wanted))
        node.wait_until(partial(has_quota, node, "a", cpu.removesuffix("m") + "00"))
    assert status_of(node, "size", "a")["restartCount"] == 0


def test_the_termination_message_and_its_fallback(node: Node) -> None:
    fallback = "terminationMessagePolicy: FallbackToLogsOnError"
    elsewhere = "terminationMessagePath: /run/last/words"
    body = "  restartPolicy: Never\n  containers:\n" + "\n".join(
        [
            container("file", "printf done > /dev/termination-log"),
            container("path", "printf there > /run/last/words", elsewhere),
            container("logs", "echo it broke; exit 3", fallback),
            container("quiet", "echo fine", fallback),
        ]
    )
    node.apply_text(manifest("words", body))
    node.podrun("wait", "words", "--for=phase=Failed")
    said = {
        name: status_of(node, "words", name)["state"]["terminated"].get("message", "").strip()
        for name in ("file", "path", "logs", "quiet")
    }
    assert said == {"file": "done", "path": "there", "logs": "it broke", "quiet": ""}


def test_restart_policy_and_rules_of_a_container(node: Node) -> None:
    rules = """restartPolicy: Never
    restartPolicyRules:
    - action: Restart
      exitCodes: {operator: In, values: [42]}"""
    script = "test -e /v/again && exit 7; touch /v/again; exit 42"
    mount = "volumeMounts: [{name: v, mountPath: /v}]"
    body = (
        "  restartPolicy: Always\n  volumes: [{name: v, emptyDir: {}}]\n  containers:\n"
        + container("ruled", script, mount, rules)
        + "\n"
        + container("other")
    )
    node.apply_text(manifest("rules", body))

    def ended() -> int | None:
        """The exit code of the second run, the first one's end being over."""
        ruled = status_of(node, "rules", "ruled")
        end = ruled["state"].get("terminated") if ruled["restartCount"] == 1 else None
        return end["exitCode"] if end else None

    assert node.wait_until(ended) == 7
    assert status_of(node, "rules", "ruled")["restartCount"] == 1
    assert status_of(node, "rules", "other")["restartCount"] == 0


def test_restart_all_containers_begins_again_from_init_in_the_same_sandbox(node: Node) -> None:
    rules = """restartPolicy: Never
    restartPolicyRules:
    - action: RestartAllContainers
      exitCodes: {operator: In, values: [88]}"""
    mount = "volumeMounts: [{name: v, mountPath: /v}]"
    script = f"test $(wc -l < /v/log) -ge 2 || exit 88; {IDLE}"
    body = (
        "  volumes: [{name: v, emptyDir: {}}]\n  initContainers:\n"
        + container("init", "echo init >> /v/log", mount)
        + "\n  containers:\n"
        + container("app", script, mount, rules)
    )
    node.apply_text(manifest("round", body))
    ip = node.status("round")["podIP"]
    node.podrun("wait", "round", "--for=condition=Ready", "--timeout", "40s")
    assert node.podrun("exec", "round", "--", "cat", "/v/log").stdout.split() == ["init"] * 2
    assert node.status("round")["podIP"] == ip


@pytest.mark.parametrize(
    ("fields", "hostname", "line"),
    [
        ("subdomain: sub", "host", "\thost.sub.default.svc.cluster.local\thost\n"),
        (
            "subdomain: sub\n  setHostnameAsFQDN: true",
            "host.sub.default.svc.cluster.local",
            "\thost.sub.default.svc.cluster.local\thost\n",
        ),
        ("hostnameOverride: mine.test", "mine.test", "\tmine.test\n"),
    ],
)
def test_the_hostname_in_all_its_ways(node: Node, fields: str, hostname: str, line: str) -> None:
    node.apply_text(manifest("host", f"  {fields}\n  containers:\n" + container("a")))
    assert node.podrun("exec", "host", "--", "hostname").stdout.strip() == hostname
    assert line in node.podrun("exec", "host", "--", "cat", "/etc/hosts").stdout


def test_a_name_too_long_for_the_kernel_keeps_the_pod_pending_and_says_why(node: Node) -> None:
    fields = f"  subdomain: {'s' * 40}\n  setHostnameAsFQDN: true\n"
    done = node.apply_text(
        manifest("long", fields + "  containers:\n" + container("a")), check=False
    )
    assert done.returncode == 1
    assert "longer than 64 characters" in done.stderr
    assert node.status("long")["phase"] == "Pending"


def test_a_readiness_gate_holds_the_pod_back_until_somebody_says_so(node: Node) -> None:
    gates = "  readinessGates: [{conditionType: example.com/warm}]\n"
    node.apply_text(manifest("gated", gates + "  containers:\n" + container("a")))
    conditions = {c["type"]: c for c in node.status("gated")["conditions"]}
    assert conditions["ContainersReady"]["status"] == "True"
    assert conditions["Ready"]["reason"] == "ReadinessGatesNotReady"
    node.podrun("gate", "gated", "example.com/warm=true")
    node.podrun("wait", "gated", "--for=condition=Ready")
    node.podrun("gate", "gated", "example.com/warm=false")
    node.podrun("wait", "gated", "--for=condition=Ready=False")
    wrong = node.podrun("gate", "gated", "other=true", check=False)
    assert wrong.returncode == 1 and "example.com/warm" in wrong.stderr


def test_a_sidecar_serves_its_pod_and_does_not_keep_it_alive(node: Node) -> None:
    body = (
        "  restartPolicy: Never\n  initContainers:\n"
        + container("side", IDLE, "restartPolicy: Always")
        + "\n  containers:\n"
        + container("app", "exit 0")
    )
    node.apply_text(manifest("sidecar", body))
    node.podrun("wait", "sidecar", "--for=phase=Succeeded", "--timeout", "30s")
    node.wait_until(lambda: not list(control.records(node.paths.runtime)), what="no container")


def test_the_deadline_ends_the_pod(node: Node) -> None:
    body = "  activeDeadlineSeconds: 1\n  containers:\n" + container("a")
    node.apply_text(manifest("late", body))
    node.podrun("wait", "late", "--for=phase=Failed", "--timeout", "30s")
    status = node.status("late")
    assert status["reason"] == "DeadlineExceeded"
    assert status["message"] == "Pod was active on the node longer than the specified deadline"


def test_a_second_delete_shortens_the_grace(node: Node) -> None:
    stubborn = "trap '' TERM; while :; do sleep 0.05; done"
    text = manifest("stubborn", "  containers:\n" + container("a", stubborn))
    node.apply_text(text.replace("Seconds: 1", "Seconds: 600"))
    node.podrun("delete", "stubborn", "--wait=false")
    assert "Terminating" in node.podrun("ps").stdout
    node.podrun("delete", "stubborn", "--grace-period", "1", timeout=30)
    assert not Path(node.paths.pods).is_dir() or not list(node.paths.pods.iterdir())
