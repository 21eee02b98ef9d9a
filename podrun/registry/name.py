"""Image references, normalized as docker does it.

    [domain/]path[:tag][@digest]          the grammar of the distribution project's reference

    tomcat                    docker.io/library/tomcat:latest
    geektime/tomcat:7.0       docker.io/geektime/tomcat:7.0
    localhost/x               localhost/x:latest
    r.example:5000/a/b:1      as it is
    tomcat@sha256:…           docker.io/library/tomcat@sha256:…

The first component is a domain when it has a dot, a colon or a capital letter, or is "localhost".
"""

from __future__ import annotations

import re

import msgspec

from podrun.errors import UsageError

DEFAULT_DOMAIN = "docker.io"
_LABEL = r"(?:[a-zA-Z0-9]|[a-zA-Z0-9][a-zA-Z0-9-]*[a-zA-Z0-9])"
_DOMAIN = re.compile(rf"(?:{_LABEL}(?:\.{_LABEL})*|\[[0-9a-fA-F:]+\])(?::[0-9]+)?")
_COMPONENT = re.compile(r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*")
_TAG = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}")
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")
_ID = re.compile(r"(?:sha256:)?([0-9a-f]{3,64})")
_NAME_MAX = 255


class Reference(msgspec.Struct, frozen=True):
    """A normalized reference; ``str()`` gives its full form. One of tag and digest is set."""

    domain: str
    path: str
    tag: str = ""
    digest: str = ""

    @property
    def repository(self) -> str:
        return f"{self.domain}/{self.path}"

    def __str__(self) -> str:
        tag = f":{self.tag}" if self.tag else ""
        digest = f"@{self.digest}" if self.digest else ""
        return f"{self.repository}{tag}{digest}"


def parse(text: str) -> Reference:
    """The normalized reference. Raises UsageError with reason InvalidImageName."""
    name, at, digest = text.partition("@")
    if at and not _DIGEST.fullmatch(digest):
        raise _invalid(text, "the digest is not sha256: and 64 lower-case hexadecimal digits")
    name, tag = _split_tag(name)
    if tag is not None and not _TAG.fullmatch(tag):
        raise _invalid(text, "the tag is not 1 to 128 letters, digits, '_', '.' or '-'")
    domain, path = _split_domain(name)
    if not _DOMAIN.fullmatch(domain):
        raise _invalid(text, f"{domain!r} is not a registry's name")
    if len(domain) + 1 + len(path) > _NAME_MAX:
        raise _invalid(text, f"the name is longer than {_NAME_MAX} characters")
    for component in path.split("/"):
        _check_component(text, component)
    if domain == DEFAULT_DOMAIN and "/" not in path:
        path = f"library/{path}"
    return Reference(domain, path, tag or ("" if digest else "latest"), digest)


def candidates(text: str) -> list[Reference]:
    """What ``text`` may mean in the local store: itself, then, for a short name, localhost/…"""
    reference = parse(text)
    if text.startswith(f"{DEFAULT_DOMAIN}/") or reference.domain != DEFAULT_DOMAIN:
        return [reference]
    short = text.partition("@")[0]
    path = _split_tag(short)[0]
    return [reference, msgspec.structs.replace(reference, domain="localhost", path=path)]


def image_id_prefix(text: str) -> str:
    """The hexadecimal digits when ``text`` can be a (short) image ID, else the empty string."""
    found = _ID.fullmatch(text)
    return found.group(1) if found else ""


def _split_tag(name: str) -> tuple[str, str | None]:
    head, colon, tag = name.rpartition(":")
    return (head, tag) if colon and "/" not in tag else (name, None)


def _split_domain(name: str) -> tuple[str, str]:
    first, slash, rest = name.partition("/")
    is_domain = "." in first or ":" in first or first == "localhost" or first != first.lower()
    if not slash or not is_domain:
        return DEFAULT_DOMAIN, name
    return (DEFAULT_DOMAIN if first == "index.docker.io" else first), rest


def _check_component(text: str, component: str) -> None:
    if not component:
        raise _invalid(text, "an empty name, or an empty part between two slashes")
    if not _COMPONENT.fullmatch(component):
        hint = " (capital letters are not allowed)" if component != component.lower() else ""
        raise _invalid(text, f"{component!r} is not a valid part of a name{hint}")


def _invalid(text: str, why: str) -> UsageError:
    shown = text if len(text) <= 80 else text[:77] + "..."
    return UsageError(
        f'couldn\'t parse image name "{shown}": {why}',
        hint="an image is named [registry/]name[:tag][@sha256:…]",
        reason="InvalidImageName",
    )
