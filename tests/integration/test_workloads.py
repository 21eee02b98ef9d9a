"""Job, Deployment and DaemonSet on the real kernel: what they run, replace, count and take away."""

from __future__ import annotations

import json
from typing import Any

import pytest

from podrun.agent.objectevents import ObjectEvents
from podrun.agent.objectstore import ObjectStore
from podrun.agent.podstore import PodStore, StoredPod
from podrun.api.kinds import DAEMON_SET, DEPLOYMENT, JOB, Kind
from podrun.api.workload import DaemonSet, Deployment, Job
from podrun.linux.trees import remove_tree
from podrun.pod.outcome import phase
from podrun.pod.progress import is_ready
from podrun.workload.templates import HASH_LABEL
from tests.node import Node

Workload = Job | Deployment | DaemonSet
FOREVER = ("sleep", "4000")


def job(name: str, command: tuple[str, ...], **spec: Any) -> str:
    return _manifest(JOB, name, command, {"restartPolicy": "Never"}, spec)


def lasting(kind: Kind, name: str, version: str, **spec: Any) -> str:
    return _manifest(kind, name, (*FOREVER, version), {}, spec)


def _manifest(
    kind: Kind, name: str, command: tuple[str, ...], pod: dict[str, Any], spec: dict[str, Any]
) -> str:
    app = {"name": "app", "image": "localhost/host", "command": list(command)}
    if command[0] == FOREVER[0]:  # what is after the seconds only makes the template another one
        app["command"] = ["sh", "-c", f"exec sleep {command[1]}", *command[2:]]
    template = {
        "metadata": {"labels": {"app": name}},
        "spec": {**pod, "terminationGracePeriodSeconds": 0, "containers": [app]},
    }
    selector = {} if kind is JOB else {"selector": {"matchLabels": {"app": name}}}
    return json.dumps(
        {
            "apiVersion": kind.api_version,
            "kind": kind.name,
            "metadata": {"name": name},
            "spec": {**selector, **spec, "template": template},
        }
    )


def found(node: Node, kind: Kind, name: str) -> Any:
    return ObjectStore(node.paths).read(kind, "default", name)


def pods(node: Node, name: str) -> list[StoredPod]:
    """Those of the workload ``name``, also while they are ending."""
    return [each for each in PodStore(node.paths).list() if each.pod.metadata.labels["app"] == name]


def settled(node: Node, kind: Kind, name: str, count: int) -> list[StoredPod]:
    """Its pods, once there are ``count``, all ready and none of them going."""

    def look() -> list[StoredPod] | None:
        these = pods(node, name)
        calm = all(is_ready(p.pod, p.facts) and p.facts.deletion is None for p in these)
        return these if calm and len(these) == count else None

    return node.wait_until(look, what=f"{count} pods of {kind.singular}/{name}")


def reasons(node: Node, kind: Kind, name: str) -> list[str]:
    uid = found(node, kind, name).metadata.uid
    return [event.reason for event in ObjectEvents(node.paths).read(uid)]


def delete(node: Node, kind: Kind, name: str) -> list[dict[str, Any]]:
    key = {"kind": kind.name, "namespace": "default", "name": name}
    return node.ask({"verb": "delete", "objects": [key]})


# ── Job ──────────────────────────────────────────────────────────────────────────────────────────


def test_a_job_completes_and_goes_with_its_pods(node: Node) -> None:
    node.apply_text(job("three", ("true",), completions=3, parallelism=2), "--wait")
    status = found(node, JOB, "three").status
    assert (status.succeeded, status.failed, status.active) == (3, 0, 0)
    assert [c.type for c in status.conditions] == ["SuccessCriteriaMet", "Complete"]
    assert len(pods(node, "three")) == 3
    # The events are told once the status is on disk.
    node.wait_until(lambda: "Completed" in reasons(node, JOB, "three"))
    assert reasons(node, JOB, "three").count("SuccessfulCreate") == 3
    shown = node.podrun("describe", "job", "three").stdout
    assert "Job completed" in shown
    assert "Reached expected number of succeeded pods" in shown
    assert shown.count("Succeeded") == 3
    again = node.apply_text(job("three", ("true",), completions=3, parallelism=2), "--wait")
    assert again.stdout == "job/three unchanged\n"
    told = delete(node, JOB, "three")
    assert told[-2]["object"] == "job/three"
    assert told[-2]["result"] == "deleted"
    assert pods(node, "three") == []
    assert [path for path in node.paths.objects.rglob("*") if path.is_file()] == []


def test_a_job_that_fails_says_why(node: Node) -> None:
    text = job("fails", ("false",), backoffLimit=0)
    done = node.apply_text(text, "--wait", check=False)
    assert done.returncode == 1
    assert "BackoffLimitExceeded: Job has reached the specified backoff limit" in done.stderr
    assert len(pods(node, "fails")) == 1
    assert node.apply_text(text).returncode == 0  # only who waits for success hears of failure
    changed = node.apply_text(job("fails", ("true",), backoffLimit=0), check=False)
    assert changed.returncode == 3
    assert "field is immutable" in changed.stderr


def test_a_job_that_takes_too_long_is_ended_and_removed(node: Node) -> None:
    limits = {"activeDeadlineSeconds": 1, "ttlSecondsAfterFinished": 0}
    done = node.apply_text(job("late", FOREVER, **limits), "--wait", check=False)
    assert done.returncode == 1
    assert "DeadlineExceeded" in done.stderr
    node.wait_until(lambda: found(node, JOB, "late") is None and not pods(node, "late"))


