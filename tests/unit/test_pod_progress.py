"""When ``apply`` may return, and when the agent may idle."""

from __future__ import annotations

from podrun.pod.actions import StopSandbox
from podrun.pod.backoff import next_trouble
from podrun.pod.facts import Gate, Verdict
from podrun.pod.progress import is_finished, is_ready, obstacle, started_once, unready
from tests.unit.podsim import PENDING, T0, Node, container, hooks, pod, probe, with_gates


def settled(node: Node) -> Node:
    node.settle()
    return node


def test_a_pod_is_started_once_every_container_was() -> None:
    node = Node(pod("app", init=["one"]))
    assert not started_once(node.pod, node.facts)
    node.settle()
    assert not started_once(node.pod, node.facts)
    node.exits("one")
    node.settle()
    assert started_once(node.pod, node.facts) and is_ready(node.pod, node.facts)


def test_a_pod_that_ended_early_is_as_far_as_it_gets() -> None:
    node = settled(Node(pod("app", init=["one"], policy="Never")))
    node.exits("one", 1)
    assert started_once(node.pod, node.facts) and not is_ready(node.pod, node.facts)


def test_the_first_failure_of_an_init_container_is_no_obstacle_the_second_is() -> None:
    node = settled(Node(pod("app", init=["one"])))
    node.exits("one", 3)
    assert obstacle(node.pod, node.facts) == ""
    node.settle()
    node.exits("one", 3)
    assert obstacle(node.pod, node.facts) == "one: failed again with exit code 3"
    assert started_once(node.pod, node.facts)


def test_a_command_that_does_not_exist_is_an_obstacle_once_it_was_tried_again() -> None:
    node = Node(pod("app"))
    node.start_errors.add("app")
    while node.known("app").current is None:
        node.carry_out(node.due()[0])
    assert not started_once(node.pod, node.facts)
    node.settle()
    assert node.run("app").attempt == 1 and started_once(node.pod, node.facts)
    assert obstacle(node.pod, node.facts) == "app: StartError: no such file"


def test_a_start_that_failed_in_passing_is_none() -> None:
    node = Node(pod("app"))
    node.start_errors.add("app")
    while node.known("app").current is None:
        node.carry_out(node.due()[0])
    node.start_errors.clear()
    node.settle()
    assert started_once(node.pod, node.facts) and obstacle(node.pod, node.facts) == ""


def test_a_start_that_fails_for_good_is_waited_for_no_longer() -> None:
    node = Node(pod("a", "b", policy="Never"))
    node.start_errors.add("a")
    node.settle()
    assert started_once(node.pod, node.facts)  # b runs, a never will


def test_a_container_that_cannot_be_created_is_an_obstacle_once_the_others_run() -> None:
    node = Node(pod("a", "b"))
    node.failing["a"] = "ErrImageNeverPull"
    for _ in range(2):
        node.carry_out(node.due()[0])
    assert obstacle(node.pod, node.facts) == ""
    node.settle()
    assert obstacle(node.pod, node.facts) == "a: ErrImageNeverPull: no"


def test_a_failed_pull_is_an_obstacle_at_once() -> None:
    node = Node(pod())
    node.failing["app"] = "ErrImagePull"
    node.settle()
    assert obstacle(node.pod, node.facts) == "app: ErrImagePull: no"


def test_sandboxes_may_fail_twice() -> None:
    node = Node(pod())
    node.sandbox_fails = True
    node.settle()
    assert not started_once(node.pod, node.facts)
    node.wait(1)
    node.wait(2)
    assert obstacle(node.pod, node.facts) == "CreatePodSandboxError: no address left"


def test_a_pod_that_the_node_refused_is_told_and_one_that_failed_is_not() -> None:
    node = Node(pod(policy="Never"))
    node.facts.verdict = Verdict("SysctlForbidden", "forbidden sysctl", T0)
    assert started_once(node.pod, node.facts)
    assert obstacle(node.pod, node.facts) == "Failed: SysctlForbidden: forbidden sysctl"
    node = settled(Node(pod(policy="Never")))
    node.exits("app", 1)
    assert obstacle(node.pod, node.facts) == ""


def test_waiting_for_the_pod_that_is_replaced_is_no_obstacle() -> None:
    node = Node(pod())
    node.facts.replaces = "old"
    assert not started_once(node.pod, node.facts)


def test_ready_leaves_out_regular_init_containers() -> None:
    node = settled(Node(pod("app", init=[container("proxy", sidecar=True), "one"])))
    assert unready(node.pod, node.facts) == ["app"]
    node.exits("one")
    node.settle()
    assert unready(node.pod, node.facts) == []
    node.exits("proxy", 1)
    assert unready(node.pod, node.facts) == ["proxy"]


def test_a_pod_is_finished_when_its_sandbox_is_gone_too() -> None:
    node = settled(Node(pod(policy="Never")))
    node.exits("app")
    assert not is_finished(node.pod, node.facts)
    assert node.settle() == [StopSandbox()]
    assert is_finished(node.pod, node.facts)


def test_a_teardown_that_fails_is_tried_again_after_a_pause() -> None:
    node = settled(Node(pod()))
    node.exits("app")
    node.is_deleted()
    node.now += 1
    node.facts.sandbox_trouble = next_trouble(None, "KillPodSandboxError", "busy", node.now)
    assert node.plan().actions == () and node.plan().wake_at == node.now + 1
    node.now += 1
    assert node.plan().actions == (StopSandbox(),)


def test_a_start_includes_the_post_start_hook_but_no_probe() -> None:
    app = container("app", lifecycle=hooks("post_start"), startup_probe=probe())
    node = Node(pod(app))
    node.hooks["app", "postStart"] = PENDING
    node.settle()
    assert not started_once(node.pod, node.facts)
    node.hook_ends("app", "postStart")
    assert started_once(node.pod, node.facts) and not is_ready(node.pod, node.facts)
    node.try_probe("app", "startup", "success")
    assert is_ready(node.pod, node.facts)


def test_a_start_that_the_post_start_hook_undid_counts_once_it_is_tried_again() -> None:
    node = Node(pod(container("app", lifecycle=hooks("post_start"))))
    node.hooks["app", "postStart"] = "no"
    node.settle()
    assert not started_once(node.pod, node.facts)
    for _ in range(2):
        node.exits("app", 143)
        assert started_once(node.pod, node.facts)
        node.settle()
    assert obstacle(node.pod, node.facts) == "app: postStart hook failed again: no"


def test_a_pod_is_ready_when_its_readiness_probes_and_gates_are() -> None:
    app = container("app", readiness_probe=probe())
    node = settled(Node(with_gates(pod(app), "example.com/open")))
    assert unready(node.pod, node.facts) == ["app"]
    node.try_probe("app", "readiness", "success")
    assert unready(node.pod, node.facts) == [] and not is_ready(node.pod, node.facts)
    node.facts.gates["example.com/open"] = Gate(True, T0)
    assert is_ready(node.pod, node.facts)


def test_who_fails_its_liveness_probe_again_is_an_obstacle() -> None:
    node = settled(Node(pod(container("app", liveness_probe=probe(failure=1)))))
    for _ in range(2):
        node.try_probe("app", "liveness", "failure", "refused")
        node.settle()
        node.exits("app", 143)
        node.settle()
    assert obstacle(node.pod, node.facts) == "app: liveness probe failed again: refused"
