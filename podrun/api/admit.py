"""What an API server does with manifests: load, default, validate; all of them, or none."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import msgspec

from podrun.api.load import Loaded, LoadedObject, read
from podrun.api.objects import problems, with_defaults
from podrun.api.pod import Pod
from podrun.api.problem import Problem, refusal


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
    objects: list[LoadedObject] = []
    notes: list[Problem] = []
    wrong: list[Problem] = []
    for text, source in sources:
        loaded, found = read(text, source, pending=pending)
        notes += _foreign(loaded, node_name)
        wrong += found
        for each in loaded.objects:
            ready = msgspec.structs.replace(each, object=with_defaults(each.object, namespace))
            wrong += map(ready.locate, problems(ready.object))
            objects.append(ready)
    wrong += _twice(objects)
    if wrong:
        raise refusal(wrong)
    return Loaded(tuple(objects), tuple(notes))


def _foreign(loaded: Loaded, node_name: str) -> Iterator[Problem]:
    """The notes, but for ``spec.nodeName`` where it names this node."""
    here = {
        (each.prefix + "spec.nodeName", each.lines.get("spec.nodeName"))
        for each in loaded.objects
        if node_name and isinstance(each.object, Pod) and each.pod.spec.node_name == node_name
    }
    return (note for note in loaded.notes if (note.path, note.line) not in here)


def _twice(objects: Iterable[LoadedObject]) -> Iterator[Problem]:
    """Two documents for one object: which of them counts, nobody could say."""
    seen: dict[tuple[str, str, str], LoadedObject] = {}
    for each in objects:
        metadata = each.object.metadata
        first = seen.setdefault((each.object.kind, metadata.namespace, metadata.name), each)
        if first is not each and metadata.name:
            kind = each.object.kind.lower()
            why = f"{kind} {metadata.namespace}/{metadata.name} is already defined at "
            yield each.locate(Problem("metadata.name", f"{why}{first.source}:{first.line}"))
