"""Start-up order, init containers and sidecars: semantics §1.1 to §1.6, one rule after another."""

from __future__ import annotations

from typing import Any

import pytest

from podrun.pod.actions import CreateSandbox, RunHook, SignalContainer, StartContainer, StopSandbox
from podrun.pod.outcome import phase
from tests.unit.podsim import PENDING, Node, container, hooks, pod, probe


def test_1_1_the_sandbox_comes_before_any_container() -> None:
    node = Node(pod("app"))
    assert node.settle()[:2] == [CreateSandbox(0), StartContainer("app", 0)]


def test_1_1_nothing_happens_while_the_pod_replaces_another() -> None:
    node = Node(pod("app"))
    node.facts.replaces = "old"
    assert node.plan().actions == () and node.plan().wake_at is None


def test_1_1_a_sandbox_that_fails_is_tried_again_after_1_2_4_8_and_10_seconds() -> None:
    node = Node(pod("app"))
    node.sandbox_fails = True
    pauses = []
    node.settle()
    for _ in range(6):
        wake = node.plan().wake_at
        assert wake is not None
        pauses.append(wake - node.now)
        node.now = wake
        node.settle()
    assert pauses == [1, 2, 4, 8, 10, 10]


def test_1_1_init_containers_run_strictly_one_after_another() -> None:
    node = Node(pod("app", init=["one", "two"]))
    node.settle()
    assert node.live() == ["one"]
    node.exits("one")
    node.settle()
    assert node.live() == ["two"]
    node.exits("two")
    node.settle()
    assert node.live() == ["app"]


def test_1_2_an_init_container_that_fails_is_tried_again_with_the_backoff() -> None:
    node = Node(pod("app", init=["one"]))
    node.settle()
    node.exits("one", 1)
    node.settle()
    node.exits("one", 1)
    assert node.settle() == []
    assert node.plan().wake_at == node.now + 10
    assert node.wait(10) == [StartContainer("one", 2)]


def test_1_2_an_init_container_killed_for_memory_has_failed_even_with_code_0() -> None:
    node = Node(pod("app", init=["one"]))
    node.settle()
    node.exits("one", 0, oom=True)
    assert node.settle() == [StartContainer("one", 1)]


def test_1_2_with_never_a_failed_init_container_fails_the_pod() -> None:
    node = Node(pod("app", init=["one"], policy="Never"))
    node.settle()
    node.exits("one", 1)
    assert node.settle() == [StopSandbox()]
    assert phase(node.pod, node.facts) == "Failed"
    assert node.starts() == ["one"]


def test_1_2_with_always_an_init_container_that_succeeded_is_not_run_again() -> None:
    node = Node(pod("app", init=["one"]))
    node.settle()
    node.exits("one")
    node.settle()
    assert node.starts() == ["one", "app"]


def test_1_3_a_sidecar_opens_the_way_once_it_has_started() -> None:
    node = Node(pod("app", init=[container("proxy", sidecar=True), "one"]))
    node.settle()
    assert node.live() == ["proxy", "one"]


def test_1_3_a_sidecars_startup_probe_closes_the_way_until_it_succeeds() -> None:
    proxy = container("proxy", sidecar=True, startup_probe=probe())
    node = Node(pod("app", init=[proxy, "one"]))
    node.settle()
    assert node.live() == ["proxy"]
    node.try_probe("proxy", "startup", "success")
    node.settle()
    assert node.live() == ["proxy", "one"]


def test_1_3_a_sidecar_whose_startup_probe_fails_is_restarted_and_the_way_stays_closed() -> None:
    proxy = container("proxy", sidecar=True, startup_probe=probe(failure=1))
    node = Node(pod("app", init=[proxy], policy="Never"))
    node.settle()
    node.try_probe("proxy", "startup", "failure")
    assert node.settle() == [SignalContainer("proxy", "", "Unhealthy")]
    node.exits("proxy", 143)
    assert node.settle() == [StartContainer("proxy", 1)]
    assert node.live() == ["proxy"]


@pytest.mark.parametrize("kind", ["liveness_probe", "readiness_probe"])
def test_1_3_other_probes_of_a_sidecar_do_not_gate(kind: str) -> None:
    fields: dict[str, Any] = {kind: probe()}
    proxy = container("proxy", sidecar=True, **fields)
    node = Node(pod("app", init=[proxy]))
    node.settle()
    assert node.live() == ["proxy", "app"]


def test_1_3_a_sidecars_post_start_hook_gates() -> None:
    proxy = container("proxy", sidecar=True, lifecycle=hooks("post_start"))
    node = Node(pod("app", init=[proxy]))
    node.hooks["proxy", "postStart"] = PENDING
    assert node.settle()[-1] == RunHook("proxy", "postStart")
    assert node.live() == ["proxy"]
    node.hook_ends("proxy", "postStart")
    assert node.settle() == [StartContainer("app", 0)]


def test_1_3_a_sidecar_whose_post_start_hook_fails_is_restarted() -> None:
    proxy = container("proxy", sidecar=True, lifecycle=hooks("post_start"))
    node = Node(pod("app", init=[proxy], policy="Never"))
    node.hooks["proxy", "postStart"] = "exit code 1"
    node.settle()
    assert node.live() == ["proxy"] and node.run("proxy").stop_reason == "FailedPostStartHook"
    node.exits("proxy", 0)
    node.hooks.clear()
    node.settle()
    assert node.live() == ["proxy", "app"]


def test_1_3_always_on_an_app_container_does_not_make_it_a_sidecar() -> None:
    node = Node(pod(container("app", restart_policy="Always"), "job", policy="Never"))
    node.settle()
    node.exits("job", 0)
    assert node.settle() == [] and node.live() == ["app"]


