"""What a user names: ``web``, ``pod/web``, ``pods web db``, ``web configmap/settings``."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from podrun.api import kinds
from podrun.api.kinds import KINDS, Kind, kind_of
from podrun.errors import UsageError

DEFAULT_NAMESPACE = "default"

POD, EVENT = "pod", "event"
_EVENT_WORDS = ("ev", "event", "events")

# Types a user of Kubernetes may ask for; podrun has none of those that are not in KINDS.
_KNOWN = frozenset(
    """all cj cm configmap configmaps cronjob cronjobs daemonset daemonsets deploy deployment
    deployments ds job jobs namespace namespaces netpol networkpolicies networkpolicy no node nodes
    ns persistentvolume persistentvolumeclaim persistentvolumeclaims persistentvolumes pv pvc rc
    replicaset replicasets rs secret secrets service services sts statefulset statefulsets
    svc""".split()  # noqa: SIM905
)


class Named(msgspec.Struct, frozen=True):
    """``type`` is POD, EVENT or a kind's singular; ``names`` empty: all of that type."""

    type: str
    names: tuple[str, ...]

    @property
    def kind(self) -> Kind:
        found = kind_of(self.type)
        assert found is not None, self.type
        return found


def types() -> str:
    """All that can be listed, for messages."""
    return ", ".join([kinds.POD.plural, *(k.plural for k in KINDS if k != kinds.POD), "events"])


def parse_objects(args: Sequence[str], *, lists: bool = False) -> tuple[Named, ...]:
    """``[TYPE[,TYPE]…] [NAME…]`` or any mixture of ``NAME`` and ``TYPE/NAME``: one for each type.
    ``all`` where the verb ``lists``: pods, and what makes them.

    Raises UsageError for a type that podrun has not. A lone word that is one of podrun's types
    means that type: a pod called ``pods`` is ``pod/pods``. Other types (``service``) are likelier
    names, unless the verb ``lists``.
    """
    if not args:
        return (Named(POD, ()),)
    if lists and list(args) == ["all"]:
        return tuple(Named(kind.singular, ()) for kind in KINDS[KINDS.index(kinds.POD) :])
    if "/" not in args[0]:
        words = [word for word in args[0].split(",") if word]
        found = [_type_of(word, sure=lists or len(args) > 1) for word in words]
        if found and all(found):
            return tuple(Named(t, tuple(_bare(a, t) for a in args[1:])) for t in _once(found))
    by_type: dict[str, list[str]] = {}
    for arg in args:
        prefix, slash, _ = arg.rpartition("/")
        kind = (type_of(prefix) if slash else "") or POD
        by_type.setdefault(kind, []).append(_bare(arg, kind))
    return tuple(Named(kind, tuple(names)) for kind, names in by_type.items())


def parse_named(args: Sequence[str], *, lists: bool = False) -> Named:
    """Of a verb that takes pods alone; a lone word of another type is a pod's name."""
    lone = len(args) == 1 and "/" not in args[0] and not lists
    if lone and type_of_or_none(args[0]) not in (POD, EVENT):
        return Named(POD, (_bare(args[0], POD),))
    found = parse_objects(args, lists=lists)
    other = next((each.type for each in found if each.type not in (POD, EVENT)), "")
    if other or len(found) > 1:
        raise UsageError(
            f"{' '.join(args)}: only pods can be named here", hint="write NAME or pod/NAME"
        )
    return found[0]


def parse_pod(arg: str) -> str:
    """The name in ``web`` or ``pod/web``."""
    return _bare(arg, POD)


def type_of(word: str) -> str:
    """POD, EVENT, a kind's singular, or "" when it is no type. Raises UsageError for one that is
    not supported."""
    found = type_of_or_none(word)
    if not found and word.lower().partition(".")[0] in _KNOWN:
        raise UsageError(
            f"{word}: not supported yet", hint=f"a pod of that name is pod/{word}; types: {types()}"
        )
    return found


def type_of_or_none(word: str) -> str:
    """The same, but "" for a type that is not supported."""
    if word.lower().partition(".")[0] in _EVENT_WORDS:
        return EVENT
    kind = kind_of(word)
    return kind.singular if kind is not None else ""


def _type_of(word: str, *, sure: bool) -> str:
    """``sure``: a type is expected at this place, rather than a name."""
    return type_of(word) if sure else type_of_or_none(word)


def _once(found: Sequence[str]) -> list[str]:
    return list(dict.fromkeys(found))


def _bare(arg: str, kind: str) -> str:
    prefix, slash, name = arg.rpartition("/")
    if not name:
        raise UsageError(f"{arg!r}: a name is missing", hint="write NAME or TYPE/NAME")
    if slash and type_of(prefix) != kind:
        raise UsageError(f"{arg!r}: expected a {kind}", hint=f"write NAME or {kind}/NAME")
    return name
