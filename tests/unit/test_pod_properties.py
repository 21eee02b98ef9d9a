"""What must hold for every pod, whatever happens to it: random pods on a simulated node."""

from __future__ import annotations

import copy

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from podrun.api.change import spec_hash
from podrun.pod.actions import StartContainer
from podrun.pod.backoff import Settings
from podrun.pod.facts import ContainerFacts, Facts
from podrun.pod.outcome import phase
from podrun.pod.plan import plan
from podrun.pod.progress import is_finished, started_once
from podrun.pod.runs import SPEC_CHANGED, init_succeeded, is_sidecar
from podrun.pod.status import NodeFacts, present
from podrun.pod.termination import FLOOR
from tests.unit.podsim import T0, Node, container, pod, with_image

RANK = {"Pending": 0, "Running": 1, "Succeeded": 2, "Failed": 2}
CODES = st.sampled_from([0, 0, 1, 143])
PICK = st.integers(min_value=0, max_value=99)


class CheckedNode(Node):
    """Holds every start against the rules at the moment it happens."""

    def _start(self, action: StartContainer) -> None:
        before = copy.deepcopy(self.known(action.name))
        self.check_start(action)
        super()._start(action)
        after = self.known(action.name)
        assert after.restarts >= before.restarts
        if before.current is not None and after.restarts > before.restarts:
            self.check_backoff(before, after)

    def check_start(self, action: StartContainer) -> None:
        known = self.known(action.name)
        assert not is_finished(self.pod, self.facts) and self.facts.deletion is None
        assert known.current is None or known.current.exit is not None, "two live attempts"
        assert action.attempt == (known.restarts + 1 if known.current else 0)
        if action.name in [c.name for c in self.pod.spec.containers]:
            self.check_initialised()

    def check_initialised(self) -> None:
        sandbox = self.facts.sandbox
        assert sandbox is not None and sandbox.ready
        for init in self.pod.spec.init_containers:
            run = self.known(init.name).current
            assert run is not None and run.sandbox_attempt == sandbox.attempt
            assert is_sidecar(self.pod, init) or init_succeeded(run.exit)

    def check_backoff(self, before: ContainerFacts, after: ContainerFacts) -> None:
        previous, current = after.last, after.current
        assert previous is not None and previous.exit is not None and current is not None
        lasted = previous.exit.finished_at - previous.created_at
        if lasted <= 600 and previous.spec_hash == current.spec_hash:
            assert self.now - previous.exit.finished_at >= before.backoff_seconds
            assert after.backoff_seconds >= before.backoff_seconds
        assert 0 < after.backoff_seconds <= self.settings.max_restart_period

    def advance(self, seconds: float) -> None:
        """Time passes; policy is asked whenever it wanted to be."""
        until = self.now + seconds
        while not self.released:
            wake = self.plan().wake_at
            if wake is None or wake > until:
                break
            self.now = wake
            self.settle()
        self.now = until
        if not self.released:
            self.settle()


class PodMachine(RuleBasedStateMachine):
    @initialize(
        inits=st.lists(st.booleans(), max_size=3),
        apps=st.integers(min_value=1, max_value=3),
        policy=st.sampled_from(["Always", "OnFailure", "Never"]),
        grace=st.sampled_from([0, 1, 10, 30]),
        deadline=st.sampled_from([None, None, 100]),
    )
    def create(
        self, inits: list[bool], apps: int, policy: str, grace: int, deadline: int | None
    ) -> None:
        self.node = CheckedNode(
            pod(
                *(f"app{n}" for n in range(apps)),
                init=[container(f"init{n}", sidecar=sidecar) for n, sidecar in enumerate(inits)],
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
    def could_not_start(self, index: int) -> None:
        name = self.pick(index)
        if name is not None:
            self.node.run(name).started_at = None
            self.node.exits(name, 128)

    @precondition(lambda self: self.node.facts.sandbox and self.node.facts.sandbox.ready)
    @rule(takes_all=st.booleans())
    def pause_dies(self, takes_all: bool) -> None:
        self.node.loses_sandbox()
        for name in self.node.live() if takes_all else []:
            self.node.exits(name, 137, signal=9)

    @rule(index=PICK)
    def image_changes(self, index: int) -> None:
        names = [c.name for c in self.node.pod.spec.all_containers]
        self.images += 1
        name = names[index % len(names)]
        self.node.pod = with_image(self.node.pod, name, f"image:{self.images}")

    @rule(index=PICK, reason=st.sampled_from(["", "ErrImagePull", "CreateContainerConfigError"]))
    def creation_fails_or_recovers(self, index: int, reason: str) -> None:
        names = [c.name for c in self.node.pod.spec.all_containers]
        name = names[index % len(names)]
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
        self.node.is_deleted(grace)
        # The app containers' grace, and after it what the sidecars get at the least.
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
        waits = due.actions or due.wake_at is not None or node.live()
        assert waits or node.released or is_finished(node.pod, node.facts)

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

    @invariant()
    def with_never_a_container_runs_once(self) -> None:
        if self.node.pod.spec.restart_policy != "Never":
            return
        for spec in self.node.pod.spec.all_containers:
            last = self.node.known(spec.name).last
            if last is not None and not is_sidecar(self.node.pod, spec):
                assert last.stop_reason == SPEC_CHANGED

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
