"""Carry out policy's actions: each becomes a worker's operation or one quick call, then facts."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

from podrun.agent import operations, resizing, worker
from podrun.agent.hooks import Hooks
from podrun.agent.node import Node
from podrun.agent.podpulls import PodPulls
from podrun.agent.podstore import StoredPod
from podrun.agent.starting import Starter
from podrun.agent.watch import Watch
from podrun.api.pod import Container
from podrun.container import control
from podrun.errors import PodrunError
from podrun.pod import actions, backoff, imagevolumes
from podrun.pod.facts import Facts, Sandbox, Verdict
from podrun.pod.pulling import back_off
from podrun.pod.resources import Amounts
from podrun.pod.rounds import begin_round


class Execution:
    """Of one pod's actions. ``save`` puts the facts on disk: what may not be lost waits for it.

    ``taken`` gives what the pods beside the one of that uid request.
    """

    def __init__(
        self,
        node: Node,
        stored: StoredPod,
        watch: Watch,
        hooks: Hooks,
        pulls: PodPulls,
        save: Callable[[], None],
        taken: Callable[[str], Amounts],
    ) -> None:
        self._node = node
        self._stored = stored
        self._watch = watch
        self._hooks = hooks
        self._pulls = pulls
        self._taken = taken
        self._starter = Starter(node, stored, watch, save)

    @property
    def _facts(self) -> Facts:
        return self._stored.facts

    async def carry_out(self, action: actions.Action) -> None:
        """Never raises PodrunError: what could not be done is a Trouble of the facts."""
        match action:
            case actions.CreateSandbox(attempt=attempt):
                await self._create_sandbox(attempt)
            case actions.StopSandbox():
                await self._stop_sandbox()
            case actions.PullImage():
                self._pulls.begin(action)
            case actions.BackOffPull(name=name):
                self._back_off(name)
            case actions.StartContainer():
                await self.start((action,))
            case actions.SignalContainer(name=name, signal=signal, why=why):
                self._signal(name, signal, why)
            case actions.KillContainer(name=name, why=why):
                self._kill(name, why)
            case actions.RunHook():
                self._hooks.begin(action)
            case actions.RestartAll(why=why, number=number):
                begin_round(self._stored.pod, self._facts, number, why, time.time())
            case actions.ResizeContainer(name=name):
                self._resize(name)
            case actions.PassVerdict(reason=reason, message=message):
                self._facts.verdict = Verdict(reason=reason, message=message, at=time.time())
            case actions.ReleasePod():
                await self._release()

    async def start(self, wanted: Sequence[actions.StartContainer]) -> None:
        """Several at once, in their order. OSError when a run cannot be recorded."""
        await self._starter.start(wanted)

    # ── the sandbox ─────────────────────────────────────────────────────────────────────────────

    async def _create_sandbox(self, attempt: int) -> None:
        try:
            ips = await worker.run(operations.create_sandbox, self._node, self._stored, attempt)
        except PodrunError as error:
            self._sandbox_trouble(error, "FailedCreatePodSandBox")
            return
        self._facts.sandbox_trouble = None
        self._facts.sandbox = Sandbox(attempt=attempt, created_at=time.time(), ips=tuple(ips))
        self._watch.pause()

    async def _stop_sandbox(self) -> None:
        assert self._facts.sandbox is not None
        self._watch.forget_pause()
        try:
            await worker.run(operations.stop_sandbox, self._node, self._stored)
        except PodrunError as error:
            self._sandbox_trouble(error, "KillPodSandboxError")
            return
        self._facts.sandbox_trouble = None
        self._facts.sandbox.ready = False
        self._facts.sandbox.stopped_at = time.time()

    async def _release(self) -> None:
        await self._watch.finish()
        try:
            await worker.run(operations.release, self._node, self._stored)
        except PodrunError as error:
            self._sandbox_trouble(error, "KillPodSandboxError")
            return
        self._facts.sandbox_trouble = None

    def _sandbox_trouble(self, error: PodrunError, reason: str) -> None:
        self._facts.sandbox_trouble = backoff.next_trouble(
            self._facts.sandbox_trouble, error.reason or reason, error.text, time.time()
        )

    def _back_off(self, name: str) -> None:
        container = imagevolumes.find(self._stored.pod, name)
        if container is not None:
            back_off(self._facts, container, time.time())

    # ── containers ──────────────────────────────────────────────────────────────────────────────

    def _signal(self, name: str, signal: str, why: str) -> None:
        run = self._facts.of(name).current
        assert run is not None
        run.stop_sent_at = time.time()
        run.stop_reason = why
        record = control.load(self._node.paths.runtime, run.id)
        if record is not None:
            control.send(record, control.stop_signal(signal or record.stop_signal))

    def _kill(self, name: str, why: str) -> None:
        run = self._facts.of(name).current
        assert run is not None
        run.kill_sent_at = time.time()
        run.stop_reason = run.stop_reason or why
        record = control.load(self._node.paths.runtime, run.id)
        if record is not None:
            control.kill(record)

    def _resize(self, name: str) -> None:
        run = self._facts.of(name).current
        assert run is not None
        taken = self._taken(self._stored.paths.uid)
        resizing.carry_out(self._node, self._stored, self._container(name), run, taken)

    def _container(self, name: str) -> Container:
        return next(c for c in self._stored.pod.spec.all_containers if c.name == name)
