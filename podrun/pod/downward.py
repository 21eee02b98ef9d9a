"""The downward API: what a pod tells its containers about itself. Pure.

For the environment and for files different fields are allowed, as upstream
(``pkg/fieldpath``, ``pkg/api/v1/resource``): those of the status only for the environment, whole
maps of labels and annotations only for files.
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction

from podrun.api import quantity
from podrun.api.pod import Container, Pod
from podrun.pod.resources import Amounts

SERVICE_ACCOUNT = "default"


def field(
    pod: Pod, path: str, *, pod_ips: Sequence[str], host_ips: Sequence[str], node_name: str
) -> str:
    """The value of a fieldRef of the environment. ``path`` is one that validation let pass."""
    plain = {
        "spec.nodeName": pod.spec.node_name or node_name,
        "spec.serviceAccountName": pod.spec.service_account_name or SERVICE_ACCOUNT,
        "status.hostIP": host_ips[0] if host_ips else "",
        "status.hostIPs": ",".join(host_ips),
        "status.podIP": pod_ips[0] if pod_ips else "",
        "status.podIPs": ",".join(pod_ips),
    }
    return plain[path] if path in plain else volume_field(pod, path)


def volume_field(pod: Pod, path: str) -> str:
    """The content of a file for a fieldRef: a value, or a whole map as ``key="value"`` lines."""
    metadata = pod.metadata
    maps = {"metadata.labels": metadata.labels, "metadata.annotations": metadata.annotations}
    whole, bracket, key = path.partition("[")
    if bracket:
        return maps[whole].get(key.strip("']\""), "")
    if path in maps:
        return "\n".join(f"{key}={_quoted(maps[path][key])}" for key in sorted(maps[path]))
    plain = {
        "metadata.name": metadata.name,
        "metadata.namespace": metadata.namespace,
        "metadata.uid": metadata.uid,
    }
    return plain[path]


_ESCAPES = {"\\": "\\\\", '"': '\\"', "\n": "\\n", "\r": "\\r", "\t": "\\t"}


def _quoted(text: str) -> str:
    """As Go's ``%q`` writes what is printable; other control characters as \\x.."""
    return '"' + "".join(_ESCAPES.get(c) or _plain(c) for c in text) + '"'


def _plain(character: str) -> str:
    return character if character >= " " and character != "\x7f" else f"\\x{ord(character):02x}"


def resource(pod: Pod, container_name: str, name: str, divisor: str, allocatable: Amounts) -> str:
    """A request or limit of a container in units of ``divisor``, rounded up.

    ``name`` is ``limits.cpu``, …; a limit of cpu or memory that is not set is what the node has.
    """
    container = next(c for c in pod.spec.all_containers if c.name == container_name)
    kind, _, what = name.partition(".")
    amount = _amount(container, kind, what, allocatable)
    unit = _nanos(divisor or "0") or _nanos("1")
    return str(-(-amount // unit))


def _amount(container: Container, kind: str, what: str, allocatable: Amounts) -> int:
    """In billionths."""
    amounts = container.limits if kind == "limits" else container.requests
    if what in amounts and _nanos(amounts[what]):
        return _nanos(amounts[what])
    if kind == "limits" and what in allocatable:
        whole = Fraction(allocatable[what], 1000 if what == "cpu" else 1)
        return int(whole * 10**9)
    return 0


def _nanos(text: str) -> int:
    return quantity.parse(text).nanos
