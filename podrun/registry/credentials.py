"""Who knows logins: files and helpers of this machine, secrets of a pod, one after another.

A pod's own secrets go before what the machine has:

    Chain(SecretKeyring(secrets), FileKeyring(config, helpers=registries.credential_helpers))
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence

from podrun.node.config import Config
from podrun.registry import authentry, authfile, authpaths
from podrun.registry.authedit import login as login
from podrun.registry.authedit import logout as logout
from podrun.registry.authpaths import sudo_uid as sudo_uid
from podrun.registry.config import AUTH_FILES
from podrun.registry.pullsecrets import PullSecret as PullSecret
from podrun.registry.pullsecrets import SecretKeyring as SecretKeyring
from podrun.registry.types import Credential, Keyring, RegistryError


class FileKeyring:
    """The files of ``podrun.registry.authpaths``; the first that has a login for a host decides.

    ``helpers`` are registries.conf's credential-helpers. ``user`` is the uid behind sudo whose
    files are looked at last: for a command of theirs, never for the agent, which serves everybody.
    Files are read anew for each question.
    """

    def __init__(
        self,
        config: Config,
        *,
        helpers: Sequence[str] = (AUTH_FILES,),
        user: int | None = None,
        environ: Mapping[str, str] = os.environ,
    ) -> None:
        self._sources = authpaths.sources(config, environ, user)
        self._helpers = tuple(helpers)
        self._conf = config.registries_conf

    def find(self, host: str, repository: str) -> tuple[Credential, ...]:
        """At most one. Raises RegistryError: a file is broken, or a helper failed."""
        found = self.locate(host, repository)
        return (found[0],) if found else ()

    def locate(self, host: str, repository: str) -> tuple[Credential, str] | None:
        """The login and the file or helper that has it. A helper's failure counts if none has."""
        failure: RegistryError | None = None
        for helper in self._helpers:
            if helper == AUTH_FILES:
                found = self._in_files(host, repository)
            else:
                try:
                    found = self._with(helper, host)
                except RegistryError as error:
                    failure, found = failure or error, None
            if found is not None:
                return found
        if failure is not None:
            raise failure
        return None

    def _in_files(self, host: str, repository: str) -> tuple[Credential, str] | None:
        for source in self._sources:
            loaded = authfile.load(source)
            if loaded is None:
                continue
            file, may_run = loaded
            path = str(source.path)
            if found := file.find(host, repository, path, may_run=may_run):
                return found, path
        return None

    def _with(self, helper: str, host: str) -> tuple[Credential, str] | None:
        found = authfile.ask(helper, authentry.registry_of(host), self._conf)
        return (found, f"credential helper {helper}") if found else None


class Chain:
    """Several keyrings, one after another; what two of them know is there once.

    One that is broken is an error only where none before it has a login.
    """

    def __init__(self, *keyrings: Keyring) -> None:
        self._keyrings = keyrings

    def find(self, host: str, repository: str) -> tuple[Credential, ...]:
        found: dict[Credential, None] = {}
        for keyring in self._keyrings:
            try:
                found.update(dict.fromkeys(keyring.find(host, repository)))
            except RegistryError:
                if not found:
                    raise
        return tuple(found)
