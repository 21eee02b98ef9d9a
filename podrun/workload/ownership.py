"""To which objects a pod belongs."""

from __future__ import annotations

from podrun.api.pod import Pod


def owners(pod: Pod) -> list[str]:
    """Their uids."""
    return [reference.uid for reference in pod.metadata.owner_references]
