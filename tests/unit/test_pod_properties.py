"""What must hold for every pod, whatever happens to it: random pods on a simulated node."""

from __future__ import annotations

import copy

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from podrun.api.change import spec_hash
from podrun.api.pod import PodCondition
from podrun.pod.backoff import Settings
from podrun.pod.facts import Facts
from podrun.pod.hooks import forget_unfinished
from podrun.pod.outcome import phase
from podrun.pod.plan import plan
from podrun.pod.progress import is_finished, started_once
from podrun.pod.pulling import forget_unfinished_pulls, is_needed
from podrun.pod.readiness import readiness
from podrun.pod.restarts import restart_policy, rule_action
from podrun.pod.rounds import request_restart
from podrun.pod.runs import (
    SPEC_CHANGED,
)
from podrun.pod.status import NodeFacts, present
from podrun.pod.termination import FLOOR
from podrun.pod.when import rfc3339
from tests.unit.podcheck import CODES, PICK, POLICIES, RANK, CheckedNode, containers
from tests.unit.podsim import PENDING, T0, pod, with_image


class PodMachine(RuleBasedStateMachine):
    @initialize(
        data=st.data(),
        inits=st.lists(st.sampled_from(["init", "sidecar"]), max_size=3),
        apps=st.integers(min_value=1, max_value=3),
        policy=st.sampled_from(POLICIES),
        grace=st.sampled_from([0, 1, 10, 30]),
        deadline=st.sampled_from([None, None, None, 100]),
    )
    def create(
        self,
        data: st.DataObject,
        inits: list[str],
        apps: int,
        policy: str,
        grace: int,
        deadline: int | None,
    ) -> None:
        self.node = CheckedNode(
            pod(
                *(data.draw(containers(f"app{n}")) for n in range(apps)),
                init=[data.draw(containers(f"init{n}", kind=k)) for n, k in enumerate(inits)],
                policy=policy,
                grace=grace,
                deadline=deadline,
            )
        )
        self.highest = 0
        self.images = 0
        self.must_be_gone_at = 0.0
        self.ended = ""

    def pick(self, index: int) -> str | None:
        live = self.node.live()
        return live[index % len(live)] if live else None

    def pick_any(self, index: int) -> str:
        names = [c.name for c in self.node.pod.spec.all_containers]
        return names[index % len(names)]

    # what happens

    @rule()
    def act(self) -> None:
        self.node.settle()

    @rule(seconds=st.sampled_from([0.5, 3.0, 15.0, 90.0, 700.0]))
    def time_passes(self, seconds: float) -> None:
        self.node.advance(seconds)

    @rule(index=PICK, code=CODES, oom=st.sampled_from([False, False, False, True]))
    def ends(self, index: int, code: int, oom: bool) -> None:
        name = self.pick(index)
        if name is not None:
            self.node.exits(name, code, oom=oom)

    @rule(code=CODES)
    def those_told_to_stop_do(self, code: int) -> None:
        for name in self.node.live():
            if self.node.run(name).stop_sent_at is not None:
                self.node.exits(name, code)

    @rule(index=PICK)
    def cannot_start_or_can(self, index: int) -> None:
        self.node.start_errors ^= {self.pick_any(index)}

    @rule(index=PICK, hook=st.sampled_from(["postStart", "preStop"]),
          result=st.sampled_from([PENDING, "exit code 1", ""]))  # fmt: skip
    def hooks_will_take_their_time_or_fail(self, index: int, hook: str, result: str) -> None:
        self.node.hooks[self.pick_any(index), hook] = result

    @rule(hook=st.sampled_from(["postStart", "preStop"]), error=st.sampled_from(["", "no"]))
    def hooks_end(self, hook: str, error: str) -> None:
        for name in self.node.live():
            run = self.node.run(name)
            begun = run.post_start if hook == "postStart" else run.pre_stop
            if begun is not None and begun.done_at is None:
                self.node.hook_ends(name, hook, error)

    @rule(
        index=PICK,
        kind=st.sampled_from(["startup", "liveness", "readiness"]),
        answer=st.sampled_from(["success", "failure", "error"]),
    )
    def probes_will_answer(self, index: int, kind: str, answer: str) -> None:
        self.node.answers[self.pick_any(index), kind] = answer

    @rule(index=PICK, whole=st.sampled_from([False, False, True]))
    def somebody_asks_for_a_restart(self, index: int, whole: bool) -> None:
        names = [] if whole else [self.pick_any(index)]
        request_restart(self.node.pod, self.node.facts, names, self.node.now)

    @rule(index=PICK, result=st.sampled_from([PENDING, "not found", ""]))
    def pulls_will_take_their_time_or_fail(self, index: int, result: str) -> None:
        image = self.node.spec(self.pick_any(index)).image
        self.node.pulls.pop(image, None)
        if result:
            self.node.pulls[image] = result

    @rule(error=st.sampled_from(["", "no"]))
    def pulls_end(self, error: str) -> None:
        for name in self.pulling():
            self.node.pull_ends(name, error)

    def pulling(self) -> list[str]:
        names = [container.name for container in self.node.pod.spec.all_containers]
        return [name for name in names if is_needed(self.node.pod, self.node.facts, name)]

    @rule()
    def another_agent_takes_over(self) -> None:
        forget_unfinished(self.node.facts)
        forget_unfinished_pulls(self.node.facts)
        self.node.states.clear()

    @precondition(lambda self: self.node.facts.sandbox and self.node.facts.sandbox.ready)
    @rule(takes_all=st.booleans())
    def pause_dies(self, takes_all: bool) -> None:
        self.node.loses_sandbox()
        for name in self.node.live() if takes_all else []:
            self.node.exits(name, 137, signal=9)

    @rule(index=PICK)
    def image_changes(self, index: int) -> None:
        self.images += 1
        name = self.pick_any(index)
        self.node.pod = with_image(self.node.pod, name, f"image:{self.images}")

    @rule(index=PICK, reason=st.sampled_from(["", "ErrImagePull", "CreateContainerConfigError"]))
    def creation_fails_or_recovers(self, index: int, reason: str) -> None:
        name = self.pick_any(index)
        self.node.failing.pop(name, None)
        if reason:
            self.node.failing[name] = reason

    @rule(fails=st.booleans())
    def sandbox_fails_or_recovers(self, fails: bool) -> None:
        self.node.sandbox_fails = fails

    @precondition(lambda self: self.node.facts.deletion is None)
    @rule(grace=st.sampled_from([0, 1, 5, 30]))
    def is_deleted(self, grace: int) -> None:
        self.node.settle()
        self.delete(grace)

    @precondition(lambda self: self.node.facts.deletion and not self.node.released)
    @rule(grace=st.sampled_from([0, 1, 3]))
    def is_deleted_again_with_a_shorter_grace(self, grace: int) -> None:
        asked = self.node.facts.deletion
        assert asked is not None
        if self.node.now + grace < asked.began_at + asked.grace_seconds:
            self.delete(grace)

    def delete(self, grace: int) -> None:
        self.node.is_deleted(grace)
        # Hooks and app containers have the grace, and after it everyone two seconds.
        self.must_be_gone_at = self.node.now + max(grace, FLOOR) + FLOOR
        self.node.settle()

    # what must hold

    @invariant()
    def the_plan_is_pure(self) -> None:
        node = self.node
        before = copy.deepcopy(node.facts)
        assert node.plan() == plan(copy.deepcopy(node.pod), before, node.now, Settings())
        assert node.facts == before

    @invariant()
    def wakes_lie_ahead(self) -> None:
        wake = self.node.plan().wake_at
        assert wake is None or wake > self.node.now

    @invariant()
    def somebody_moves_next(self) -> None:
        node = self.node
        due = node.plan()
        waits = due.actions or due.wake_at is not None or node.live() or self.pulling()
        assert waits or node.released or is_finished(node.pod, node.facts)

    @invariant()
    def probes_are_due_only_while_they_may_be(self) -> None:
        node = self.node
        for due in node.agenda():
            run = node.run(due.name)
            assert run.exit is None and run.started_at is not None
            assert due.at >= run.started_at
            if node.facts.deletion is not None or run.stop_sent_at is not None:
                assert due.kind == "readiness"

    @invariant()
    def the_phase_never_goes_back(self) -> None:
        shown = phase(self.node.pod, self.node.facts)
        assert RANK[shown] >= self.highest
        self.highest = RANK[shown]
        if self.ended:
            assert shown == self.ended
        elif RANK[shown] == 2 and self.node.facts.deletion is None:
            self.ended = shown

    @invariant()
    def the_status_can_be_shown(self) -> None:
        node = self.node
        status = present(node.pod, node.facts, node.now, NodeFacts()).status
        assert status is not None
        for shown in status.init_container_statuses + status.container_statuses:
            state = shown.state
            assert [state.waiting, state.running, state.terminated].count(None) == 2
            last = shown.last_state.terminated
            assert last is None or last != state.terminated
            assert not shown.started or state.running is not None
        for condition in status.conditions:
            if condition.type in ("Ready", "ContainersReady"):
                self.check_ready(condition)

    def check_ready(self, condition: PodCondition) -> None:
        ready, since = self.node.ready_turned
        assert (condition.status == "True") == ready
        if ready or len(readiness(self.node.pod, self.node.facts)) == 1:
            assert condition.last_transition_time == rfc3339(since)
        else:  # of containers that come and go in turns not everything is remembered
            assert rfc3339(since) <= condition.last_transition_time <= rfc3339(self.node.now)

    @invariant()
    def with_never_a_container_runs_once(self) -> None:
        node = self.node
        for spec in node.pod.spec.all_containers:
            last = node.known(spec.name).last
            if last is None or restart_policy(node.pod, spec) != "Never":
                continue
            assert last.exit is not None
            asked = last.restart_requested_at is not None or last.stop_reason == SPEC_CHANGED
            again = rule_action(spec, last.exit.code)
            rounds = last.round != node.facts.round.number
            apps = node.pod.spec.containers
            begins_anew = spec.restart_policy or (
                spec not in apps and any(each.restart_policy for each in apps)
            )
            rebuilt = begins_anew and self.sandboxes_differ(spec.name)
            assert asked or again or rounds or rebuilt

    def sandboxes_differ(self, name: str) -> bool:
        """A new sandbox runs anew: a container's own Never, in a pod whose policy is another; and
        init containers, where an app container's own policy lets the pod go on."""
        known = self.node.known(name)
        assert known.current is not None and known.last is not None
        return known.current.sandbox_attempt != known.last.sandbox_attempt

    @invariant()
    def a_deleted_pod_is_gone_in_time(self) -> None:
        if self.node.facts.deletion is not None and not self.node.released:
            assert self.node.now <= self.must_be_gone_at

    def teardown(self) -> None:
        """Whatever state it is in: delete it, obey only SIGKILL, and it goes."""
        if not hasattr(self, "node") or self.node.released:
            return
        if self.node.facts.deletion is None:
            self.is_deleted(grace=7)
        self.node.advance(self.must_be_gone_at - self.node.now)
        assert self.node.released and not self.node.live()
        assert started_once(self.node.pod, self.node.facts)


PodMachine.TestCase.settings = settings(
    max_examples=150,
    stateful_step_count=40,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)
TestAnyPod = PodMachine.TestCase


def test_the_hash_of_a_definition_is_what_a_change_is_seen_by() -> None:
    before = pod("app")
    after = with_image(before, "app", "nginx")
    assert spec_hash(before.spec.containers[0]) != spec_hash(after.spec.containers[0])


def test_equal_facts_give_equal_plans() -> None:
    first = plan(pod("app"), Facts(accepted_at=T0), T0)
    assert first == plan(pod("app"), Facts(accepted_at=T0), T0)
