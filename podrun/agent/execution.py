"""Carry out policy's actions: each becomes a worker's operation or one quick call, then facts."""

from __future__ import annotations

import os
import secrets
import time
from collections.abc import Callable
from functools import partial
from typing import Any

from podrun.agent import operations, worker
from podrun.agent.hooks import Hooks
from podrun.agent.node import Node
from podrun.agent.podstore import StoredPod
from podrun.agent.watch import Watch
from podrun.api.change import spec_hash
from podrun.api.pod import Container
from podrun.container import control
from podrun.errors import MechanismFailed, PodrunError
from podrun.pod import actions, backoff
from podrun.pod.facts import ContainerFacts, Facts, Run, Sandbox, Verdict


class Execution:
    """Of one pod's actions. ``save`` puts the facts on disk: what may not be lost waits for it."""

    def __init__(
        self,
        node: Node,
        stored: StoredPod,
        watch: Watch,
        hooks: Hooks,
        save: Callable[[], None],
    ) -> None:
        self._node = node
        self._stored = stored
        self._watch = watch
        self._hooks = hooks
        self._save = save

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
            case actions.StartContainer(name=name, attempt=attempt):
                await self._start(name, attempt)
            case actions.SignalContainer(name=name, signal=signal, why=why):
                self._signal(name, signal, why)
            case actions.KillContainer(name=name, why=why):
                self._kill(name, why)
            case actions.RunHook():
                self._hooks.begin(action)
            case actions.PassVerdict(reason=reason, message=message):
                self._facts.verdict = Verdict(reason=reason, message=message, at=time.time())
            case actions.ReleasePod():
                await self._release()

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
            self._facts.sandbox_trouble, error.reason or reason, _text(error), time.time()
        )

    # ── containers ──────────────────────────────────────────────────────────────────────────────

    async def _start(self, name: str, attempt: int) -> None:
        """Launch; put the run on record; let it go; wait until it is known to have started."""
        container = self._container(name)
        run = self._new_run(container, attempt)
        forked = worker.Forked(
            partial(operations.launch_container, self._node, self._stored, container, run)
        )
        try:
            run.image_id = str((await _said(forked, "image"))["image"])
            run.note = str((await _said(forked, "created"))["created"]["note"])
        except PodrunError as error:
            forked.close()
            await worker.ended(forked.pidfd, is_child=True)
            os.close(forked.pidfd)
            self._start_trouble(name, error)
            return
        self._watch.monitor(name, run, forked.pidfd, is_child=True)
        try:
            self._put_on_record(name, run)
            forked.let_go()
            answer = await forked.lines.next()  # a failure shows as the monitor's exit record
            if answer is not None and "started" in answer and run.started_at is None:
                run.started_at = float(answer["started"])
        finally:
            forked.close()  # before its byte was sent, this ends the container

    def _new_run(self, container: Container, attempt: int) -> Run:
        assert self._facts.sandbox is not None
        return Run(
            id=secrets.token_hex(32),
            attempt=attempt,
            image=container.image,
            image_id="",
            spec_hash=spec_hash(container),
            sandbox_attempt=self._facts.sandbox.attempt,
            created_at=time.time(),
        )

    def _put_on_record(self, name: str, run: Run) -> None:
        """Durable on return. OSError (a full disk): then the run never was."""
        before = self._facts.of(name)
        self._facts.containers[name] = backoff.next_run(before, run, self._node.settings)
        try:
            self._save()
        except OSError as error:
            self._facts.containers[name] = before
            self._start_trouble(name, MechanismFailed.from_oserror("record the run", error))
            raise

    def _start_trouble(self, name: str, error: PodrunError) -> None:
        known = self._facts.containers.setdefault(name, ContainerFacts())
        known.trouble = backoff.next_trouble(
            known.trouble, error.reason or "CreateContainerError", _text(error), time.time()
        )

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

    def _container(self, name: str) -> Container:
        return next(c for c in self._stored.pod.spec.all_containers if c.name == name)


async def _said(forked: worker.Forked, key: str) -> dict[str, Any]:
    answer = await forked.lines.next()
    if answer is None or key not in answer:
        worker.unpack(answer, "start container")
        raise MechanismFailed(f"start container: the worker said {answer!r} before {key!r}")
    return answer


def _text(error: PodrunError) -> str:
    return f"{error.message} ({error.hint})" if error.hint else error.message
