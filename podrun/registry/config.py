"""What registries.conf and its drop-ins say of registries.

The main file is read first, then ``<file>.d/*.conf`` by name. Later files replace what earlier ones
said: a whole list, a mode, the entry of the same prefix, the alias of the same name. A user's own
``~/.config/containers`` is not read: where root's pods get their images from is for root to say.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

import msgspec

from podrun.errors import UsageError
from podrun.node.config import Config
from podrun.registry import conffile, resolve, shortnames
from podrun.registry.conffile import ConfFile, Entry, Mode
from podrun.registry.name import DEFAULT_DOMAIN, Reference
from podrun.registry.types import Endpoint

AUTH_FILES = "containers-auth.json"  # among credential-helpers: the files


class Registries(msgspec.Struct, frozen=True):
    """The default is no file at all: Docker Hub for short names, every registry as it is."""

    entries: tuple[Entry, ...] = ()
    search: tuple[str, ...] = ()
    aliases: Mapping[str, str] = {}
    mode: Mode = ""
    credential_helpers: tuple[str, ...] = (AUTH_FILES,)
    mode_file: str = ""

    @classmethod
    def load(cls, config: Config) -> Registries:
        """Raises UsageError naming file and key when a file is broken; no file is no error."""
        found = cls()
        for path in _files(Path(config.registries_conf)):
            try:
                found = found._with(path, conffile.read(path))
            except FileNotFoundError:  # there is none, or it went since the directory was read
                continue
        return found

    def references(self, text: str) -> tuple[Reference, ...]:
        """What ``text`` may mean, in the order to be tried; at least one.

        Raises UsageError with reason InvalidImageName: no image has such a name, or it is short,
        may be of several registries, and short-name-mode is enforcing.
        """
        return shortnames.resolve(
            text,
            self.aliases,
            self.search,
            enforcing=self.mode == "enforcing",
            file=self.mode_file,
        )

    def endpoints(self, reference: Reference) -> tuple[Endpoint, ...]:
        """Where it may be pulled from, in order: mirrors that serve it, then the registry itself.

        Raises RegistryError when it is blocked, naming the file.
        """
        return resolve.pull_endpoints(self.entries, reference)

    def push_endpoint(self, reference: Reference) -> Endpoint:
        """Where it is pushed to: never a mirror. Raises RegistryError when it is blocked."""
        return resolve.push_endpoint(self.entries, reference)

    def registry(self, domain: str, path: str = "") -> Endpoint:
        """The registry of that name itself, for a login."""
        entry = resolve.entry_for(self.entries, f"{domain}/{path}" if path else domain)
        return resolve.place(domain, path, insecure=entry is not None and entry.insecure)

    @property
    def default_registry(self) -> str:
        """Where short names are looked for first, and ``podrun login`` logs in."""
        return self.search[0] if self.search else DEFAULT_DOMAIN

    def _with(self, path: Path, file: ConfFile) -> Registries:
        entries = {entry.prefix: entry for entry in (*self.entries, *file.entries)}
        return Registries(
            entries=tuple(entries.values()),
            search=self.search if file.search is None else file.search,
            aliases=_merged(path, self.aliases, file.aliases),
            mode=file.short_name_mode or self.mode,
            credential_helpers=_helpers(file, self.credential_helpers),
            mode_file=str(path) if file.short_name_mode else self.mode_file,
        )


def _files(main: Path) -> Iterable[Path]:
    yield main
    directory = main.with_name(f"{main.name}.d")
    try:
        yield from sorted(p for p in directory.iterdir() if p.suffix == ".conf" and p.is_file())
    except (FileNotFoundError, NotADirectoryError):
        return
    except OSError as error:
        raise UsageError(f"{directory}: {error.strerror}") from None


def _merged(path: Path, known: Mapping[str, str], new: Mapping[str, str]) -> dict[str, str]:
    for name, value in new.items():
        if wrong := shortnames.check_alias(name, value):
            raise UsageError(f"{path}: aliases: {wrong}", hint="see docs/registries.md")
    return {name: value for name, value in {**known, **new}.items() if value}


def _helpers(file: ConfFile, known: tuple[str, ...]) -> tuple[str, ...]:
    return known if file.credential_helpers is None else file.credential_helpers or (AUTH_FILES,)
