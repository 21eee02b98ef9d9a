"""Changes of the index, as functions from one index to the next (applied under its lock)."""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from podrun.image import oci
from podrun.registry.name import Reference, parse

Change = Callable[[oci.Index], oci.Index]


def stored_name(reference: Reference) -> str:
    """What an image is called that was pulled as ``reference``: a digest goes before a tag."""
    if reference.digest:
        return f"{reference.repository}@{reference.digest}"
    return str(reference)


def find(index: oci.Index, reference: Reference) -> oci.Descriptor | None:
    """The entry of that very name, or one of the same repository that has the digest."""
    name = stored_name(reference)
    exactly = [e for e in index.manifests if e.name == name]
    if exactly or not reference.digest:
        return next(iter(exactly), None)
    same = (e for e in index.manifests if e.name and reference.digest in (e.digest, e.source))
    return next((e for e in same if parse(e.name).repository == reference.repository), None)


def named(descriptor: oci.Descriptor, name: str) -> Change:
    """``name`` now means ``descriptor``; what it meant before stays, nameless, for ``prune``."""
    source = {oci.SOURCE: descriptor.source} if descriptor.source else {}
    annotations = {oci.REF_NAME: name, **source} if name else None
    new = msgspec.structs.replace(descriptor, annotations=annotations)

    def change(index: oci.Index) -> oci.Index:
        replaced = [e for e in index.manifests if name and e.name == name]
        kept = [e for e in index.manifests if not (name and e.name == name)]
        nameless = [msgspec.structs.replace(e, annotations=None) for e in replaced]
        return _with(kept + nameless + [new])

    return change


def without_name(name: str, *, keep_nameless: bool) -> Change:
    """``name`` means nothing any more; its manifest stays nameless when it must not go yet."""

    def change(index: oci.Index) -> oci.Index:
        gone = [e for e in index.manifests if e.name == name]
        kept = [e for e in index.manifests if e.name != name]
        nameless = [msgspec.structs.replace(e, annotations=None) for e in gone]
        return _with(kept + (nameless if keep_nameless else []))

    return change


def without_manifests(digests: set[str], *, only_nameless: bool = False) -> Change:
    def change(index: oci.Index) -> oci.Index:
        return _with(
            [e for e in index.manifests if e.digest not in digests or (only_nameless and e.name)]
        )

    return change


def _with(entries: list[oci.Descriptor]) -> oci.Index:
    """A nameless entry is only kept while no name leads to its manifest."""
    have = {entry.digest for entry in entries if entry.name}
    seen: set[tuple[str, str]] = set()
    result = []
    for entry in entries:
        key = (entry.digest, entry.name)
        if key not in seen and (entry.name or entry.digest not in have):
            seen.add(key)
            result.append(entry)
    return oci.Index(manifests=tuple(result))
