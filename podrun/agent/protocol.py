"""The lines between the command line and the agent (see docs/architecture.md)."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec

from podrun.agent.client import MAX_REQUEST, VERSION
from podrun.errors import UsageError


class Source(msgspec.Struct, frozen=True):
    """A manifest that follows the request's line; ``name`` is for messages, ``size`` in bytes."""

    name: str
    size: Annotated[int, msgspec.Meta(ge=0, le=MAX_REQUEST)]


class Apply(msgspec.Struct, tag="apply", tag_field="verb", rename="camel", frozen=True):
    """``namespace`` is of pods that name none; ``wait``: none, started or ready; ``timeout`` in
    seconds. The contents of ``sources`` come after the line, one behind the other.
    """

    version: int
    sources: tuple[Source, ...]
    namespace: str = ""
    owner_gid: int = 0
    wait: str = "started"
    timeout: float | None = None


class ObjectKey(msgspec.Struct, frozen=True):
    """Of an object that is no pod. ``kind`` as in manifests: ConfigMap."""

    kind: str
    namespace: str
    name: str


class Delete(msgspec.Struct, tag="delete", tag_field="verb", rename="camel", frozen=True):
    """Pods by uid, and other objects by name. What claims hold stays, unless ``reclaim``."""

    version: int
    uids: tuple[str, ...] = ()
    objects: tuple[ObjectKey, ...] = ()
    reclaim: bool = False
    grace_seconds: int | None = None
    wait: bool = True
    timeout: float | None = None


class Gate(msgspec.Struct, tag="gate", tag_field="verb", rename="camel", frozen=True):
    """Say whether the condition ``type`` of a pod's readinessGates holds."""

    version: int
    uid: str
    type: str
    holds: bool


class Restart(msgspec.Struct, tag="restart", tag_field="verb", rename="camel", frozen=True):
    """``container`` "" means all of the pod. Answered when the new runs are started."""

    version: int
    uids: tuple[str, ...]
    container: str = ""
    wait: bool = True
    timeout: float | None = None


class Ping(msgspec.Struct, tag="ping", tag_field="verb", rename="camel", frozen=True):
    version: int


class Stop(msgspec.Struct, tag="stop", tag_field="verb", rename="camel", frozen=True):
    """The agent leaves; the pods go on."""

    version: int


Request = Apply | Delete | Gate | Restart | Ping | Stop


def decode(line: bytes) -> Request:
    """Raises UsageError: the other side speaks another version, or not our language."""
    try:
        request: Request = msgspec.json.decode(line, type=Request)
    except msgspec.MsgspecError as error:
        raise UsageError(f"the agent does not understand the request: {error}") from None
    if request.version != VERSION:
        raise UsageError(
            f"the agent speaks version {VERSION} of the protocol, the command {request.version}",
            hint="`podrun agent --stop` lets the next command start the new agent; pods run on",
        )
    return request


def payload_size(request: Request) -> int:
    """Bytes that follow the line. Raises UsageError when they are too many."""
    size = sum(source.size for source in request.sources) if isinstance(request, Apply) else 0
    if size > MAX_REQUEST:
        raise UsageError(f"the manifests are larger than {MAX_REQUEST >> 20} MiB")
    return size


def split(request: Apply, payload: bytes) -> list[tuple[bytes, str]]:
    """(content, name) of each source."""
    found, at = [], 0
    for source in request.sources:
        found.append((payload[at : at + source.size], source.name))
        at += source.size
    return found


def encode(message: dict[str, Any]) -> bytes:
    return msgspec.json.encode(message) + b"\n"
