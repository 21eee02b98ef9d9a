"""The downward API: what a pod tells its containers about itself. Pure.

For the environment and for files different fields are allowed, as upstream
(``pkg/fieldpath``, ``pkg/api/v1/resource``): those of the status only for the environment, whole
maps of labels and annotations only for files.
"""

from __future__ import annotations

from collections.abc import Sequence

from podrun.api import quantity
from podrun.api.pod import Pod
from podrun.pod.resources import Amounts

SERVICE_ACCOUNT = "default"

_DEFAULTED = ("cpu", "memory", "ephemeral-storage")


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


_ESCAPES = {
    "\\": "\\\\", '"': '\\"', "\a": "\\a", "\b": "\\b", "\f": "\\f", "\n": "\\n", "\r": "\\r",
    "\t": "\\t", "\v": "\\v",
}  # fmt: skip


def _quoted(text: str) -> str:
    """As Go's ``%q`` writes it."""
    return '"' + "".join(_ESCAPES.get(c) or _plain(c) for c in text) + '"'


def _plain(character: str) -> str:
    if character.isprintable():
        return character
    code = ord(character)
    if code < 0x80:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def resource(pod: Pod, container_name: str, name: str, divisor: str, allocatable: Amounts) -> str:
    """A request or limit of a container in units of ``divisor``, rounded up.

    ``name`` is ``limits.cpu``, …; a limit that is not set is the pod's as a whole, else what the
    node has; but huge pages, which are never promised twice, are 0 then, as all requests are.
    """
    container = next(c for c in pod.spec.all_containers if c.name == container_name)
    kind, _, what = name.partition(".")
    given = container.limits if kind == "limits" else container.requests
    amount = _nanos(given.get(what, ""))
    if not amount and kind == "limits" and what in _DEFAULTED:
        amount = _open_limit(pod, what, allocatable)
    return str(-(-amount // (_nanos(divisor) or _nanos("1"))))


def _open_limit(pod: Pod, what: str, allocatable: Amounts) -> int:
    whole = pod.spec.resources
    own = _nanos(whole.limits.get(what, "")) if whole is not None else 0
    return own or allocatable.get(what, 0) * (10**6 if what == "cpu" else 10**9)


def _nanos(text: str) -> int:
    """Billionths; "" is 0."""
    return quantity.parse(text or "0").nanos
