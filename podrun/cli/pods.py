"""The node as a reader sees it: the stored pods, chosen by name and label, as they are shown."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence

from podrun.agent.podstore import PodStore, StoredPod
from podrun.api.pod import Pod
from podrun.cli.names import DEFAULT_NAMESPACE
from podrun.errors import NotFound, UsageError
from podrun.node import config
from podrun.node.paths import Paths
from podrun.pod.backoff import Settings
from podrun.pod.status import NodeFacts, present


class Reader:
    """One look at the node; needs neither the agent nor root.

    ``addresses=False`` spares finding out the host's, which a table without them does not show.
    """

    def __init__(self, *, addresses: bool = True) -> None:
        self.config = config.load()
        self.paths = Paths(self.config)
        self.store = PodStore(self.paths)
        self._node = node_facts(self.config, addresses=addresses)
        self._settings = Settings(self.config.max_container_restart_period)

    def find(self, name: str, namespace: str = "") -> StoredPod:
        """Raises NotFound."""
        return self.store.find(namespace or DEFAULT_NAMESPACE, name)

    def select(
        self,
        names: Sequence[str] = (),
        *,
        namespace: str = "",
        everywhere: bool = False,
        selector: str = "",
    ) -> list[StoredPod]:
        """The pods of those names (in that order; NotFound tells which do not exist), else all.

        A pod that waits to replace another of its name is not shown while that one is there.
        """
        if names and (everywhere or selector):
            raise UsageError("names go with neither --all-namespaces nor --selector")
        scope = "" if everywhere else namespace or DEFAULT_NAMESPACE
        found = [stored for stored in visible(self.store.list()) if scope in ("", stored.key[0])]
        if selector:
            from podrun.cli.selector import parse_selector

            wanted = parse_selector(selector)
            found = [each for each in found if wanted.matches(each.pod.metadata.labels)]
        return _named(found, names) if names else found

    def present(self, stored: StoredPod, now: float | None = None) -> Pod:
        at = time.time() if now is None else now
        return present(stored.pod, stored.facts, at, self._node, self._settings)


def node_facts(config: config.Config, *, addresses: bool) -> NodeFacts:
    if not addresses:
        return NodeFacts(name=config.node_name or os.uname().nodename)
    from podrun.agent.node import host_ips, node_name  # imports socket

    return NodeFacts(host_ips=host_ips(), name=node_name(config))


def visible(pods: Sequence[StoredPod]) -> list[StoredPod]:
    """Without those that wait for a predecessor which is still there."""
    present_uids = {stored.pod.metadata.uid for stored in pods}
    return [stored for stored in pods if stored.facts.replaces not in present_uids]


def _named(pods: Sequence[StoredPod], names: Sequence[str]) -> list[StoredPod]:
    by_name = {stored.key[1]: stored for stored in pods}
    missing = [name for name in dict.fromkeys(names) if name not in by_name]
    if missing:
        listed = ", ".join(f'"{name}"' for name in missing)
        raise NotFound(f"pods {listed} not found", hint="`podrun ps -A` lists all pods")
    return [by_name[name] for name in dict.fromkeys(names)]