def test_1_4_a_sidecar_is_restarted_while_a_later_init_container_runs() -> None:
    node = Node(pod("app", init=[container("proxy", sidecar=True), "one"]))
    node.settle()
    node.exits("proxy", 0)
    assert node.settle() == [StartContainer("proxy", 1)]
    assert node.live() == ["proxy", "one"]


@pytest.mark.parametrize("policy", ["Always", "OnFailure", "Never"])
def test_1_4_a_sidecar_is_restarted_whatever_the_pods_policy(policy: str) -> None:
    node = Node(pod("app", init=[container("proxy", sidecar=True)], policy=policy))
    node.settle()
    node.exits("proxy", 0)
    assert node.settle() == [StartContainer("proxy", 1)]


def test_1_4_the_restart_of_a_sidecar_does_not_rerun_init_containers() -> None:
    node = Node(pod("app", init=[container("proxy", sidecar=True), "one"]))
    node.settle()
    node.exits("one")
    node.settle()
    node.exits("proxy", 1)
    node.settle()
    assert node.starts() == ["proxy", "one", "app", "proxy"]


def test_1_4_a_sidecar_is_not_restarted_once_all_app_containers_are_finished() -> None:
    node = Node(pod("app", init=[container("proxy", sidecar=True)], policy="Never"))
    node.settle()
    node.exits("app")
    node.exits("proxy")
    assert node.settle() == [StopSandbox()]


def test_1_5_app_containers_are_started_in_the_order_of_the_spec() -> None:
    node = Node(pod("c", "a", "b"))
    node.settle()
    assert node.starts() == ["c", "a", "b"]


def test_1_5_a_slow_post_start_hook_delays_the_next_container() -> None:
    node = Node(pod(container("a", lifecycle=hooks("post_start")), "b"))
    node.hooks["a", "postStart"] = PENDING
    node.settle()
    assert node.live() == ["a"]
    assert node.wait(100) == [], "the hook is begun once, and nothing waits for a time"
    node.hook_ends("a", "postStart")
    assert node.settle() == [StartContainer("b", 0)]


def test_1_5_nothing_waits_for_readiness_or_a_startup_probe_of_an_app_container() -> None:
    first = container("a", startup_probe=probe(), readiness_probe=probe())
    node = Node(pod(first, "b"))
    node.settle()
    assert node.live() == ["a", "b"]


def test_1_5_a_post_start_hook_runs_again_for_every_run() -> None:
    node = Node(pod(container("a", lifecycle=hooks("post_start"))))
    node.settle()
    node.exits("a", 1)
    assert node.settle() == [StartContainer("a", 1), RunHook("a", "postStart")]


def test_1_5_a_failed_post_start_hook_does_not_hold_up_the_next_container() -> None:
    node = Node(pod(container("a", lifecycle=hooks("post_start")), "b"))
    node.hooks["a", "postStart"] = "no"
    done = node.settle()
    assert done[-2:] == [SignalContainer("a", "", "FailedPostStartHook"), StartContainer("b", 0)]


def test_1_5_a_container_that_ends_during_its_post_start_hook_is_restarted_by_its_policy() -> None:
    node = Node(pod(container("a", lifecycle=hooks("post_start")), "b", policy="OnFailure"))
    node.hooks["a", "postStart"] = PENDING
    node.settle()
    node.exits("a", 0)
    assert node.settle() == [StartContainer("b", 0)]


def test_1_5_nothing_else_is_started_while_a_start_is_on_its_way() -> None:
    node = Node(pod("a", "b"))
    node.carry_out(node.due()[0])
    node.carry_out(node.due()[0])
    node.run("a").started_at = None
    assert node.plan().actions == ()
    node.run("a").started_at = node.now
    assert node.due() == (StartContainer("b", 0),)


def test_1_5_app_containers_are_named_in_order_to_be_started_one_after_another() -> None:
    node = Node(pod("a", "b"))
    node.carry_out(node.due()[0])
    assert node.due() == (StartContainer("a", 0), StartContainer("b", 0))


def test_1_1_of_init_containers_a_plan_starts_one() -> None:
    node = Node(pod("app", init=["one", "two"]))
    node.carry_out(node.due()[0])
    assert node.due() == (StartContainer("one", 0),)


def test_1_5_a_container_that_cannot_be_created_does_not_hold_up_the_next_one() -> None:
    node = Node(pod("a", "b"))
    node.failing["a"] = "CreateContainerConfigError"
    node.settle()
    assert node.live() == ["b"]
    assert node.plan().wake_at == node.now + 10


def test_1_6_a_running_app_container_proves_initialisation_without_init_records() -> None:
    node = Node(pod("app", init=["one"]))
    node.settle()
    node.exits("one")
    node.settle()
    del node.facts.containers["one"]
    node.exits("app", 1)
    assert node.settle() == [StartContainer("app", 1)]


def test_1_6_an_init_container_whose_record_is_gone_is_not_run_again_behind_a_later_one() -> None:
    node = Node(pod("app", init=["one", "two"]))
    node.settle()
    node.exits("one")
    node.settle()
    del node.facts.containers["one"]
    node.exits("two", 1)
    assert node.settle() == [StartContainer("two", 1)]


def test_1_6_init_containers_run_again_in_a_new_sandbox() -> None:
    node = Node(pod("app", init=["one"]))
    node.settle()
    node.exits("one")
    node.settle()
    node.loses_sandbox()
    node.exits("app", 137)
    assert node.settle() == [StopSandbox(), CreateSandbox(1), StartContainer("one", 1)]
    node.exits("one")
    assert node.settle() == [StartContainer("app", 1)]
