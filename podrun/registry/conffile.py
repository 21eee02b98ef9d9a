"""One registries.conf, version 2 (containers-registries.conf(5)), as typed data.

    unqualified-search-registries = ["quay.io"]     short-name-mode = "enforcing"
    [aliases]                                       "name" = "host/path"
    [[registry]]                                    prefix, location, insecure, blocked,
                                                    mirror-by-digest-only
    [[registry.mirror]]                             location, insecure, pull-from-mirror

A key nobody knows is passed over, because other tools share the file and learn new ones; one that
is a known key misspelt is an error, because ``bloked = true`` must not mean nothing.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, Literal

import msgspec

from podrun.errors import UsageError

_LABEL = r"[a-zA-Z0-9](?:[a-zA-Z0-9-]*[a-zA-Z0-9])?"
_HOST = rf"(?:{_LABEL}(?:\.{_LABEL})*|\[[0-9a-fA-F:]+\])(?::[0-9]+)?"
_PATH = r"(?:/[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*)*"
_SUFFIX = r"(?::[A-Za-z0-9_][A-Za-z0-9_.-]{0,127})?(?:@sha256:[0-9a-f]{64})?"
_IS_HOST = re.compile(_HOST)
_IS_LOCATION = re.compile(rf"{_HOST}{_PATH}{_SUFFIX}")
_IS_WILDCARD = re.compile(rf"\*\.{_LABEL}(?:\.{_LABEL})*")
_HELP = "see containers-registries.conf(5) and docs/registries.md"

PullFrom = Literal["", "all", "digest-only", "tag-only"]
Mode = Literal["", "enforcing", "permissive", "disabled"]


class Mirror(msgspec.Struct, frozen=True, rename="kebab"):
    location: str = ""
    insecure: bool = False
    pull_from_mirror: PullFrom = ""

    def serves(self, *, digest: bool) -> bool:
        """Whether a pull by digest, or by tag, may come here."""
        return self.pull_from_mirror != ("tag-only" if digest else "digest-only")


class Entry(msgspec.Struct, frozen=True, rename="kebab"):
    """One ``[[registry]]``. ``location`` "" means that the name is not rewritten."""

    prefix: str = ""
    location: str = ""
    insecure: bool = False
    blocked: bool = False
    mirror_by_digest_only: bool = False
    mirrors: tuple[Mirror, ...] = msgspec.field(default=(), name="mirror")
    file: str = ""  # the file it stands in, for messages


class ConfFile(msgspec.Struct, frozen=True, rename="kebab"):
    """None: the file says nothing of it, so what files before it said stays."""

    search: tuple[str, ...] | None = msgspec.field(
        default=None, name="unqualified-search-registries"
    )
    short_name_mode: Mode = ""
    credential_helpers: tuple[str, ...] | None = None
    entries: tuple[Entry, ...] = msgspec.field(default=(), name="registry")
    aliases: dict[str, str] = {}


def is_place(text: str) -> bool:
    """Whether ``text`` is ``host[:port][/path]``: a registry, or a part of one."""
    return re.fullmatch(_HOST + _PATH, text) is not None


def read(path: Path) -> ConfFile:
    """What ``path`` says. Raises UsageError naming file and key; FileNotFoundError."""
    try:
        document = tomllib.loads(path.read_text())
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UsageError(f"{path} is not TOML: {error}", hint=_HELP) from None
    except FileNotFoundError:
        raise
    except OSError as error:
        raise UsageError(f"{path}: {error.strerror}") from None
    _refuse_version_1(path, document)
    _refuse_misspelt(path, document)
    try:
        file = msgspec.convert(document, ConfFile)
    except msgspec.ValidationError as error:
        raise UsageError(f"{path}: {error}", hint=_HELP) from None
    return _checked(path, file)


def _refuse_version_1(path: Path, document: Mapping[str, Any]) -> None:
    old = document.get("registries")
    if isinstance(old, dict) and any(
        isinstance(t, dict) and t.get("registries") for t in old.values()
    ):
        raise UsageError(
            f"{path} has the old format, version 1: [registries.search], insecure and block",
            hint="write unqualified-search-registries = […] and one [[registry]] each, with "
            "location and insecure or blocked",
        )


def _refuse_misspelt(path: Path, document: Mapping[str, Any]) -> None:
    import difflib

    for kind, table, where in _tables(document):
        known = [field.encode_name for field in msgspec.structs.fields(kind)]
        for key in table.keys() - set(known) - {"registries"}:
            if close := difflib.get_close_matches(key, known, n=1, cutoff=0.8):
                raise UsageError(
                    f"{path}: {where}{key} is no key", hint=f"did you mean {close[0]}?"
                )


def _tables(document: Mapping[str, Any]) -> Iterator[tuple[type, Mapping[str, Any], str]]:
    """Each table with the type that describes it and its place ("registry[0].")."""
    yield ConfFile, document, ""
    for entry, where in _each(document, "registry", ""):
        yield Entry, entry, where
        for mirror, inner in _each(entry, "mirror", where):
            yield Mirror, mirror, inner


def _each(table: Mapping[str, Any], key: str, where: str) -> Iterator[tuple[Any, str]]:
    found = table.get(key)
    for index, each in enumerate(found if isinstance(found, list) else ()):
        if isinstance(each, dict):
            yield each, f"{where}{key}[{index}]."


# ── what TOML and types cannot say ──────────────────────────────────────────────────────────────


def _checked(path: Path, file: ConfFile) -> ConfFile:
    for index, host in enumerate(file.search or ()):
        if not _IS_HOST.fullmatch(host):
            raise _wrong(path, f"unqualified-search-registries[{index}]", host, "host[:port]")
    entries = tuple(_entry(path, i, entry) for i, entry in enumerate(file.entries))
    _refuse_contradictions(path, entries)
    return msgspec.structs.replace(file, entries=entries)


def _entry(path: Path, index: int, entry: Entry) -> Entry:
    key = f"registry[{index}]"
    location, prefix = entry.location.rstrip("/"), entry.prefix.rstrip("/")
    if not (location or prefix):
        raise UsageError(f"{path}: {key} has neither location nor prefix", hint=_HELP)
    if location and not _IS_LOCATION.fullmatch(location):
        raise _wrong(path, f"{key}.location", entry.location)
    if prefix and not (_IS_LOCATION.fullmatch(prefix) or _IS_WILDCARD.fullmatch(prefix)):
        raise _wrong(path, f"{key}.prefix", entry.prefix, "host[:port][/path] or *.host")
    mirrors = tuple(
        _mirror(path, f"{key}.mirror[{i}]", entry, mirror) for i, mirror in enumerate(entry.mirrors)
    )
    return msgspec.structs.replace(
        entry, prefix=prefix or location, location=location, mirrors=mirrors, file=str(path)
    )


def _mirror(path: Path, key: str, entry: Entry, mirror: Mirror) -> Mirror:
    location = mirror.location.rstrip("/")
    if not _IS_LOCATION.fullmatch(location):
        raise _wrong(path, f"{key}.location", mirror.location)
    if entry.mirror_by_digest_only and mirror.pull_from_mirror:
        raise UsageError(
            f"{path}: {key}.pull-from-mirror contradicts mirror-by-digest-only of its registry",
            hint="leave one of them out",
        )
    pull = "digest-only" if entry.mirror_by_digest_only else mirror.pull_from_mirror
    return msgspec.structs.replace(mirror, location=location, pull_from_mirror=pull)


def _refuse_contradictions(path: Path, entries: Iterable[Entry]) -> None:
    """One place may stand under several prefixes, but is insecure or blocked as a whole."""
    known: dict[str, Entry] = {}
    for entry in entries:
        first = known.setdefault(entry.location or entry.prefix, entry)
        for key in ("insecure", "blocked"):
            if getattr(first, key) != getattr(entry, key):
                where = entry.location or entry.prefix
                raise UsageError(f"{path}: registry {where} is there twice, with and without {key}")


def _wrong(path: Path, key: str, value: str, form: str = "host[:port][/path]") -> UsageError:
    scheme = "://" in value
    hint = "leave out the scheme; insecure = true allows HTTP" if scheme else _HELP
    return UsageError(f"{path}: {key} = {value!r} is not {form}", hint=hint)
