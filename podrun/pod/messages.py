"""Termination messages: how much of them a pod's status holds (semantics §9)."""

from __future__ import annotations

from podrun.api.pod import Pod

CONTAINER_LIMIT = 4096  # bytes
POD_LIMIT = 12 << 10  # shared equally by all containers of the pod


def message_limit(pod: Pod) -> int:
    """Bytes of one container's termination message that are kept."""
    return min(CONTAINER_LIMIT, POD_LIMIT // max(len(pod.spec.all_containers), 1))


def trimmed(message: str, limit: int) -> str:
    """The beginning of ``message``, ``limit`` bytes at the most, without half a character."""
    if len(message) * 4 <= limit:
        return message
    return message.encode()[:limit].decode(errors="ignore")
