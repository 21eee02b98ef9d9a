"""The lines between the command line and the agent (see docs/architecture.md)."""

from __future__ import annotations

from typing import Any

import msgspec

from podrun.api.pod import Pod
from podrun.errors import UsageError

VERSION = 1
MAX_LINE = 16 << 20


class Apply(msgspec.Struct, tag="apply", tag_field="verb", rename="camel", frozen=True):
    """``wait``: none, started or ready. ``timeout`` in seconds."""

    version: int
    pods: tuple[Pod, ...]
    owner_gid: int = 0
    wait: str = "started"
    timeout: float | None = None


class Delete(msgspec.Struct, tag="delete", tag_field="verb", rename="camel", frozen=True):
    version: int
    uids: tuple[str, ...]
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


def encode(message: dict[str, Any]) -> bytes:
    return msgspec.json.encode(message) + b"\n"
