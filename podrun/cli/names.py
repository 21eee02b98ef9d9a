"""What a user names: ``web``, ``pod/web``, ``pods web db``, ``web -n team``."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from podrun.errors import UsageError

DEFAULT_NAMESPACE = "default"

POD, EVENT = "pod", "event"
_TYPES = {
    "po": POD, "pod": POD, "pods": POD, "ev": EVENT, "event": EVENT, "events": EVENT,
}  # fmt: skip

# Types a user of Kubernetes may ask for; podrun has none of them.
_NOT_YET = frozenset(
    """all cj cm configmap configmaps cronjob cronjobs daemonset daemonsets deploy deployment
    deployments ds job jobs namespace namespaces netpol networkpolicies networkpolicy no node nodes
    ns persistentvolume persistentvolumeclaim persistentvolumeclaims persistentvolumes pv pvc rc
    replicaset replicasets rs secret secrets service services sts statefulset statefulsets
    svc""".split()  # noqa: SIM905
)


class Named(msgspec.Struct, frozen=True):
    """``names`` empty: all of that type."""

    type: str
    names: tuple[str, ...]


def parse_named(args: Sequence[str], *, lists: bool = False) -> Named:
    """``[TYPE] [NAME…]`` or ``TYPE/NAME…``. Raises UsageError for a type that is not supported.

    A lone word that is one of podrun's types means that type: a pod called ``pods`` is
    ``pod/pods``. Other types (``job``, ``secret``) are likelier names, unless the verb ``lists``.
    """
    if not args:
        return Named(POD, ())
    if "/" not in args[0] and (lists or len(args) > 1 or args[0].lower() in _TYPES):
        kind = type_of(args[0])
        if kind:
            return Named(kind, tuple(_bare(arg, kind) for arg in args[1:]))
    if "/" in args[0]:
        kind = type_of(args[0].partition("/")[0])
        return Named(kind or POD, tuple(_bare(arg, kind or POD) for arg in args))
    return Named(POD, tuple(_bare(arg, POD) for arg in args))


def parse_pod(arg: str) -> str:
    """The name in ``web`` or ``pod/web``."""
    return _bare(arg, POD)


def type_of(word: str) -> str:
    """POD, EVENT, or "" when it is no type. Raises UsageError for one that is not supported."""
    lowered = word.lower().partition(".")[0]
    if lowered in _NOT_YET:
        raise UsageError(
            f"{word}: not supported yet",
            hint=f"a pod of that name is pod/{word}; types: pods, events",
        )
    return _TYPES.get(lowered, "")


def _bare(arg: str, kind: str) -> str:
    prefix, slash, name = arg.rpartition("/")
    if not name:
        raise UsageError(f"{arg!r}: a name is missing", hint="write NAME or TYPE/NAME")
    if slash and type_of(prefix) != kind:
        raise UsageError(f"{arg!r}: expected a {kind}", hint=f"write NAME or {kind}/NAME")
    return name
