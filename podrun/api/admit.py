"""What an API server does with manifests: load, default, validate; all of them, or none."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import msgspec

from podrun.api.defaults import with_defaults
from podrun.api.fields.pending import PENDING
from podrun.api.load import Loaded, LoadedPod, read
from podrun.api.pod import Pod
from podrun.api.problem import Problem, refusal
from podrun.api.validate import validate
from podrun.api.validate_rules import not_yet


def admit(
    sources: Iterable[tuple[str | bytes, str]],
    *,
    namespace: str = "",
    node_name: str = "",
    pending: bool = False,
) -> Loaded:
    """The objects of all ``sources`` (text and its name), with defaults, all of them valid.

    ``namespace`` is for objects that name none (``-n``); to be asked onto the node ``node_name``,
    this one, is no reason for a note. Raises InvalidManifest with every problem of every source:
    one invalid document, and none is admitted. ``pending``, for tests, accepts what
    ``podrun.api.fields.pending`` holds back.
    """
    objects: list[LoadedPod] = []
    notes: list[Problem] = []
    problems: list[Problem] = []
    for text, source in sources:
        loaded, found = read(text, source, pending=pending)
        notes += _foreign(loaded, node_name)
        problems += found
        for each in loaded.objects:
            defaulted = msgspec.structs.replace(each, pod=_defaulted(each, namespace))
            problems += map(defaulted.locate, validate(defaulted.pod))
            if not pending and "Container.restartPolicyRules" in PENDING:
                problems += map(defaulted.locate, _restart_policies(defaulted.pod))
            objects.append(defaulted)
    problems += _twice(objects)
    if problems:
        raise refusal(problems)
    return Loaded(tuple(objects), tuple(notes))


def _foreign(loaded: Loaded, node_name: str) -> Iterator[Problem]:
    """The notes, but for ``spec.nodeName`` where it names this node."""
    here = {
        (each.prefix + "spec.nodeName", each.lines.get("spec.nodeName"))
        for each in loaded.objects
        if node_name and each.pod.spec.node_name == node_name
    }
    return (note for note in loaded.notes if (note.path, note.line) not in here)


def _defaulted(loaded: LoadedPod, namespace: str) -> Pod:
    metadata = loaded.pod.metadata
    if namespace and not metadata.namespace:
        metadata = msgspec.structs.replace(metadata, namespace=namespace)
    return with_defaults(msgspec.structs.replace(loaded.pod, metadata=metadata))


def _restart_policies(pod: Pod) -> Iterator[Problem]:
    """Those of containers that are no sidecars, while they wait."""
    policies = ("Always", "OnFailure", "Never")
    for index, each in enumerate(pod.spec.containers):
        if each.restart_policy in policies:
            yield not_yet(f"spec.containers[{index}].restartPolicy", each.restart_policy)
    for index, each in enumerate(pod.spec.init_containers):
        if each.restart_policy in policies[1:]:
            yield not_yet(f"spec.initContainers[{index}].restartPolicy", each.restart_policy)


def _twice(objects: Iterable[LoadedPod]) -> Iterator[Problem]:
    """Two documents for one pod: which of them counts, nobody could say."""
    seen: dict[tuple[str, str], LoadedPod] = {}
    for each in objects:
        metadata = each.pod.metadata
        first = seen.setdefault((metadata.namespace, metadata.name), each)
        if first is not each and metadata.name:
            name = f"{metadata.namespace}/{metadata.name}"
            why = f"pod {name} is already defined at {first.source}:{first.line}"
            yield each.locate(Problem("metadata.name", why))