def test_nothing_is_created_twice_when_agents_are_killed(fresh_node: Node) -> None:
    node = fresh_node
    node.apply_text(job("six", ("true",), completions=6, parallelism=3), "--no-wait")
    for count in (1, 3, 5):
        node.wait_until(lambda n=count: len(pods(node, "six")) >= n)  # type: ignore[misc]
        node.kill_agent()
        node.ask({"verb": "ping"})
    node.apply_text(job("six", ("true",), completions=6, parallelism=3), "--wait")
    assert found(node, JOB, "six").status.succeeded == 6
    assert len(pods(node, "six")) == 6


# ── Deployment ───────────────────────────────────────────────────────────────────────────────────


def rolling(replicas: int, version: str) -> str:
    limits = {"rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0}}
    return lasting(DEPLOYMENT, "web", version, replicas=replicas, strategy=limits)


def test_a_deployment_scales_rolls_and_replaces(node: Node) -> None:
    node.apply_text(rolling(1, "v1"), "--wait")
    node.apply_text(rolling(3, "v1"), "--wait")
    old = settled(node, DEPLOYMENT, "web", 3)
    node.apply_text(rolling(2, "v1"), "--wait")
    kept = settled(node, DEPLOYMENT, "web", 2)
    assert {each.paths.uid for each in kept} < {each.paths.uid for each in old}

    node.podrun("delete", kept[0].key[1])
    replaced = settled(node, DEPLOYMENT, "web", 2)
    assert kept[0].paths.uid not in [each.paths.uid for each in replaced]

    least = 2
    node.apply_text(rolling(2, "v2"), "--no-wait")
    hashes = {each.pod.metadata.labels[HASH_LABEL] for each in replaced}

    def rolled() -> bool:
        nonlocal least
        status = found(node, DEPLOYMENT, "web").status
        least = min(least, status.available_replicas)
        return not hashes & {p.pod.metadata.labels[HASH_LABEL] for p in pods(node, "web")}

    node.wait_until(rolled)
    settled(node, DEPLOYMENT, "web", 2)
    assert least == 2
    assert "SuccessfulDelete" in reasons(node, DEPLOYMENT, "web")
    delete(node, DEPLOYMENT, "web")
    assert pods(node, "web") == []


def test_recreate_has_never_two_versions(node: Node) -> None:
    def text(version: str) -> str:
        strategy = {"type": "Recreate"}
        return lasting(DEPLOYMENT, "one", version, replicas=2, strategy=strategy)

    node.apply_text(text("v1"), "--wait")
    (before,) = {p.pod.metadata.labels[HASH_LABEL] for p in settled(node, DEPLOYMENT, "one", 2)}
    node.apply_text(text("v2"), "--no-wait")

    def replaced() -> bool:
        running = [p for p in pods(node, "one") if phase(p.pod, p.facts) in ("Pending", "Running")]
        hashes = {p.pod.metadata.labels[HASH_LABEL] for p in running}
        assert len(hashes) < 2
        return bool(hashes) and before not in hashes

    node.wait_until(replaced)
    settled(node, DEPLOYMENT, "one", 2)


# ── DaemonSet ────────────────────────────────────────────────────────────────────────────────────


def test_a_daemon_set_has_one_pod(node: Node) -> None:
    node.apply_text(lasting(DAEMON_SET, "each", "v1"), "--wait")
    (first,) = settled(node, DAEMON_SET, "each", 1)
    node.apply_text(lasting(DAEMON_SET, "each", "v2"), "--wait")
    (second,) = settled(node, DAEMON_SET, "each", 1)
    assert first.paths.uid != second.paths.uid
    status = found(node, DAEMON_SET, "each").status
    assert (status.desired_number_scheduled, status.number_available) == (1, 1)


def test_an_agent_that_dies_while_it_deletes_leaves_no_orphans(fresh_node: Node) -> None:
    node = fresh_node
    node.apply_text(lasting(DEPLOYMENT, "gone", "v1", replicas=2), "--wait")
    key = {"kind": "Deployment", "namespace": "default", "name": "gone"}
    node.ask({"verb": "delete", "objects": [key], "wait": False})
    node.kill_agent()
    node.podrun("ps")  # brings one back
    node.wait_until(lambda: found(node, DEPLOYMENT, "gone") is None and not pods(node, "gone"))


def test_what_is_being_deleted_takes_no_change(node: Node) -> None:
    node.apply_text(lasting(DEPLOYMENT, "going", "v1"), "--wait")
    key = {"kind": "Deployment", "namespace": "default", "name": "going"}
    # As process 1 sleep does not hear SIGTERM.
    node.ask({"verb": "delete", "objects": [key], "wait": False, "graceSeconds": 600})
    done = node.apply_text(lasting(DEPLOYMENT, "going", "v2"), check=False)
    assert done.returncode == 1
    assert "deployment/going is being deleted" in done.stderr
    assert len(pods(node, "going")) == 1
    node.ask({"verb": "delete", "objects": [key], "graceSeconds": 0})
    assert pods(node, "going") == []


def test_a_workload_without_a_pod_brings_the_agent_back(fresh_node: Node) -> None:
    node = fresh_node
    node.apply_text(job("brief", ("true",), ttlSecondsAfterFinished=3), "--wait")
    node.kill_agent()
    for each in pods(node, "brief"):
        remove_tree(each.paths.root)
    node.podrun("ps")
    node.wait_until(lambda: found(node, JOB, "brief") is None)


@pytest.mark.parametrize("kind", [DEPLOYMENT, DAEMON_SET], ids=lambda kind: kind.singular)
def test_what_cannot_start_is_told(node: Node, kind: Kind) -> None:
    text = lasting(kind, "stuck", "v1").replace("localhost/host", "localhost/none:1")
    done = node.apply_text(text, check=False)
    assert done.returncode == 1
    assert "pod/stuck-" in done.stderr
