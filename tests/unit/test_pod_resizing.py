"""In-place resize: whether, how, and what the status says of it (KEP-1287)."""

from __future__ import annotations

import msgspec
import pytest

from podrun.api.pod import Container, ContainerResizePolicy, ResourceRequirements
from podrun.pod.actions import ResizeContainer, SignalContainer, StartContainer
from podrun.pod.facts import ContainerFacts
from tests.unit.podsim import Node, app, asks, pod, settled, shown, waiting, with_container

IN_PLACE = [ResizeContainer("app")]


def restarting(container: Container, *names: str) -> Container:
    """``container`` with RestartContainer for those resources."""
    policies = tuple(
        ContainerResizePolicy(resource_name=name, restart_policy="RestartContainer")
        for name in names
    )
    return msgspec.structs.replace(container, resize_policy=policies)


def change(node: Node, container: Container) -> None:
    node.pod = with_container(node.pod, container)


def conditions(node: Node) -> list[tuple[str, str, str]]:
    found = [each for each in shown(node).conditions if each.type.startswith("PodResize")]
    assert all(each.status == "True" and each.last_transition_time for each in found)
    return [(each.type, each.reason, each.message) for each in found]


def test_in_place_unless_the_policy_says_otherwise() -> None:
    node = settled(pod(restarting(asks("app", cpu="1", memory="1Gi"), "memory")))
    change(node, restarting(asks("app", cpu="2", memory="1Gi"), "memory"))
    assert node.settle() == IN_PLACE
    assert (node.run("app").attempt, conditions(node)) == (0, [])
    assert app(node).resources == ResourceRequirements(requests={"cpu": "2", "memory": "1Gi"})


def test_a_container_is_restarted_where_its_policy_says_so() -> None:
    node = settled(pod(restarting(asks("app", memory="1Gi"), "memory"), "other"))
    change(node, restarting(asks("app", memory="2Gi"), "memory"))
    assert node.settle() == [ResizeContainer("app"), SignalContainer("app", "", "Resized")]
    assert conditions(node) == [("PodResizeInProgress", "", "")]
    assert app(node).resources == ResourceRequirements(requests={"memory": "1Gi"})
    assert app(node).allocated_resources == {"memory": "2Gi"}
    node.exits("app", 0)
    assert node.settle() == [StartContainer("app", 1)]
    assert conditions(node) == []
    assert app(node).resources == ResourceRequirements(requests={"memory": "2Gi"})
    assert node.run("other").attempt == 0


@pytest.mark.parametrize("policy", ["Never", "OnFailure"])
def test_a_restart_for_a_resize_is_no_matter_of_the_restart_policy(policy: str) -> None:
    node = settled(pod(restarting(asks("app", cpu="1"), "cpu"), policy=policy))
    change(node, restarting(asks("app", cpu="2"), "cpu"))
    node.settle()
    node.exits("app", 0)
    assert StartContainer("app", 1) in node.settle()


def test_restarts_for_resizes_do_not_back_off() -> None:
    node = settled(pod(restarting(asks("app", cpu="1"), "cpu")))
    for cpu in ("2", "3", "2", "1"):
        change(node, restarting(asks("app", cpu=cpu), "cpu"))
        node.settle()
        node.exits("app", 143)
        node.settle()
        assert waiting(node) == "" and node.live() == ["app"]


def test_more_than_the_node_has_is_infeasible() -> None:
    node = settled(pod(restarting(asks("app", cpu="1"), "cpu")))
    change(node, restarting(asks("app", cpu="8"), "cpu"))
    assert node.settle() == IN_PLACE
    message = "Node didn't have enough capacity: cpu, requested: 8000, capacity: 4000"
    assert conditions(node) == [("PodResizePending", "Infeasible", message)]
    assert app(node).allocated_resources == {"cpu": "1"}
    assert app(node).resources == ResourceRequirements(requests={"cpu": "1"})
    assert node.run("app").resize_restart_at is None  # nothing is restarted in vain
    since = shown(node).conditions[-1].last_transition_time
    assert node.wait(10) == IN_PLACE  # tried again
    assert shown(node).conditions[-1].last_transition_time == since
    change(node, restarting(asks("app", cpu="1"), "cpu"))
    assert conditions(node) == []  # taken back


def test_what_others_need_defers() -> None:
    node = settled(pod(asks("app", memory="1Gi")))
    node.taken = {"memory": 7 << 30}
    change(node, asks("app", memory="2Gi"))
    assert node.settle() == IN_PLACE
    ((type, reason, message),) = conditions(node)
    assert (type, reason) == ("PodResizePending", "Deferred")
    assert message.startswith("Node didn't have enough resource: memory, requested: 2147483648")
    node.taken = {}
    assert node.wait(10) == IN_PLACE
    assert conditions(node) == []


def test_less_is_always_granted_and_so_are_limits() -> None:
    node = settled(pod(asks("app", cpu="3", max_cpu="3")))
    node.taken = {"cpu": 4000}
    for less in (asks("app", cpu="2", max_cpu="3"), asks("app", cpu="2", max_cpu="64")):
        change(node, less)
        assert node.settle() == IN_PLACE
        assert conditions(node) == []


def test_what_the_kernel_refuses_stays_in_progress() -> None:
    node = settled(pod(asks("app", max_memory="1Gi")))
    node.resize_fails = True
    change(node, asks("app", max_memory="2Gi"))
    node.settle()
    assert conditions(node) == [("PodResizeInProgress", "Error", "busy")]
    assert app(node).resources == ResourceRequirements(limits={"memory": "1Gi"})
    node.resize_fails = False
    assert node.wait(10) == IN_PLACE
    assert conditions(node) == []


def test_runs_of_old_agents_have_unknown_resources() -> None:
    node = settled(pod(restarting(asks("app", cpu="1"), "memory")))
    run = node.run("app")
    run.resources = None
    assert app(node).resources == ResourceRequirements(requests={"cpu": "1"})
    change(node, restarting(asks("app", cpu="2"), "memory"))
    assert node.settle() == IN_PLACE
    assert run.resources == ResourceRequirements(requests={"cpu": "2"})


def test_a_container_without_a_run_shows_what_it_will_have() -> None:
    node = settled(pod(asks("app", cpu="1")))
    node.facts.containers["app"] = ContainerFacts()
    assert app(node).allocated_resources == {"cpu": "1"}
