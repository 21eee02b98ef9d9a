"""Short names: what ``nginx`` may mean.

    text ──has a registry──► itself
      │ no
      ▼
    [aliases] ──known──► the alias, and nothing else
      │ no
      ▼
    unqualified-search-registries, in order
         none: docker.io
         several, and short-name-mode is enforcing: an error, for there is nobody to ask

Without a list a short name is Docker Hub's: that is what Kubernetes says of images in a Pod, where
podman refuses the name.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from msgspec.structs import replace

from podrun.errors import UsageError
from podrun.registry.name import DEFAULT_DOMAIN, Reference, parse

_FULL = (f"{DEFAULT_DOMAIN}/", f"index.{DEFAULT_DOMAIN}/")


def is_short(text: str) -> bool:
    """Whether ``text`` names no registry. Raises UsageError with reason InvalidImageName."""
    return parse(text).domain == DEFAULT_DOMAIN and not text.startswith(_FULL)


def bare(text: str) -> str:
    """A short name as it was written, without tag and digest."""
    return text.partition("@")[0].partition(":")[0]


def resolve(
    text: str,
    aliases: Mapping[str, str],
    search: Sequence[str],
    *,
    enforcing: bool = False,
    file: str = "",
) -> tuple[Reference, ...]:
    """What ``text`` may mean, in the order to be tried; ``file`` is named where it is to blame."""
    reference = parse(text)
    if not is_short(text):
        return (reference,)
    if alias := aliases.get(bare(text)):
        meant = parse(alias)
        return (replace(meant, tag=reference.tag, digest=reference.digest),)
    if enforcing and len(search) > 1:
        raise UsageError(
            f"{text} may be an image of {', '.join(search[:-1])} or {search[-1]}, and "
            f'short-name-mode = "enforcing" in {file} forbids to guess',
            hint="name the registry",
            reason="InvalidImageName",
        )
    return tuple(_at(host, text, reference) for host in search or (DEFAULT_DOMAIN,))


def _at(host: str, text: str, reference: Reference) -> Reference:
    return reference if host == DEFAULT_DOMAIN else replace(reference, domain=host, path=bare(text))


def check_alias(name: str, value: str) -> str:
    """What is wrong with an alias, or "". An empty ``value`` takes back what a file before said."""
    try:
        if bare(name) != name or not is_short(name):
            return f"{name!r} is not a name without registry, tag and digest"
        if value and (is_short(value) or parse(value).repository != _repository(value)):
            return f"{value!r} is not a full name (host/path) without tag and digest"
    except UsageError as error:
        return error.message
    return ""


def _repository(value: str) -> str:
    """``value`` as ``parse`` would spell a repository, if it is nothing but one."""
    short = value.removeprefix("index.")
    host, _, path = short.partition("/")
    return f"{host}/library/{path}" if host == DEFAULT_DOMAIN and "/" not in path else short
