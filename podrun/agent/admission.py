"""Manifests as they were written to objects as they are stored: all of them, or an error.

Done by the agent for ``apply``: it has loaded what that takes, which costs a command 30 ms. Done by
the command for what goes without the agent.
"""

from __future__ import annotations

import contextlib
import resource
from collections.abc import Iterable, Sequence
from typing import Any

import msgspec

from podrun.api.admit import admit
from podrun.api.kinds import BY_NAME
from podrun.api.load import LoadedObject
from podrun.api.objects import AnyObject, convert, describe
from podrun.api.pod import Pod
from podrun.errors import UsageError

Source = tuple[bytes, str]  # content, and its name for messages

#: Manifests up to here, without an alias, hold the agent up for less than 50 ms, whatever is in
#: them, and usually for 0.3. With aliases 10 KiB can mean seconds; a worker costs 6 ms.
_SMALL_BYTES = 8 << 10
#: what admitting 16 MiB of manifests does not come near: a parser that runs away dies alone
_CPU_SECONDS = 20
_DATA_BYTES = 2 << 30


class Admitted(msgspec.Struct, frozen=True):
    """Valid objects with their defaults. ``notes`` are of fields without effect, each once."""

    objects: tuple[Any, ...]  # AnyObject: each says its kind, which is for ``from_wire`` to read
    notes: tuple[str, ...]

    @property
    def pods(self) -> tuple[Pod, ...]:
        return tuple(each for each in self.objects if isinstance(each, Pod))

    @property
    def others(self) -> tuple[AnyObject, ...]:
        """In the order of KINDS: what others refer to comes first."""
        order = list(BY_NAME)
        found = [each for each in self.objects if not isinstance(each, Pod)]
        return tuple(sorted(found, key=lambda each: order.index(each.kind)))


def from_wire(answer: dict[str, Any]) -> Admitted:
    """What ``bounded`` returned, after it came as JSON."""
    return Admitted(tuple(map(convert, answer["objects"])), tuple(answer["notes"]))


def admitted(sources: Iterable[Source], *, namespace: str, node_name: str) -> Admitted:
    """The objects of all ``sources``; ``namespace`` is what ``-n`` said, "" when it was not given.

    Raises InvalidManifest with everything that is wrong; UsageError for one of another namespace.
    """
    loaded = admit(sources, namespace=namespace, node_name=node_name)
    if namespace:
        for each in loaded.objects:
            _check_namespace(each, namespace)
    return Admitted(
        tuple(each.object for each in loaded.objects),
        tuple(dict.fromkeys(map(str, loaded.notes))),
    )


def _check_namespace(loaded: LoadedObject, namespace: str) -> None:
    metadata = loaded.object.metadata
    if metadata.namespace != namespace:
        raise UsageError(
            f"{loaded.source}: {describe(loaded.object)} is of namespace {metadata.namespace}, "
            f"but -n says {namespace}"
        )


def is_harmless(sources: Sequence[Source]) -> bool:
    """Whether they may be admitted in the agent's loop; otherwise ``bounded``, in a worker."""
    whole = sum(len(content) for content, _ in sources)
    return whole <= _SMALL_BYTES and not any(b"*" in content for content, _ in sources)


def bounded(sources: Sequence[Source], namespace: str, node_name: str) -> Admitted:
    """``admitted``, by a process of its own: bounded in time and memory."""
    for limit, most in ((resource.RLIMIT_CPU, _CPU_SECONDS), (resource.RLIMIT_DATA, _DATA_BYTES)):
        with contextlib.suppress(ValueError, OSError):  # there is a lower one already
            resource.setrlimit(limit, (most, most))
    return admitted(sources, namespace=namespace, node_name=node_name)
