"""From a probe or a hook of a Pod to what is tried, and trying it.

Ports get their numbers, hosts their addresses, commands their way into the container. What can be
known only at the time of the try (the pod's address, the resolver's answer) is found then.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterable

from podrun.agent import worker
from podrun.agent.node import Node
from podrun.agent.podstore import StoredPod
from podrun.api.pod import Container
from podrun.api.probe import (
    ExecAction,
    GRPCAction,
    HTTPGetAction,
    LifecycleHandler,
    Probe,
    TCPSocketAction,
)
from podrun.container import control
from podrun.container.user import User
from podrun.errors import NotFound, PodrunError
from podrun.pod.expansion import expand_all
from podrun.pod.facts import Run
from podrun.probe import address, command, grpc, http, tcp
from podrun.probe.outcome import ERROR, SUCCESS, Outcome


class Handlers:
    """Of one pod. Holds a way into each container in which a command has been run; ``close`` it."""

    def __init__(self, node: Node, stored: StoredPod) -> None:
        self._node = node
        self._stored = stored
        self._entrances: dict[str, asyncio.Task[command.Entrance]] = {}  # by run

    # ── probes ──────────────────────────────────────────────────────────────────────────────────

    async def probe(self, name: str, run: Run, probe: Probe, timeout: float) -> Outcome:
        """One try. Never raises PodrunError: what cannot be tried is an error."""
        container = self._container(name)
        try:
            if probe.exec is not None:
                return await self._exec(run, _expanded(probe.exec, container), timeout)
            if probe.http_get is not None:
                wanted = await self._http(container, probe.http_get, http.PROBE_AGENT, timeout)
                return await http.get(wanted, timeout)
            if probe.tcp_socket is not None:
                target = await self._tcp(container, probe.tcp_socket, timeout)
                return await tcp.connect(target, timeout)
            if probe.grpc is not None:
                return await grpc.check(self._grpc(probe.grpc), timeout)
        except PodrunError as error:
            return Outcome(ERROR, error.message)
        return Outcome(ERROR, "the probe has no handler")

    async def _http(
        self, container: Container, wanted: HTTPGetAction, agent: str, timeout: float | None
    ) -> http.HttpGet:
        host = wanted.host.removeprefix("[").removesuffix("]") or self._pod_address()
        return http.HttpGet(
            scheme=wanted.scheme.lower() or "http",
            host=host,
            address=await _address(host, timeout),
            port=port_of(container, wanted.port),
            path=wanted.path or "/",
            headers=tuple((header.name, header.value) for header in wanted.http_headers),
            agent=agent,
        )

    async def _tcp(
        self, container: Container, wanted: TCPSocketAction, timeout: float
    ) -> tcp.TcpConnect:
        host = wanted.host or self._pod_address()
        return tcp.TcpConnect(await _address(host, timeout), port_of(container, wanted.port))

    def _grpc(self, wanted: GRPCAction) -> grpc.GrpcCheck:
        return grpc.GrpcCheck(self._pod_address(), wanted.port, wanted.service)

    def _pod_address(self) -> str:
        sandbox = self._stored.facts.sandbox
        if sandbox is None or not sandbox.ips:
            raise NotFound("the pod has no address")
        return sandbox.ips[0]

    # ── hooks ───────────────────────────────────────────────────────────────────────────────────

    async def hook(self, name: str, run: Run, handler: LifecycleHandler) -> str:
        """Why it failed, or "" when it went well. Takes as long as it takes."""
        container = self._container(name)
        try:
            if handler.exec is not None:
                return _failed_command(await self._exec(run, handler.exec.command, None), handler)
            if handler.http_get is not None:
                # Any answer will do: upstream does not look at the status of a hook's.
                wanted = await self._http(container, handler.http_get, http.HOOK_AGENT, None)
                answer = await http.answer_to(wanted, None)
                return answer.message if isinstance(answer, Outcome) else ""
            if handler.sleep is not None:
                await asyncio.sleep(handler.sleep.seconds)
                return ""
        except PodrunError as error:
            return error.message
        return "invalid handler: tcpSocket hooks do nothing, and never did; use exec or httpGet"

    # ── commands ────────────────────────────────────────────────────────────────────────────────

    async def _exec(self, run: Run, words: tuple[str, ...], timeout: float | None) -> Outcome:
        try:
            entrance = await asyncio.shield(self._entrance(run))
        except PodrunError as error:
            self._entrances.pop(run.id, None)
            return Outcome(ERROR, error.message)
        return await command.run(entrance, words, timeout)

    def _entrance(self, run: Run) -> asyncio.Task[command.Entrance]:
        """Made once for a run, for all its probes: who its user is takes a worker to find out."""
        if run.id not in self._entrances:
            self._entrances[run.id] = asyncio.get_running_loop().create_task(self._enter(run))
        return self._entrances[run.id]

    async def _enter(self, run: Run) -> command.Entrance:
        record = control.load(self._node.paths.runtime, run.id)
        if record is None:
            raise NotFound("the container is not running")
        who = await worker.run(command.resolve_user, record)
        return command.Entrance(
            record, User(who["uid"], who["gid"], tuple(who["groups"]), who["home"])
        )

    def forget(self, live: Iterable[str]) -> None:
        """Let go of every run but those ``live``."""
        for run_id in set(self._entrances) - set(live):
            self._entrances.pop(run_id).add_done_callback(_close)

    def close(self) -> None:
        self.forget(())

    def _container(self, name: str) -> Container:
        return next(c for c in self._stored.pod.spec.all_containers if c.name == name)


def port_of(container: Container, port: int | str) -> int:
    """A number, or the name of one of the container's ports. NotFound for what is neither."""
    named = next((p.container_port for p in container.ports if p.name and p.name == port), port)
    number = int(named) if str(named).isdecimal() else 0
    if not 0 < number < 65536:
        raise NotFound(f"container {container.name} has no port {port!r}")
    return number


def _expanded(wanted: ExecAction, container: Container) -> tuple[str, ...]:
    """Only with what the manifest says literally: the values of other variables are not known."""
    values = {variable.name: variable.value for variable in container.env}
    return expand_all(wanted.command, values)


async def _address(host: str, timeout: float | None) -> str:
    """Raises NotFound. A resolver that does not answer is left alone after ``timeout`` seconds."""
    known = address.known(host)
    if known is not None:
        return known
    asked = asyncio.get_running_loop().create_task(worker.run(address.look_up, host))
    asked.add_done_callback(lambda task: task.cancelled() or task.exception())
    try:
        return str(await asyncio.wait_for(asyncio.shield(asked), timeout))
    except TimeoutError:
        raise NotFound(f"lookup {host}: no answer in time") from None


def _failed_command(outcome: Outcome, handler: LifecycleHandler) -> str:
    if outcome.kind == SUCCESS or handler.exec is None:
        return ""
    words = " ".join(handler.exec.command)
    return f'command "{words}" failed: {outcome.message.strip()}'


def _close(entered: asyncio.Task[command.Entrance]) -> None:
    with contextlib.suppress(asyncio.CancelledError):
        if entered.exception() is None:
            entered.result().close()
