"""Which ``[[registry]]`` a name belongs to, and where its image may be had.

    docker.io/library/nginx:1            the longest prefix that covers the name decides
    └── prefix = "docker.io" ──┐
        mirror m1.example/hub ─┼─► m1.example/hub/library/nginx      first
        mirror m2.example ─────┼─► m2.example/library/nginx          then
        location (or as it is) ┴─► docker.io/library/nginx           at last

A prefix covers what continues with "/", ":" or "@", so that "r.example" covers "r.example:5000" as
well; a longer prefix can say otherwise. "*.r.example" covers every host below r.example, whatever
its depth and port, and only the host is replaced. All this is as containers/image has it: one file
has to mean the same to podman and to us.
"""

from __future__ import annotations

from collections.abc import Iterable

from podrun.registry.conffile import Entry, is_place
from podrun.registry.name import DEFAULT_DOMAIN, Reference
from podrun.registry.types import Endpoint, Misconfigured

HUB_HOST = "registry-1.docker.io"  # Docker Hub's name is not where it answers
_SEPARATORS = "/:@"


def covered(prefix: str, text: str) -> int:
    """How many characters of ``text`` the prefix stands for; 0: none, it does not cover it."""
    if not prefix.startswith("*."):
        end = len(prefix) if text.startswith(prefix) else 0
    else:
        host = text.partition("/")[0]
        name = host[: host.rfind(":")] if ":" in host else host
        end = len(name) if name.endswith(prefix[1:]) and len(name) > len(prefix) - 1 else 0
    return end if end == len(text) or text[end : end + 1] in _SEPARATORS else 0


def entry_for(entries: Iterable[Entry], text: str) -> Entry | None:
    """The entry with the longest prefix that covers ``text``, a reference or a part of one."""
    found = [entry for entry in entries if covered(entry.prefix, text)]
    return max(found, key=lambda entry: len(entry.prefix), default=None)


def pull_endpoints(entries: Iterable[Entry], reference: Reference) -> tuple[Endpoint, ...]:
    """Mirrors, then the registry itself. RegistryError when blocked, or when no name is left."""
    entry = _allowed(entries, reference)
    if entry is None:
        return (place(reference.domain, reference.path),)
    mirrors = tuple(
        _rewritten(entry, reference, mirror.location, insecure=mirror.insecure, mirror=True)
        for mirror in entry.mirrors
        if mirror.serves(digest=bool(reference.digest))
    )
    return (*mirrors, _rewritten(entry, reference, entry.location, insecure=entry.insecure))


def push_endpoint(entries: Iterable[Entry], reference: Reference) -> Endpoint:
    """The registry itself: mirrors and rewriting are for reading. RegistryError when blocked."""
    entry = _allowed(entries, reference)
    return place(reference.domain, reference.path, insecure=entry is not None and entry.insecure)


def place(
    domain: str, repository: str, *, insecure: bool = False, mirror: bool = False
) -> Endpoint:
    """The endpoint for a repository of a registry that is known by name."""
    domain = DEFAULT_DOMAIN if domain == f"index.{DEFAULT_DOMAIN}" else domain
    host = HUB_HOST if domain == DEFAULT_DOMAIN else domain
    return Endpoint(host, repository, domain, insecure, mirror)


def _allowed(entries: Iterable[Entry], reference: Reference) -> Entry | None:
    entry = entry_for(entries, str(reference))
    if entry is not None and entry.blocked:
        raise Misconfigured(
            f"{reference} is blocked: {entry.prefix} has blocked = true in {entry.file}"
        )
    return entry


def _rewritten(
    entry: Entry, reference: Reference, location: str, *, insecure: bool, mirror: bool = False
) -> Endpoint:
    """Where ``reference`` is when what the prefix covers is replaced by ``location``.

    The domain becomes the new host: a login goes to the host it is for, not to its mirrors.
    """
    text = str(reference)
    suffix = text.removeprefix(reference.repository)
    moved = location + text[covered(entry.prefix, text) :] if location else text
    name = moved.removesuffix(suffix)
    host, slash, path = name.partition("/")
    if not (moved.endswith(suffix) and slash and is_place(name)):
        raise Misconfigured(
            f"{reference} cannot be had from {moved}: {entry.prefix} in {entry.file} leaves no "
            "repository, or changes the tag",
            hint="let prefix and location end in the same part of the name",
        )
    return place(host, path, insecure=insecure, mirror=mirror)
