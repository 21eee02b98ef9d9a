"""Manifests: YAML or JSON text, one document or many, to objects as written (no defaults yet).

Imports PyYAML: for ``apply`` and ``delete -f``, not for verbs that only read.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec

from podrun.api.decode import Decoder
from podrun.api.fields import suggest
from podrun.api.kinds import BY_NAME, Kind
from podrun.api.nodes import Mapping, Node, Scalar, Sequence, Unreadable, documents
from podrun.api.objects import AnyObject, convert
from podrun.api.pod import Pod
from podrun.api.problem import Problem, refusal

# The kinds that people write for one node and for clusters; others are called unknown.
_OTHER_KINDS = frozenset(
    """ConfigMap CronJob CustomResourceDefinition DaemonSet Deployment Endpoints EndpointSlice Event
    HorizontalPodAutoscaler Ingress IngressClass Job LimitRange MutatingWebhookConfiguration
    Namespace NetworkPolicy Node PersistentVolume PersistentVolumeClaim PodDisruptionBudget
    PodTemplate PriorityClass ReplicaSet ReplicationController ResourceClaim ResourceQuota Role
    RoleBinding ClusterRole ClusterRoleBinding RuntimeClass Secret Service ServiceAccount
    StatefulSet StorageClass ValidatingWebhookConfiguration""".split()  # noqa: SIM905
)
_OTHER_LOWER = frozenset(kind.lower() for kind in _OTHER_KINDS)
_LISTS = ("List", *(f"{kind}List" for kind in BY_NAME))


class LoadedObject(msgspec.Struct, frozen=True):
    """One and where it stands: ``lines`` by path; ``prefix`` is ``items[2].`` inside a List."""

    object: AnyObject
    source: str
    line: int
    prefix: str
    lines: dict[str, int]

    @property
    def pod(self) -> Pod:
        """Of one that is known to be a Pod."""
        assert isinstance(self.object, Pod)
        return self.object

    def locate(self, problem: Problem) -> Problem:
        """``problem`` of this object, with file and line (of the nearest field that is written)."""
        path = problem.path
        while path and path not in self.lines:
            path = path[: max(path.rfind("."), path.rfind("["), 0)]
        line = self.lines.get(path, self.line)
        return Problem(self.prefix + problem.path, problem.message, self.source, line)


class Loaded(msgspec.Struct, frozen=True):
    """``notes`` are fields that were accepted but have no effect on one machine."""

    objects: tuple[LoadedObject, ...] = ()
    notes: tuple[Problem, ...] = ()


def load_manifests(text: str | bytes, source: str) -> Loaded:
    """The objects of ``text``; ``source`` names it in messages. Raises InvalidManifest with all
    problems of structure (syntax, unknown and unsupported fields, wrong types), one line each.
    """
    loaded, problems = read(text, source)
    if problems:
        raise refusal(problems)
    return loaded


def read(text: str | bytes, source: str, *, pending: bool = False) -> tuple[Loaded, list[Problem]]:
    """What could be read of ``text``, and what is wrong with the rest. Never raises."""
    reader = _Reader(source, pending)
    try:
        for document in documents(text):
            reader.document(document)
    except Unreadable as error:
        reader.problems.append(Problem("", error.message, source, error.line))
    if not reader.seen and not reader.problems:
        reader.problems.append(Problem("", f"no object in {source}"))
    return Loaded(tuple(reader.objects), tuple(reader.notes)), reader.problems


class _Reader:
    def __init__(self, source: str, pending: bool) -> None:
        self.source = source
        self.pending = pending
        self.seen = False
        self.objects: list[LoadedObject] = []
        self.notes: list[Problem] = []
        self.problems: list[Problem] = []

    def document(self, node: Node) -> None:
        if isinstance(node, Scalar) and node.value is None:
            return  # nothing between two ``---``
        self.seen = True
        kind = self._kind(node, "")
        if isinstance(node, Mapping) and kind in _LISTS:
            self._list(node)
        elif isinstance(node, Mapping) and kind:
            self._object(node, kind, "")

    def _list(self, node: Mapping) -> None:
        items = node.items.get("items")
        if not isinstance(items, Sequence):
            self._problem("items", "expected a list of objects", node.lines.get("items", node.line))
            return
        for index, item in enumerate(items.items):
            prefix = f"items[{index}]"
            kind = self._kind(item, prefix)
            if isinstance(item, Mapping) and kind:
                self._object(item, kind, prefix + ".")

    def _kind(self, node: Node, path: str) -> str:
        """The kind the document says it has; "" after reporting that it says none."""
        if not isinstance(node, Mapping):
            self._problem(path, "expected an object (apiVersion, kind, …)", node.line)
            return ""
        kind = node.items.get("kind")
        if isinstance(kind, Scalar) and isinstance(kind.value, str) and kind.value:
            return kind.value
        dot = f"{path}." if path else ""
        self._problem(f"{dot}kind", "Required value", node.lines.get("kind", node.line))
        return ""

    def _object(self, node: Mapping, kind: str, prefix: str) -> None:
        known = BY_NAME.get(kind)
        if known is None:
            why = _not_taken(kind)
            if prefix and kind in _LISTS:
                why = "cannot be inside a List"
            self._problem(prefix.rstrip("."), f"kind {kind} {why}", node.lines["kind"])
            return
        decoder = Decoder(pending=self.pending)
        data = decoder.decode(kind, node)
        self.notes += [self._placed(each, prefix) for each in decoder.notes]
        found = [*decoder.problems, *_version(node, known)]
        if not found:
            found = self._keep(data, node, prefix, decoder.lines)
        self.problems += [self._placed(each, prefix) for each in found]

    def _keep(
        self, data: dict[str, Any], node: Mapping, prefix: str, lines: dict[str, int]
    ) -> list[Problem]:
        try:
            read = convert(data)
        except msgspec.ValidationError as error:  # the table and the Structs disagree
            return [_translated(error, node.line)]
        self.objects.append(LoadedObject(read, self.source, node.line, prefix, lines))
        return []

    def _placed(self, problem: Problem, prefix: str) -> Problem:
        return Problem(prefix + problem.path, problem.message, self.source, problem.line)

    def _problem(self, path: str, message: str, line: int) -> None:
        self.problems.append(Problem(path, message, self.source, line))


def _not_taken(kind: str) -> str:
    if kind.lower() in _OTHER_LOWER:
        return "is not supported yet"
    return f"is unknown to podrun{suggest(kind, (*BY_NAME, *_LISTS))}"


def _version(node: Mapping, kind: Kind) -> Iterator[Problem]:
    version = node.items.get("apiVersion")
    line = node.lines.get("apiVersion", node.line)
    value = version.value if isinstance(version, Scalar) else None
    if value is None:
        yield Problem("apiVersion", "Required value", line=line)
    elif isinstance(value, str) and value != kind.api_version:
        meant = value.lower().rpartition("/")[2] in ("v1", "1")
        wanted = kind.api_version
        why = f'did you mean "{wanted}"?' if meant else f"a {kind.name} has {wanted}"
        yield Problem("apiVersion", f'Unsupported value: "{value}": {why}', line=line)


def _translated(error: msgspec.ValidationError, line: int) -> Problem:
    """msgspec says ``Expected `int`, got `str` - at `$.spec.priority```."""
    message, _, path = str(error).partition(" - at `$")
    return Problem(path.strip("`."), message, line=line)
