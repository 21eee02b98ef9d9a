"""Pods, and a node without a kernel: it carries out plans on facts as the agent must."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from podrun.api.change import spec_hash
from podrun.api.pod import Container, ObjectMeta, Pod, PodSpec, ResourceRequirements
from podrun.pod.actions import (
    Action,
    CreateSandbox,
    KillContainer,
    PassVerdict,
    Plan,
    ReleasePod,
    SignalContainer,
    StartContainer,
    StopSandbox,
)
from podrun.pod.backoff import Settings, next_run, next_trouble
from podrun.pod.facts import ContainerFacts, Deletion, Exit, Facts, Run, Sandbox, Verdict
from podrun.pod.plan import plan

T0 = 1_700_000_000.0


def container(name: str, *, sidecar: bool = False, image: str = "busybox") -> Container:
    return Container(name=name, image=image, restart_policy="Always" if sidecar else "")


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


def with_image(pod: Pod, name: str, image: str) -> Pod:
    """``pod`` with another image for one container."""

    def changed(containers: tuple[Container, ...]) -> tuple[Container, ...]:
        return tuple(
            msgspec.structs.replace(c, image=image) if c.name == name else c for c in containers
        )

    spec = msgspec.structs.replace(
        pod.spec,
        init_containers=changed(pod.spec.init_containers),
        containers=changed(pod.spec.containers),
    )
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
        self.sandbox_fails = False

    # what policy does

    def plan(self) -> Plan:
        return plan(self.pod, self.facts, self.now, self.settings)

    def settle(self) -> list[Action]:
        """Carry out plans until none is due; what was done."""
        done: list[Action] = []
        while not self.released:
            due = self.plan().actions
            if not due:
                return done
            for action in due:
                self.carry_out(action)
            done += due
            assert len(done) < 200, f"policy does not come to rest: {done[-4:]}"
        return done

    def carry_out(self, action: Action) -> None:
        self.log.append(action)
        match action:
            case CreateSandbox():
                self._create_sandbox(action)
            case StopSandbox():
                assert self.facts.sandbox is not None
                self.facts.sandbox.ready, self.facts.sandbox.stopped_at = False, self.now
            case StartContainer():
                self._start(action)
            case SignalContainer():
                run = self.run(action.name)
                run.stop_sent_at, run.stop_reason = self.now, run.stop_reason or action.why
            case KillContainer():
                run = self.run(action.name)
                run.kill_sent_at, run.stop_reason = self.now, run.stop_reason or action.why
                self.exits(action.name, 137, signal=9)
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

    def _start(self, action: StartContainer) -> None:
        spec = next(c for c in self.pod.spec.all_containers if c.name == action.name)
        known = self.facts.of(action.name)
        if action.name in self.failing:
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
        )
        self.facts.containers[action.name] = next_run(known, run, self.settings)

    # what happens to the pod

    def run(self, name: str) -> Run:
        run = self.facts.of(name).current
        assert run is not None
        return run

    def known(self, name: str) -> ContainerFacts:
        return self.facts.of(name)

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
