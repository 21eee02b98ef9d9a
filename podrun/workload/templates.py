"""Pods made from a template: their names, labels and owner; the hash that tells templates apart.

template ──sha256──► 10 letters ──► label pod-template-hash, and part of the pod's name
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

import msgspec

from podrun.api.meta import ObjectMeta, OwnerReference
from podrun.api.pod import Pod
from podrun.api.workload import DaemonSet, Deployment, Job, PodTemplateSpec
from podrun.workload.model import PodView, Suffix

HASH_LABEL = "pod-template-hash"

_LETTERS = "bcdfghjklmnpqrstvwxz2456789"  # without vowels no hash spells a word
_HASH_LENGTH = 10
_NAME_LENGTH = 63  # of a generated name, its five random letters included: it is a hostname, too
_SUFFIX_LENGTH = 5


def template_hash(template: PodTemplateSpec) -> str:
    """Changes with every field of ``template`` (with its defaults), and only then."""
    import hashlib

    text = msgspec.json.encode(msgspec.to_builtins(template), order="sorted")
    number = int.from_bytes(hashlib.sha256(text).digest()[:8], "big")
    letters = ""
    for _ in range(_HASH_LENGTH):
        number, rest = divmod(number, len(_LETTERS))
        letters += _LETTERS[rest]
    return letters


def hash_of(view: PodView) -> str:
    """Of which template it is: what ``template_hash`` gave when it was made."""
    return view.pod.metadata.labels.get(HASH_LABEL, "")


def template_of(view: PodView) -> PodTemplateSpec:
    """One that makes more pods like it."""
    metadata = view.pod.metadata
    kept = ObjectMeta(labels=metadata.labels, annotations=metadata.annotations)
    return PodTemplateSpec(metadata=kept, spec=view.pod.spec)


def new_pods(
    owner: Job | Deployment | DaemonSet,
    names: Iterable[str],
    labels: Mapping[str, str],
    template: PodTemplateSpec | None = None,
) -> tuple[Pod, ...]:
    """One for each of ``names``, from ``owner``'s own template unless another is given."""
    template = template or owner.spec.template
    reference = OwnerReference(
        api_version=owner.api_version,
        kind=owner.kind,
        name=owner.metadata.name,
        uid=owner.metadata.uid,
        controller=True,
        block_owner_deletion=True,
    )
    shared = ObjectMeta(
        namespace=owner.metadata.namespace,
        labels={**template.metadata.labels, **labels},
        annotations=template.metadata.annotations,
        owner_references=(reference,),
    )
    return tuple(
        Pod(metadata=msgspec.structs.replace(shared, name=name), spec=template.spec)
        for name in names
    )


def new_names(base: str, count: int, pods: Iterable[PodView], suffix: Suffix) -> Iterator[str]:
    """``count`` names that none of ``pods`` has: ``<base>-<suffix>``, a long ``base`` cut short."""
    taken = {view.pod.metadata.name for view in pods}
    start = f"{base}-"[: _NAME_LENGTH - _SUFFIX_LENGTH]
    for _ in range(count):
        name = next(name for name in _endless(start, suffix) if name not in taken)
        taken.add(name)
        yield name


def _endless(start: str, suffix: Suffix) -> Iterator[str]:
    while True:
        yield start + suffix()
