"""From what users write to nodes and gangs; everything that is wrong with it is found here."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from podrun.api import quantity
from podrun.api.pod import Container, Pod
from podrun.errors import InvalidManifest, UsageError
from podrun.pod.fitting import amount_text
from podrun.pod.resources import requests
from podrun.pod.runs import is_sidecar
from podrun.schedule.model import Amounts, Gang, Member, Node, shortage

_READ = {"cpu": quantity.milli_cpu, "memory": quantity.bytes}
#: of v1 Nodes; the policies do not look at them
_OTHERS = ("ephemeral-storage", "hugepages-", "pods")


def parse_node(text: str) -> Node:
    """``node-1=cpu:4,memory:3Gi``; a resource that is not named is not scarce. UsageError."""
    name, equals, rest = text.partition("=")
    if not name or not equals or not rest:
        raise UsageError(
            f"--node {text!r} is not NAME=RESOURCE:AMOUNT,…", hint="--node node-1=cpu:4,memory:3Gi"
        )
    found: dict[str, str] = {}
    for part in rest.split(","):
        resource, colon, amount = part.partition(":")
        if not colon or resource in found:
            what = "is named twice" if resource in found else "has no amount"
            raise UsageError(f"--node {text}: {resource!r} {what}", hint="RESOURCE:AMOUNT")
        found[resource] = amount
    try:
        return Node(name, _amounts(found))
    except ValueError as error:
        raise UsageError(f"--node {text}: {error}", hint="cpu:4,memory:3Gi") from None


def nodes_of(document: Any, source: str) -> list[Node]:
    """Of a YAML document: a v1 Node, a List of them, or ``nodes:`` with name, cpu and memory.

    Raises InvalidManifest.
    """
    entries = document
    if isinstance(document, Mapping):
        entries = document.get("items", document.get("nodes", [document]))
    if not isinstance(entries, list) or not entries:
        raise InvalidManifest(f"{source}: there is no list of nodes in it")
    return [_node(entry, f"{source}: [{index}]") for index, entry in enumerate(entries)]


def _node(entry: Any, where: str) -> Node:
    if not isinstance(entry, Mapping):
        raise InvalidManifest(f"{where}: a node is a mapping, this is {entry!r:.40}")
    if entry.get("kind") == "Node":
        name = (entry.get("metadata") or {}).get("name", "")
        stated = (entry.get("status") or {}).get("allocatable") or {}
        stated = {key: value for key, value in stated.items() if not key.startswith(_OTHERS)}
    else:
        name = entry.get("name", "")
        stated = {key: value for key, value in entry.items() if key != "name"}
    if not isinstance(name, str) or not name:
        raise InvalidManifest(f"{where}.name: a node needs a name")
    try:
        return Node(name, _amounts({key: str(value) for key, value in stated.items()}))
    except ValueError as error:
        raise InvalidManifest(f"{where} ({name}): {error}") from None


def _amounts(stated: Mapping[str, str]) -> Amounts:
    """Raises ValueError naming the resource."""
    found: Amounts = {}
    for resource, text in stated.items():
        if resource not in _READ:
            raise ValueError(f"{resource!r} is no resource; there are cpu and memory")
        try:
            found[resource] = _READ[resource](text)
        except ValueError as error:
            raise ValueError(f"{resource}: {error}") from None
        if found[resource] < 0:
            raise ValueError(f"{resource}: {text} is less than nothing")
    return found


def check_nodes(nodes: Sequence[Node]) -> None:
    """Raises UsageError for none at all, and for one that is there twice."""
    if not nodes:
        raise UsageError(
            "there is no node to schedule on",
            hint="--node node-1=cpu:4,memory:3Gi, or --nodes FILE",
        )
    seen: set[str] = set()
    for node in nodes:
        if node.name in seen:
            raise UsageError(f"the node {node.name} is given twice")
        seen.add(node.name)


def gang_of(pod: Pod, main: str = "") -> Gang:
    """The containers that run side by side; ``main`` is the one the others want to be with (""
    means the first). UsageError when the pod has no such container."""
    together = [c for c in pod.spec.init_containers if is_sidecar(pod, c)]
    members = [_member(container) for container in (*pod.spec.containers, *together)]
    name = pod.metadata.name
    if main and main not in (member.name for member in members):
        has = ", ".join(member.name for member in members)
        raise UsageError(
            f"--affinity {main}: pod {name} has no container {main}", hint=f"has {has}"
        )
    members.sort(key=lambda member: member.name != main)
    return Gang(name, tuple(members), requests(pod))


def _member(container: Container) -> Member:
    stated = container.limits | container.requests
    wanted = {name: _READ[name](stated[name]) for name in _READ if name in stated}
    return Member(container.name, {name: amount for name, amount in wanted.items() if amount})


def check_gangs(gangs: Iterable[Gang], nodes: Sequence[Node]) -> None:
    """Raises InvalidManifest for a pod that is larger than every node, though all were empty."""
    for gang in gangs:
        if all(shortage(node.allocatable, gang.request) for node in nodes):
            short = {shortage(node.allocatable, gang.request) for node in nodes}
            resource = sorted(short)[0]
            most = max(node.allocatable.get(resource, 0) for node in nodes)
            raise InvalidManifest(
                f"pod {gang.name} can never be placed: Insufficient {resource}: needs "
                f"{amount_text(resource, gang.request[resource])}, the largest node has "
                f"{amount_text(resource, most)}"
            )
