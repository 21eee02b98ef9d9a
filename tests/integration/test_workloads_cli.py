"""Verbs that take a workload for one of its pods, and that wait for it, with a real agent."""

from __future__ import annotations

import re

from podrun.api.kinds import DEPLOYMENT
from tests.integration.test_workloads import job, lasting, settled
from tests.node import Node


def test_one_pod_stands_for_a_deployment(node: Node) -> None:
    node.apply_text(lasting(DEPLOYMENT, "web", "v1", replicas=2))
    names = {each.key[1] for each in settled(node, DEPLOYMENT, "web", 2)}
    done = node.podrun("exec", "deploy/web", "--", "echo", "hello")
    assert done.stdout == "hello\n"
    chosen = re.fullmatch(r"Found 2 pods, using pod/(\S+)\n", done.stderr)
    assert chosen and chosen[1] in names
    assert node.podrun("logs", "deployment/web").stderr == done.stderr
    none = node.podrun("logs", "deploy/nope", check=False)
    assert (none.returncode, none.stdout) == (1, "")
    assert 'deployments "nope" not found' in none.stderr
    other = node.podrun("exec", "cm/web", "--", "true", check=False)
    assert other.returncode == 2 and "expected a pod" in other.stderr


def test_the_log_of_a_job(node: Node) -> None:
    node.apply_text(job("count", ("sh", "-c", "echo one")), "--wait")
    done = node.podrun("logs", "job/count")
    assert (done.stdout, done.stderr) == ("one\n", "")


def test_waiting_for_workloads(node: Node) -> None:
    node.apply_text(job("waits", ("true",)), "--no-wait")
    node.apply_text(lasting(DEPLOYMENT, "serves", "v1", replicas=1), "--no-wait")
    done = node.podrun("wait", "job/waits", "--for=condition=Complete", "--timeout", "60s")
    assert done.stdout == "job/waits condition met\n"
    done = node.podrun("wait", "deploy/serves", "--for=condition=Available", "--timeout", "60s")
    assert done.stdout == "deployment/serves condition met\n"
    assert node.podrun("delete", "deploy/serves", "job/waits", "--wait=false").returncode == 0
    gone = node.podrun("wait", "deploy/serves", "job/waits", "--for=delete", "--timeout", "60s")
    assert sorted(gone.stdout.split("\n")) == ["", "deployment/serves deleted", "job/waits deleted"]
