"""What one try of a probe or a hook came to."""

from __future__ import annotations

from typing import Final

import msgspec

#: how much of an answer or an output is kept, as the kubelet keeps it
KEPT_BYTES: Final = 10 << 10

SUCCESS: Final = "success"
WARNING: Final = "warning"
FAILURE: Final = "failure"
ERROR: Final = "error"


class Outcome(msgspec.Struct, frozen=True):
    """``kind`` as the kubelet parts them (pkg/probe/probe.go):

    success  it is well
    warning  it counts as success, but the user should know ``message``
    failure  it is not well, says ``message``
    error    nobody knows: it could not be tried
    """

    kind: str
    message: str = ""

    @property
    def well(self) -> bool:
        return self.kind in (SUCCESS, WARNING)


def text_of(data: bytes) -> str:
    """Bytes from outside as text to show: bounded, and never an error."""
    return data[:KEPT_BYTES].decode(errors="replace")
