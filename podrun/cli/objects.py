"""The stored objects that are no pods, as a reader sees them: chosen by name and label."""

from __future__ import annotations

import os
from collections.abc import Sequence

import click

from podrun.agent.objectstore import ObjectStore
from podrun.api.kinds import SECRET, Kind
from podrun.api.objects import AnyObject
from podrun.cli.names import DEFAULT_NAMESPACE
from podrun.errors import NotFound, PodrunError, UsageError
from podrun.node import config
from podrun.node.paths import Paths


class ObjectReader:
    """One look at the node; needs neither the agent nor, but for Secrets, root."""

    def __init__(self) -> None:
        self.config = config.load()
        self.paths = Paths(self.config)
        self.store = ObjectStore(self.paths)

    def select(
        self,
        kind: Kind,
        names: Sequence[str] = (),
        *,
        namespace: str = "",
        everywhere: bool = False,
        selector: str = "",
    ) -> list[AnyObject]:
        """Those of these names, in that order, else all that may be read. Raises NotFound, and
        PodrunError for a named one that only root may read."""
        if names and (everywhere or selector):
            raise UsageError("names go with neither --all-namespaces nor --selector")
        scope = namespace or DEFAULT_NAMESPACE
        if names:
            return self._named(kind, scope, tuple(dict.fromkeys(names)))
        if kind is SECRET and os.geteuid() != 0:
            click.echo("note: only root may read Secrets (run it with sudo)", err=True)
        found = self.store.list(kind, "" if everywhere else scope)
        if selector:
            from podrun.cli.selector import parse_selector

            wanted = parse_selector(selector)
            found = [each for each in found if wanted.matches(each.metadata.labels)]
        return found

    def _named(self, kind: Kind, namespace: str, names: Sequence[str]) -> list[AnyObject]:
        found = {name: self._read(kind, namespace, name) for name in names}
        raise_missing(kind, [name for name in names if found[name] is None])
        return [each for each in found.values() if each is not None]

    def _read(self, kind: Kind, namespace: str, name: str) -> AnyObject | None:
        try:
            return self.store.read(kind, namespace, name)
        except PermissionError:
            text = f'{kind.plural} "{name}": you may not read it'
            raise PodrunError(text, hint="run it with sudo") from None


def raise_missing(kind: Kind, names: Sequence[str], hint: str = "") -> None:
    """Raises NotFound unless ``names`` is empty."""
    if names:
        listed = ", ".join(f'"{name}"' for name in names)
        hint = hint or f"`podrun get {kind.plural} -A` lists all"
        raise NotFound(f"{kind.plural} {listed} not found", hint=hint)
