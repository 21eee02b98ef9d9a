"""The agent: all pod tasks of the node, the requests that change them, and when to leave."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import logging
import os
import socket
import struct
import time
from collections.abc import Callable
from typing import Any

from podrun.agent import claims, operations, protocol, worker
from podrun.agent.capacity import Capacity
from podrun.agent.changes import Changes
from podrun.agent.client import MAX_REQUEST
from podrun.agent.controllers import Controllers
from podrun.agent.imagegc import ImageGc
from podrun.agent.logrotate import LogRotation
from podrun.agent.node import Node
from podrun.agent.objectevents import ObjectEvents
from podrun.agent.objects import Objects
from podrun.agent.podstore import PodStore, StoredPod
from podrun.agent.podtask import PodTask
from podrun.agent.pulls import Pulls
from podrun.agent.storage import StorageWatch
from podrun.agent.turns import Turns
from podrun.errors import MechanismFailed, PodrunError, Unavailable, UsageError
from podrun.pod.progress import is_finished

log = logging.getLogger(__name__)

#: connections at a time; who comes then is hung up on: descriptors are for pods, too
MAX_CLIENTS = 256
_LONG_REQUESTS = 4  # read at a time, for each may take up twice MAX_REQUEST of memory
_BUFFER = 256 << 10  # of a connection whose request is not being read


class Agent:
    """``tasks`` holds every pod of the node by uid, from acceptance to release."""

    def __init__(self, node: Node) -> None:
        self.node = node
        self.store = PodStore(node.paths)
        self.tasks: dict[str, PodTask] = {}
        self._logs = LogRotation(node.paths.log / "pods")
        self._running: set[asyncio.Task[None]] = set()
        self._turns = Turns()
        self._pulls = Pulls(node)
        self._image_gc = ImageGc(node, lambda: [task.stored for task in self.tasks.values()])
        self.capacity = Capacity(node, self.tasks.values)
        self.objects = Objects(node.paths, self.tasks.values)
        self.object_events = ObjectEvents(node.paths)
        self.controllers = Controllers(self)
        self._storage = StorageWatch(self.tasks.values)
        self._clients = 0
        self._long_requests = asyncio.Semaphore(_LONG_REQUESTS)
        self._idle_since = time.monotonic()
        self._leaving = False
        self._recheck = asyncio.Event()  # something happened after which we may be idle

    # ── life ────────────────────────────────────────────────────────────────────────────────────

    async def start(self) -> None:
        """Adopt every pod on disk; end what nobody knows."""
        stored_pods = self.store.list()
        known: dict[str, set[str]] = {}
        for stored in stored_pods:
            runs = [c.current for c in stored.facts.containers.values()]
            known[stored.paths.uid] = {run.id for run in runs if run is not None}
        await self._try(operations.sweep, self.node, known)
        await self._try(operations.sweep_rubbish, self.node)
        with contextlib.suppress(OSError):
            self.objects.store.sweep()
        if claims.has_rubbish(self.node.paths):
            await self._try(claims.sweep, self.node.paths)
        if any(not stored.pod.spec.host_network for stored in stored_pods):
            await self._try(operations.restore_network, self.node)
        for stored in stored_pods:
            # What waits for a pod that is gone waits no longer.
            if stored.facts.replaces and stored.facts.replaces not in known:
                stored.facts.replaces = ""
            self.add(stored).adopt()
        self.capacity.review()
        self.controllers.start()
        self._logs.start()
        if stored_pods:  # else somebody is about to apply one, whose images nobody uses yet
            self._image_gc.look()

    async def _try(self, operation: Callable[..., None], *arguments: object) -> None:
        """Of what can wait: a pod that needs it will say so by itself."""
        try:
            await worker.run(operation, *arguments)
        except PodrunError as error:
            log.warning("%s: %s (%s)", operation.__name__, error.message, error.hint)

    async def serve(self, listener: socket.socket) -> None:
        """Until asked to leave, or idle for long enough."""
        listener.setblocking(False)
        self._idle_since = time.monotonic()  # not from the start, which may have taken long
        server = await asyncio.start_unix_server(self._client, sock=listener, limit=_BUFFER)
        try:
            while not self._leaving and (left := self._time_to_idle()) != 0:
                self._recheck.clear()
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self._recheck.wait(), left)
        finally:
            server.close()
            self._logs.stop()
            self._image_gc.close()
            self._storage.close()

    def leave(self) -> None:
        """Pods go on without us; the next agent adopts them."""
        self._leaving = True
        self._recheck.set()

    def _time_to_idle(self) -> float | None:
        """Seconds until the agent may leave; None while a pod, a workload or a client needs it."""
        needed = self._clients or self.controllers.need_agent
        if needed or any(not is_finished(t.stored.pod, t.facts) for t in self.tasks.values()):
            self._idle_since = time.monotonic()
            return None
        return max(self._idle_since + self.node.config.agent_idle_seconds - time.monotonic(), 0)

    # ── pods ────────────────────────────────────────────────────────────────────────────────────

    def add(self, stored: StoredPod) -> PodTask:
        """Start the task of a pod that is on disk."""
        task = PodTask(
            self.node, self.store, stored, self._turns, self._pulls, self.capacity.taken_beside
        )
        task.listeners.add(lambda stored, events: self._changed(stored))
        task.listeners.add(self._image_gc.heard)
        self.tasks[stored.paths.uid] = task
        running = asyncio.get_running_loop().create_task(self._drive(task))
        self._running.add(running)
        running.add_done_callback(self._running.discard)
        return task

    def recheck(self) -> None:
        """Something happened after which the agent may not be needed any more."""
        self._recheck.set()

    def _changed(self, stored: StoredPod) -> None:
        self._recheck.set()
        self.controllers.heard(stored)
        self.capacity.heard()
        self._storage.heard()

    async def _drive(self, task: PodTask) -> None:
        await task.run()
        uid = task.stored.paths.uid
        self.tasks.pop(uid, None)
        self._image_gc.ended(task.stored)
        for other in self.tasks.values():
            if other.facts.replaces == uid:
                other.facts.replaces = ""
                other.wake()
                with contextlib.suppress(OSError):  # a full disk: its task saves it again
                    other.changed()
        self._changed(task.stored)

    # ── clients ─────────────────────────────────────────────────────────────────────────────────

    async def _client(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self._clients >= MAX_CLIENTS:
            writer.transport.abort()
            return
        self._clients += 1
        try:
            await self._answer(reader, writer)
        except (ConnectionError, asyncio.IncompleteReadError, ValueError):
            pass  # it went away, or sent a line without end: its own affair
        finally:
            self._clients -= 1
            self._recheck.set()
            writer.close()

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        def say(message: dict[str, Any]) -> None:
            if not writer.is_closing():
                writer.write(protocol.encode(message))

        try:
            _require_root(writer)
            async with asyncio.timeout(10):
                found = await self._read(reader)
            if found is not None:
                say({"done": await self._do(*found, say)})
        except TimeoutError:
            return
        except PodrunError as error:
            say({"error": error.to_wire()})
        except OSError as error:
            failed = MechanismFailed.from_oserror("carry out the request", error, hint=_hint(error))
            say({"error": failed.to_wire()})
        except Exception as error:  # a defect of ours: the others' pods must not suffer
            log.exception("a request failed")
            failed = MechanismFailed(
                f"internal error: {error!r}", hint=f"see {self.node.paths.agent_log}"
            )
            say({"error": failed.to_wire()})
        await writer.drain()

    async def _read(self, reader: asyncio.StreamReader) -> tuple[protocol.Request, bytes] | None:
        """The request and what follows its line; None when the client went away before its end.

        Raises UsageError.
        """
        line = await _read_line(reader, self._long_requests)
        if not line.endswith(b"\n"):
            return None
        request = protocol.decode(line)
        size = protocol.payload_size(request)
        async with self._long_requests if size > _BUFFER else contextlib.nullcontext():
            try:
                return request, await reader.readexactly(size)
            except asyncio.IncompleteReadError:
                return None

    async def _do(self, request: protocol.Request, payload: bytes, say: Any) -> dict[str, Any]:
        changes = Changes(self, lambda progress: say({"progress": progress}))
        match request:
            case protocol.Apply():
                return await changes.apply(request, payload)
            case protocol.Delete():
                return await changes.delete(request)
            case protocol.Gate():
                return changes.set_gate(request)
            case protocol.Restart():
                return await changes.restart(request)
            case protocol.Stop():
                self.leave()
                return {}
            case protocol.Ping():
                return {"pid": os.getpid(), "pods": len(self.tasks)}


async def _read_line(reader: asyncio.StreamReader, long: asyncio.Semaphore) -> bytes:
    """Up to MAX_REQUEST; what is longer than a buffer waits until few others are read.

    Without its end when the client went away. Raises UsageError.
    """
    async with contextlib.AsyncExitStack() as turn:
        line = bytearray()
        while len(line) <= MAX_REQUEST:
            try:
                return bytes(line + await reader.readuntil())
            except asyncio.IncompleteReadError as error:
                return bytes(line + error.partial)
            except asyncio.LimitOverrunError as error:
                if not line:
                    await turn.enter_async_context(long)
                line += await reader.readexactly(error.consumed)
    raise UsageError(f"a request is longer than {MAX_REQUEST >> 20} MiB")


def _require_root(writer: asyncio.StreamWriter) -> None:
    peer = writer.get_extra_info("socket")
    data = peer.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i"))
    _, uid, _ = struct.unpack("3i", data)
    if uid != 0:
        raise Unavailable("only root may talk to the agent", hint="run it with sudo")


def _hint(error: OSError) -> str:
    full = error.errno in (errno.ENOSPC, errno.EDQUOT)
    return "the disk is full: `podrun system df` shows what podrun keeps" if full else ""
