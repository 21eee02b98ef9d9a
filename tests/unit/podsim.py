"""Pods, and a node without a kernel: it carries out plans on facts as the agent must."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from podrun.api.change import spec_hash
from podrun.api.pod import (
    Container,
    ContainerRestartRule,
    ContainerRestartRuleOnExitCodes,
    ContainerStatus,
    Lifecycle,
    LifecycleHandler,
    ObjectMeta,
    Pod,
    PodCondition,
    PodReadinessGate,
    PodSpec,
    PodStatus,
    Probe,
    ResourceRequirements,
    SleepAction,
)
from podrun.pod import resizing
from podrun.pod.actions import (
    Action,
    BackOffPull,
    CreateSandbox,
    KillContainer,
    PassVerdict,
    Plan,
    PullImage,
    ReleasePod,
    ResizeContainer,
    RestartAll,
    RunHook,
    SignalContainer,
    StartContainer,
    StopSandbox,
)
from podrun.pod.backoff import Settings, next_run, next_trouble, settings_for
from podrun.pod.facts import ContainerFacts, Deletion, Exit, Facts, Run, Sandbox, Verdict
from podrun.pod.hooks import hook_began, hook_ended
from podrun.pod.plan import plan
from podrun.pod.probes import SUCCESS, Due, Key, ProbeState, agenda, apply_result, observe
from podrun.pod.pulling import (
    FAILED,
    Found,
    back_off,
    forget_pull,
    is_needed,
    pull_began,
    pull_done,
    pull_failed,
)
from podrun.pod.resources import resources_hash
from podrun.pod.rounds import begin_round
from podrun.pod.status import NodeFacts, status

T0 = 1_700_000_000.0
PENDING = "pending"


def container(
    name: str, *, sidecar: bool = False, image: str = "busybox", **fields: Any
) -> Container:
    """Further ``fields`` as ``Container`` has them."""
    policy = fields.pop("restart_policy", "Always" if sidecar else "")
    return Container(name=name, image=image, restart_policy=policy, **fields)


def hooks(*names: str, signal: str = "") -> Lifecycle:
    """A lifecycle with the hooks ``names`` (post_start, pre_stop)."""
    handler = LifecycleHandler(sleep=SleepAction(seconds=1))
    return Lifecycle(stop_signal=signal, **dict.fromkeys(names, handler))


def probe(**fields: int) -> Probe:
    """Fields by their first word: ``probe(initial=5, period=1, failure=2, termination=7)``."""
    names = {name.partition("_")[0]: name for name in Probe.__struct_fields__}
    return Probe(**{names[word]: value for word, value in fields.items()})  # type: ignore[arg-type]


def rule(action: str, operator: str, *codes: int) -> ContainerRestartRule:
    on = ContainerRestartRuleOnExitCodes(operator=operator, values=codes)
    return ContainerRestartRule(action=action, exit_codes=on)


def asks(name: str, sidecar: bool = False, **quantities: str) -> Container:
    """``asks("a", cpu="1", max_cpu="2")``: requests, and limits with ``max_`` before them."""
    limits = {key[4:]: value for key, value in quantities.items() if key.startswith("max_")}
    requests = {key: value for key, value in quantities.items() if not key.startswith("max_")}
    return msgspec.structs.replace(
        container(name, sidecar=sidecar),
        resources=ResourceRequirements(limits=limits, requests=requests),
    )


def pod(
    *apps: Container | str,
    init: Sequence[Container | str] = (),
    policy: str = "Always",
    grace: int = 30,
    deadline: int | None = None,
) -> Pod:
    return Pod(
        metadata=ObjectMeta(name="web", namespace="default", uid="u1"),
        spec=PodSpec(
            init_containers=tuple(container(c) if isinstance(c, str) else c for c in init),
            containers=tuple(container(c) if isinstance(c, str) else c for c in apps or ("app",)),
            restart_policy=policy,
            termination_grace_period_seconds=grace,
            active_deadline_seconds=deadline,
        ),
    )


def with_container(pod: Pod, changed: Container) -> Pod:
    """``pod`` with another definition of the container of that name."""

    def each(containers: tuple[Container, ...]) -> tuple[Container, ...]:
        return tuple(changed if c.name == changed.name else c for c in containers)

    spec = msgspec.structs.replace(
        pod.spec,
        init_containers=each(pod.spec.init_containers),
        containers=each(pod.spec.containers),
    )
    return msgspec.structs.replace(pod, spec=spec)


def with_image(pod: Pod, name: str, image: str) -> Pod:
    """``pod`` with another image for one container."""
    known = next(c for c in pod.spec.all_containers if c.name == name)
    return with_container(pod, msgspec.structs.replace(known, image=image))


def with_annotation(pod: Pod, name: str, value: str) -> Pod:
    metadata = msgspec.structs.replace(pod.metadata, annotations={name: value})
    return msgspec.structs.replace(pod, metadata=metadata)


def with_gates(pod: Pod, *types: str) -> Pod:
    gates = tuple(PodReadinessGate(condition_type=type) for type in types)
    spec = msgspec.structs.replace(pod.spec, readiness_gates=gates)
    return msgspec.structs.replace(pod, spec=spec)


class Node:
    """One pod on a node whose clock stands still unless told. ``log`` is all that was done."""

    def __init__(self, pod: Pod, settings: Settings | None = None) -> None:
        self.pod = pod
        self.settings = settings or Settings()
        self.now = T0
        self.facts = Facts(accepted_at=T0)
        self.log: list[Action] = []
        self.released = False
        self.failing: dict[str, str] = {}  # container → reason why it cannot be created
        self.start_errors: set[str] = set()  # whose process cannot be executed
        self.pulls: dict[str, str] = {}  # image → PENDING, or why a pull of it fails
        self.sandbox_fails = False
        self.hooks: dict[tuple[str, str], str] = {}  # (container, hook) → error, or PENDING
        self.resize_fails = False
        self.room, self.taken = {"cpu": 4000, "memory": 8 << 30}, dict[str, int]()
        self.states: dict[Key, ProbeState] = {}
        self.answers: dict[Key, str] = {}  # what probes come to; those not named succeed
        self.tried: list[Due] = []

    # what policy does

    def plan(self) -> Plan:
        return plan(self.pod, self.facts, self.now, self.settings)

    def settle(self) -> list[Action]:
        """Carry out plans until none is due; what was done, but for looking for images that are
        there: that goes before every start."""
        done: list[Action] = []
        while not self.released:
            self._give_up_pulls()
            due = self.plan().actions
            if not due:
                return done
            for action in due:
                self.carry_out(action)
            done += [action for action in due if not self._is_only_a_look(action)]
            assert len(done) < 200, f"policy does not come to rest: {done[-4:]}"
        return done

    def due(self) -> tuple[Action, ...]:
        """What is due once images that are there were looked for."""
        while looks := [each for each in self.plan().actions if self._is_only_a_look(each)]:
            for action in looks:
                self.carry_out(action)
        return self.plan().actions

    def _give_up_pulls(self) -> None:
        for name in self.facts.containers:
            if not is_needed(self.pod, self.facts, name):
                forget_pull(self.facts, name)

    def _is_only_a_look(self, action: Action) -> bool:
        if not isinstance(action, PullImage):
            return False
        fails = self.failing.get(action.name) in FAILED
        return not fails and self.spec(action.name).image not in self.pulls

    def carry_out(self, action: Action) -> None:
        self.log.append(action)
        match action:
            case CreateSandbox():
                self._create_sandbox(action)
            case StopSandbox():
                assert self.facts.sandbox is not None
                self.facts.sandbox.ready, self.facts.sandbox.stopped_at = False, self.now
            case PullImage():
                self._pull(action)
            case BackOffPull():
                back_off(self.facts, self.spec(action.name), self.now)
            case StartContainer():
                self._start(action)
            case SignalContainer():
                run = self.run(action.name)
                run.stop_sent_at, run.stop_reason = self.now, action.why
            case KillContainer():
                run = self.run(action.name)
                run.kill_sent_at, run.stop_reason = self.now, run.stop_reason or action.why
                self.exits(action.name, 137, signal=9)
            case RunHook():
                self._run_hook(action)
            case RestartAll():
                begin_round(self.pod, self.facts, action.number, action.why, self.now)
            case ResizeContainer():
                self._resize(action.name)
            case PassVerdict():
                self.facts.verdict = Verdict(action.reason, action.message, self.now)
            case ReleasePod():
                self.released = True

    def _create_sandbox(self, action: CreateSandbox) -> None:
        facts = self.facts
        if self.sandbox_fails:
            facts.sandbox_trouble = next_trouble(
                facts.sandbox_trouble, "CreatePodSandboxError", "no address left", self.now
            )
            return
        facts.sandbox = Sandbox(action.attempt, self.now, ips=("10.85.0.2",))
        facts.sandbox_trouble = None

    def _pull(self, action: PullImage) -> None:
        spec = self.spec(action.name)
        pull_began(self.facts, spec, self.now)
        reason = self.failing.get(action.name, "")
        error = "no" if reason in FAILED else self.pulls.get(spec.image, "")
        if not error:
            pull_done(self.facts, action.name, self._found(spec.image), self.now)
        elif error != PENDING:
            self.pull_ends(action.name, error, reason or FAILED[0])

    def _found(self, image: str) -> Found:
        return Found(image, f"sha256:{image}")

    def pull_ends(self, name: str, error: str = "", reason: str = FAILED[0]) -> None:
        """One that is PENDING, after a second for which it had its turn."""
        if error:
            settings = settings_for(self.pod, self.settings)
            pull_failed(self.facts, name, reason, error, self.now, settings)
        else:
            found = self._found(self.spec(name).image)
            pull_done(self.facts, name, found, self.now, seconds=1.0)

    def _start(self, action: StartContainer) -> None:
        spec = self.spec(action.name)
        known = self.facts.of(action.name)
        if self.failing.get(action.name, FAILED[0]) not in FAILED:
            trouble = next_trouble(known.trouble, self.failing[action.name], "no", self.now)
            self.facts.containers[action.name] = msgspec.structs.replace(known, trouble=trouble)
            return
        assert self.facts.sandbox is not None
        run = Run(
            id=f"{action.name}-{action.attempt}",
            attempt=action.attempt,
            image=spec.image,
            image_id=f"sha256:{spec.image}",
            spec_hash=spec_hash(spec),
            sandbox_attempt=self.facts.sandbox.attempt,
            created_at=self.now,
            started_at=self.now,
            round=self.facts.round.number,
            resources_hash=resources_hash(spec),
            resources=spec.resources,
        )
        settings = settings_for(self.pod, self.settings)
        self.facts.containers[action.name] = next_run(known, run, settings, spec)
        if action.name in self.start_errors:
            run.started_at = None
            run.exit = Exit(128, self.now, reason="StartError", message="no such file")

    def _run_hook(self, action: RunHook) -> None:
        run = self.run(action.name)
        hook_began(run, action.hook, action.why, self.now)
        error = self.hooks.get((action.name, action.hook), "")
        if error != PENDING:
            hook_ended(run, action.hook, error, self.now)

    def _resize(self, name: str) -> None:
        run, spec = self.run(name), self.spec(name)
        if not resizing.begin(self.pod, self.facts, spec, run, self.room, self.taken, self.now):
            return
        if self.resize_fails:
            resizing.failed(run, resizing.ERROR, "busy", self.now)
        else:
            resizing.done(spec, run)

    # probes, as the agent's prober tries them

    def try_probe(self, name: str, kind: str, outcome: str, message: str = "no") -> bool:
        """Once, now; whether the facts changed."""
        run = self.run(name)
        state = self.states.get((name, kind))
        if state is None or state.run_id != run.id:
            state = ProbeState(run.id)
        spec = self.spec(name)
        probe = {"startup": spec.startup_probe, "liveness": spec.liveness_probe}.get(
            kind, spec.readiness_probe
        )
        assert probe is not None
        state = observe(probe, kind, state, outcome, message, self.now)
        self.states[name, kind] = state
        return apply_result(self.pod, self.facts, name, kind, state, self.now)

    def agenda(self) -> list[Due]:
        return agenda(self.pod, self.facts, self.states)

    def advance(self, seconds: float) -> None:
        """Time passes; policy is asked, and probes are tried, whenever it is time to."""
        until = self.now + seconds
        self.settle()
        while not self.released:
            due = self.agenda()[:1]
            wakes = [self.plan().wake_at, *(each.at for each in due)]
            wake = min((at for at in wakes if at is not None), default=until)
            if wake >= until:
                break
            self.now = max(self.now, wake)
            for each in due:
                if each.at <= self.now:
                    self.tried.append(each)
                    answer = self.answers.get((each.name, each.kind), SUCCESS)
                    self.try_probe(each.name, each.kind, answer)
            self.settle()
        self.now = until
        self.settle()

    # what happens to the pod

    def run(self, name: str) -> Run:
        run = self.facts.of(name).current
        assert run is not None
        return run

    def known(self, name: str) -> ContainerFacts:
        return self.facts.of(name)

    def hook_ends(self, name: str, hook: str, error: str = "") -> None:
        hook_ended(self.run(name), hook, error, self.now)

    def spec(self, name: str) -> Container:
        return next(c for c in self.pod.spec.all_containers if c.name == name)

    def wait(self, seconds: float) -> list[Action]:
        self.now += seconds
        return self.settle()

    def exits(self, name: str, code: int = 0, *, signal: int = 0, oom: bool = False) -> None:
        self.run(name).exit = Exit(code, self.now, signal=signal, oom_killed=oom)

    def loses_sandbox(self) -> None:
        assert self.facts.sandbox is not None
        self.facts.sandbox.ready, self.facts.sandbox.lost_at = False, self.now

    def is_deleted(self, grace: int = 30) -> None:
        self.facts.deletion = Deletion(self.now, grace, self.now)

    # what a test asks

    def live(self) -> list[str]:
        names = (c.name for c in self.pod.spec.all_containers)
        return [n for n in names if (run := self.known(n).current) and run.exit is None]

    def starts(self) -> list[str]:
        return [action.name for action in self.log if isinstance(action, StartContainer)]


# what a status shows

NODE = NodeFacts(host_ips=("192.0.2.1", "2001:db8::1"), name="node-1")


def shown(node: Node) -> PodStatus:
    return status(node.pod, node.facts, node.now, NODE, node.settings)


def app(node: Node, name: str = "app") -> ContainerStatus:
    result = shown(node)
    both = result.init_container_statuses + result.container_statuses
    return next(c for c in both if c.name == name)


def condition(node: Node, type: str) -> PodCondition:
    return next(c for c in shown(node).conditions if c.type == type)


def waiting(node: Node, name: str = "app") -> str:
    state = app(node, name).state.waiting
    return state.reason if state else ""


def settled(pod: Pod) -> Node:
    node = Node(pod)
    node.settle()
    return node
