"""What all API objects are: immutable, spelt as Kubernetes spells them, empty fields left out.

An attribute that is empty (``""``, ``()``, ``{}``, None) means an absent field, as in Kubernetes'
own types; where absent and empty differ (an unset boolean, ``hostPath.type: ""``) it is None.
"""

from __future__ import annotations

import msgspec

_INITIALISMS = {
    "api": "API",
    "fqdn": "FQDN",
    "id": "ID",
    "ip": "IP",
    "ips": "IPs",
    "ipc": "IPC",
    "pid": "PID",
}


def json_name(attribute: str) -> str:
    """``pull_policy`` → ``pullPolicy``, but ``host_ip`` → ``hostIP``, as the API spells it."""
    first, *rest = attribute.split("_")
    return first + "".join(_INITIALISMS.get(word) or word.capitalize() for word in rest)


class Object(
    msgspec.Struct,
    frozen=True,
    omit_defaults=True,
    forbid_unknown_fields=True,
    rename=json_name,
):
    """Base of every API type; compared by value."""
