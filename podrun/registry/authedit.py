"""login and logout: the file that docker and podman share is changed, and nothing else in it.

    lock the directory ─► read ─► change one key ─► write beside it, 0600 ─► rename ─► unlock

A process killed in between leaves the old file and perhaps a temporary one, which the next removes.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec

from podrun.errors import MechanismFailed
from podrun.node.config import Config
from podrun.node.records import write_record
from podrun.registry import authentry, authfile, authpaths, helpers
from podrun.registry.authpaths import Source
from podrun.registry.config import AUTH_FILES
from podrun.registry.types import Credential, Misconfigured


def login(
    config: Config,
    place: str,
    credential: Credential,
    *,
    helpers: Sequence[str] = (AUTH_FILES,),
    environ: Mapping[str, str] = os.environ,
) -> str:
    """Keep the login for ``place`` (host[:port][/path]); where it is kept, in words.

    A registry with a credential helper, in the file or in registries.conf, has its secret stored
    there. Raises RegistryError when the file is broken or a helper fails, MechanismFailed when the
    file cannot be written.
    """
    if helpers[0] != AUTH_FILES:
        return _store(helpers[0], place, credential, config.registries_conf)
    source = authpaths.shared(config, environ)
    with _editing(source) as document:
        file = _typed(document, source)
        name = _helper(file, place, source)
        kept = _store(name, place, credential, str(source.path)) if name else str(source.path)
        entry = {} if name else {"auth": authentry.encoded(credential)}
        for key in file.keys(authentry.place_of(place)):
            del document["auths"][key]
        document.setdefault("auths", {})[_key(place)] = entry
    return kept


def logout(
    config: Config,
    place: str = "",
    *,
    helpers: Sequence[str] = (AUTH_FILES,),
    environ: Mapping[str, str] = os.environ,
) -> list[str]:
    """Forget the login for ``place``, "": all of them, in every file of ours that has one.

    Where they were, in words: [] when there was none. Raises as ``login`` does.
    """
    found = []
    for name in helpers:
        if name != AUTH_FILES and place and authfile.ask(name, place, config.registries_conf):
            found.append(_erase(name, place, config.registries_conf))
    for source in authpaths.sources(config, environ, None):
        if source.path.exists():
            with _editing(source) as document:
                found += _forget(document, source, place)
    return found


def _forget(document: dict[str, Any], source: Source, place: str) -> list[str]:
    """What was taken out of one file and out of its helpers."""
    file = _typed(document, source)
    entries = document if source.legacy else document.get("auths", {})
    keys = file.keys(place) if place else list(file.auths)
    hosts = {place} if place else {authentry.place_of(k) for k in (*keys, *file.cred_helpers)}
    found = []
    for host in sorted(hosts):
        name = file.helper(host) or (file.creds_store if file.keys(host) else "")
        if name and authfile.ask(name, host, str(source.path)):
            found.append(_erase(name, host, str(source.path)))
    if any(file.auths[key].credential(str(source.path)) for key in keys):
        found.append(str(source.path))
    for key in keys:
        del entries[key]
    return found


def _helper(file: authfile.AuthFile, place: str, source: Source) -> str:
    """Who keeps the secret instead of the file, "": nobody. Helpers know hosts only."""
    host, slash, _ = place.partition("/")
    name = file.helper(host)
    if name and slash:
        raise Misconfigured(
            f"{source.path} has a credential helper for {host}, and so no login for {place}",
            hint=f"log in to {host}",
        )
    return "" if slash else name or file.creds_store


def _key(place: str) -> str:
    """docker looks for Docker Hub by a URL; podman finds that, too."""
    return authfile.servers(place)[0]


def _store(name: str, place: str, credential: Credential, source: str) -> str:
    helpers.store(name, _key(place), credential, source)
    return f"credential helper {name}"


def _erase(name: str, place: str, source: str) -> str:
    for server in authfile.servers(place):
        helpers.erase(name, server, source)
    return f"credential helper {name}"


def _typed(document: dict[str, Any], source: Source) -> authfile.AuthFile:
    return authfile.parse(msgspec.json.encode(document), str(source.path), legacy=source.legacy)


# ── the file ────────────────────────────────────────────────────────────────────────────────────


@contextlib.contextmanager
def _editing(source: Source) -> Iterator[dict[str, Any]]:
    """The JSON object in the file; what the block changes is written when it ends well."""
    path = Path(os.path.realpath(source.path))  # a link stays a link
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with _locked(path.parent):
            _refuse_foreign(path.parent)
            document = _document(source)
            before = json.dumps(document)
            yield document
            if json.dumps(document) != before:
                _write(path, document)
    except OSError as error:
        raise MechanismFailed.from_oserror(f"change the logins in {path}", error) from error


def _refuse_foreign(directory: Path) -> None:
    """Where somebody else can exchange files, root had better not write."""
    owner = directory.stat().st_uid
    if owner not in (0, os.geteuid()):
        raise Misconfigured(
            f"{directory} belongs to uid {owner}: no login is written there",
            hint="run it without sudo -E, or set authFile in the configuration",
        )


@contextlib.contextmanager
def _locked(directory: Path) -> Iterator[None]:
    fd = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX)
        yield
    finally:
        os.close(fd)


def _document(source: Source) -> dict[str, Any]:
    content = authpaths.read(source, insist=True)
    if content is None:
        return {}
    authfile.parse(content.data, str(source.path), legacy=source.legacy)
    return dict(json.loads(content.data or b"{}"))


def _write(path: Path, document: dict[str, Any]) -> None:
    """Indented with tabs, as docker writes it."""
    for stale in path.parent.glob(f".{path.name}.*.tmp"):
        stale.unlink(missing_ok=True)
    text = json.dumps(document, indent="\t", ensure_ascii=False)
    write_record(path, text.encode() + b"\n", mode=0o600)
