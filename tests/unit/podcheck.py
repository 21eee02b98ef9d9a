"""A simulated node that checks after each step what must hold, and pods to try it with."""

from __future__ import annotations

import copy
from typing import Any

from hypothesis import strategies as st

from podrun.api.pod import Container
from podrun.pod.actions import (
    Action,
    KillContainer,
    RestartAll,
    RunHook,
    SignalContainer,
    StartContainer,
)
from podrun.pod.facts import ContainerFacts
from podrun.pod.hooks import is_starting
from podrun.pod.progress import is_finished, unready
from podrun.pod.pulling import is_there
from podrun.pod.restarts import RESTART_ALL
from podrun.pod.runs import (
    RESTARTING_ALL,
    init_succeeded,
    is_sidecar,
    live_containers,
)
from podrun.pod.termination import FLOOR, fallen_sidecars, stop_reason
from tests.unit import podsim
from tests.unit.podsim import T0, Node, container, hooks, probe

RANK = {"Pending": 0, "Running": 1, "Succeeded": 2, "Failed": 2}
CODES = st.sampled_from([0, 0, 1, 42, 143])
PICK = st.integers(min_value=0, max_value=99)
PROBES = st.builds(
    probe,
    initial=st.sampled_from([0, 5]),
    period=st.sampled_from([7, 60]),
    failure=st.sampled_from([1, 3]),
)
POLICIES = ["Always", "OnFailure", "Never"]
RULES = st.sampled_from([
    (), (), (),
    (podsim.rule("Restart", "In", 42),),
    (podsim.rule(RESTART_ALL, "In", 42), podsim.rule("Restart", "NotIn", 0, 143)),
])  # fmt: skip


@st.composite
def containers(draw: st.DrawFn, name: str, *, kind: str = "app") -> Container:
    """``kind`` is app, init or sidecar."""
    fields: dict[str, Any] = {"restart_policy_rules": draw(RULES)}
    if kind == "sidecar":
        fields["restart_policy"] = "Always"
    elif fields["restart_policy_rules"]:
        fields["restart_policy"] = draw(st.sampled_from([*POLICIES[1:], "Never"]))
    if kind != "init":
        fields["lifecycle"] = draw(st.sampled_from([
            None, None, hooks("post_start"), hooks("pre_stop"), hooks("post_start", "pre_stop"),
        ]))  # fmt: skip
        for each in ("startup_probe", "liveness_probe", "readiness_probe"):
            fields[each] = draw(st.none() | PROBES)
    return container(name, **fields)


class CheckedNode(Node):
    """Holds every action against the rules at the moment it is carried out.

    ``ready_turned`` is what the conditions must have found out: whether, and since when.
    """

    ready_turned = (False, T0)

    def look(self) -> None:
        ready = not unready(self.pod, self.facts)
        if ready != self.ready_turned[0]:
            self.ready_turned = (ready, self.now)

    def exits(self, name: str, code: int = 0, *, signal: int = 0, oom: bool = False) -> None:
        super().exits(name, code, signal=signal, oom=oom)
        self.look()

    def hook_ends(self, name: str, hook: str, error: str = "") -> None:
        super().hook_ends(name, hook, error)
        self.look()

    def try_probe(self, name: str, kind: str, outcome: str, message: str = "no") -> bool:
        changed = super().try_probe(name, kind, outcome, message)
        self.look()
        return changed

    def carry_out(self, action: Action) -> None:
        match action:
            case SignalContainer():
                assert self.run(action.name).stop_sent_at is None, "two stop signals"
            case KillContainer():
                self.check_kill(action)
            case RunHook():
                self.check_hook(action)
            case RestartAll():
                assert self.facts.deletion is None and not is_finished(self.pod, self.facts)
        super().carry_out(action)
        self.look()

    def check_kill(self, action: KillContainer) -> None:
        run, deletion = self.run(action.name), self.facts.deletion
        asked = run.stop_sent_at
        at_once = action.why == RESTARTING_ALL or (deletion and not deletion.grace_seconds)
        if run.started_at is not None and not at_once:
            assert asked is not None and self.now >= asked + FLOOR, "killed before it could leave"

    def check_hook(self, action: RunHook) -> None:
        run = self.run(action.name)
        assert run.exit is None and run.started_at is not None
        assert run.stop_sent_at is None and run.kill_sent_at is None
        if action.hook == "preStop":
            assert run.pre_stop is None and action.timeout is not None and action.timeout > 0
            assert self.facts.sandbox is not None
        else:
            assert run.post_start is None and run.pre_stop is None
            deletion = self.facts.deletion  # a sidecar may be started again since
            assert deletion is None or run.created_at >= deletion.at

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
        assert not is_finished(self.pod, self.facts)
        fallen = [container.name for container in fallen_sidecars(self.pod, self.facts)]
        assert self.facts.deletion is None or action.name in fallen
        assert known.current is None or known.current.exit is not None, "two live attempts"
        assert action.attempt == (known.restarts + 1 if known.current else 0)
        if stop_reason(self.pod, self.facts) is None:
            assert is_there(known, self.spec(action.name)), "started without its image"
        for other, run in live_containers(self.pod, self.facts):
            assert run.round == self.facts.round.number, "two rounds at once"
            assert not is_starting(other, run), "the start of another is on its way"
        if action.name in [c.name for c in self.pod.spec.containers]:
            self.check_initialised()

    def check_initialised(self) -> None:
        sandbox = self.facts.sandbox
        assert sandbox is not None and sandbox.ready
        for init in self.pod.spec.init_containers:
            run = self.known(init.name).current
            assert run is not None and run.sandbox_attempt == sandbox.attempt
            assert run.round == self.facts.round.number
            assert is_sidecar(self.pod, init) or init_succeeded(run.exit)

    def check_backoff(self, before: ContainerFacts, after: ContainerFacts) -> None:
        previous, current = after.last, after.current
        assert previous is not None and previous.exit is not None and current is not None
        lasted = previous.exit.finished_at - previous.created_at
        asked = previous.restart_requested_at is not None
        if lasted <= 600 and previous.spec_hash == current.spec_hash and not asked:
            assert self.now - previous.exit.finished_at >= before.backoff_seconds
            assert after.backoff_seconds >= before.backoff_seconds
        assert 0 < after.backoff_seconds <= self.settings.max_restart_period
