"""Which files logins are looked for in, and which of them may be believed.

    1  authFile of the configuration, $REGISTRY_AUTH_FILE
    2  $XDG_RUNTIME_DIR/containers/auth.json, /run/containers/<uid>/auth.json     podman login
    3  $XDG_CONFIG_HOME (~/.config)/containers/auth.json
    4  $DOCKER_CONFIG (~/.docker)/config.json                                     docker login
    5  ~/.dockercfg                                                               docker before 1.7
    6  under sudo, if a command asks for it: 2 to 5 of the user behind it

The order is that of containers-auth.json(5). A home that belongs to somebody else (sudo -E) is not
ours: the one of the password file is. A file is believed when it belongs to root or to whom it is
looked for; only root's own may name programs to run.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator, Mapping
from pathlib import Path

import msgspec

from podrun.node.config import Config
from podrun.registry.types import Misconfigured

RUN = Path("/run")
_MAX = 1 << 20  # bytes of a file of logins


class Source(msgspec.Struct, frozen=True):
    """One file. ``legacy``: it has no "auths" around its entries. ``setting``: who names it."""

    path: Path
    owners: frozenset[int]
    legacy: bool = False
    setting: str = ""


class Content(msgspec.Struct, frozen=True):
    data: bytes
    may_run: bool  # whether programs that it names may be run


def sources(config: Config, environ: Mapping[str, str], user: int | None) -> tuple[Source, ...]:
    """All there may be, in order; ``user``: the uid behind sudo whose files are looked at, too."""
    own = frozenset({0, os.geteuid()})
    named = own if user is None else own | {user}
    found = [
        Source(Path(path), named, setting=setting)
        for setting, path in (
            ("authFile", config.auth_file),
            ("REGISTRY_AUTH_FILE", environ.get("REGISTRY_AUTH_FILE", "")),
        )
        if path
    ]
    found += _of_home(_home(environ), own, environ, os.geteuid())
    if user is not None and user not in own:
        found += _of_user(user)
    first: dict[Path, Source] = {}
    for source in found:
        first.setdefault(source.path, source)
    return tuple(first.values())


def shared(config: Config, environ: Mapping[str, str]) -> Source:
    """Where a login is written: what is configured, else the file of docker that podman reads."""
    every = sources(config, environ, None)
    return next(s for s in every if s.setting or s.path.name == "config.json")


def sudo_uid(environ: Mapping[str, str] = os.environ) -> int | None:
    """Who ran us by sudo, None: nobody."""
    uid = environ.get("SUDO_UID", "")
    return int(uid) if uid.isdecimal() and os.geteuid() == 0 else None


def read(source: Source, *, insist: bool = False) -> Content | None:
    """None when there is none, or it is of somebody whose files are not believed.

    The latter is a RegistryError for a file that a setting names, or with ``insist``. It is looked
    at only after it is open, so that nobody can exchange it in between.
    """
    insist = insist or bool(source.setting)
    name = f"{source.setting} {source.path}".lstrip()
    try:
        fd = os.open(source.path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        if insist:
            raise Misconfigured(f"{name}: {error.strerror}") from None
        return None
    with open(fd, "rb") as file:
        status = os.fstat(fd)
        if doubt := _doubt(status, source):
            if insist:
                raise Misconfigured(f"{name} {doubt}: it is not used")
            return None
        safe = status.st_uid in (0, os.geteuid()) and not status.st_mode & 0o022
        return Content(file.read(_MAX), safe)


def _doubt(status: os.stat_result, source: Source) -> str:
    if not stat.S_ISREG(status.st_mode):
        return "is not a regular file"
    if status.st_uid not in source.owners:
        return f"belongs to uid {status.st_uid}"
    return f"is larger than {_MAX} bytes" if status.st_size > _MAX else ""


def _of_home(
    home: Path, owners: frozenset[int], environ: Mapping[str, str], uid: int
) -> Iterator[Source]:
    if runtime := environ.get("XDG_RUNTIME_DIR"):
        yield Source(Path(runtime, "containers/auth.json"), owners)
    yield Source(RUN / f"containers/{uid}/auth.json", owners)
    config = environ.get("XDG_CONFIG_HOME") or home / ".config"
    yield Source(Path(config, "containers/auth.json"), owners)
    yield Source(Path(environ.get("DOCKER_CONFIG") or home / ".docker", "config.json"), owners)
    yield Source(home / ".dockercfg", owners, legacy=True)


def _of_user(uid: int) -> Iterator[Source]:
    home = passwd_home(uid)
    if home is None:
        return
    runtime = {"XDG_RUNTIME_DIR": str(RUN / f"user/{uid}")}
    yield from _of_home(home, frozenset({uid}), runtime, uid)


def _home(environ: Mapping[str, str]) -> Path:
    home = Path(environ.get("HOME") or "/nonexistent")
    try:
        if home.stat().st_uid == os.geteuid():
            return home
    except OSError:
        pass
    return passwd_home(os.geteuid()) or Path("/nonexistent")


def passwd_home(uid: int) -> Path | None:
    """The home directory of the password file."""
    import pwd

    try:
        return Path(pwd.getpwuid(uid).pw_dir)
    except KeyError:
        return None
