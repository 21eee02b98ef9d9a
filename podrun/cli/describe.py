"""``podrun describe``: all there is to know of an object, for people."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Any

import click

from podrun.agent.podstore import StoredPod
from podrun.api.pod import Pod, PodStatus
from podrun.cli.block import INDENT, NONE, Value, block, pairs
from podrun.cli.command import all_namespaces_option, namespace_option, selector_option, verb
from podrun.cli.complete import complete_object
from podrun.cli.describecontainer import describe_container
from podrun.cli.describevolume import describe_volume
from podrun.cli.eventtable import event_lines
from podrun.cli.names import EVENT, POD, Named, parse_objects
from podrun.cli.namespaces import tree
from podrun.cli.pods import Reader
from podrun.cli.table import table
from podrun.cli.wake import wake_agent
from podrun.cli.width import columns
from podrun.errors import UsageError
from podrun.node import config


@verb(
    "describe",
    "podrun describe pod web",
    "sudo podrun describe web",
    "podrun describe configmap settings",
)
@click.argument("named", nargs=-1, metavar="[TYPE] [NAME]...", shell_complete=complete_object)
@namespace_option
@all_namespaces_option
@selector_option
def command(named: tuple[str, ...], namespace: str, everywhere: bool, selector: str) -> None:
    """Tell everything about a pod or another object.

    With sudo also which container of a pod shares which namespaces. What a Secret holds is never
    shown, only how much.
    """
    wanted = parse_objects(named)
    if any(each.type == EVENT for each in wanted):
        raise UsageError("events are not described", hint="podrun events")
    if not (named or everywhere or selector):
        raise UsageError("name a pod", hint="podrun describe web")
    how = {"namespace": namespace, "everywhere": everywhere, "selector": selector}
    texts = [text for each in wanted for text in _texts(each, how)]
    click.echo("\n\n\n".join(texts), nl=bool(texts))
    wake_agent(config.load())


def _texts(wanted: Named, how: dict[str, Any]) -> Iterator[str]:
    if wanted.type == POD:
        pods = Reader()
        for stored in pods.select(wanted.names, **how):
            yield "\n".join(describe(pods, stored))
        return
    from podrun.cli.describeobject import describe_object
    from podrun.cli.objects import ObjectReader

    reader = ObjectReader()
    for thing in reader.select(wanted.kind, wanted.names, **how):
        yield "\n".join(describe_object(reader, thing))


def describe(reader: Reader, stored: StoredPod) -> list[str]:
    pod = reader.present(stored)
    status = pod.status or PodStatus()
    width = columns()
    inner = width and width - len(INDENT)
    values: dict[str, Value] = {
        **_head(pod, status),
        **_containers("Init Containers", pod, init=True),
        **_containers("Containers", pod, init=False),
        "Conditions": _conditions(status, inner),
        "Volumes": {each.name: describe_volume(each) for each in pod.spec.volumes} or NONE,
        "QoS Class": status.qos_class,
        "Namespaces": tree(stored, reader.paths, inner),
        "Events": event_lines(stored.events(), inner) or NONE,
    }
    return list(block(values, columns=width))


def _head(pod: Pod, status: PodStatus) -> dict[str, Value]:
    metadata = pod.metadata
    lines: dict[str, Value] = {
        "Name": metadata.name,
        "Namespace": metadata.namespace,
        "UID": metadata.uid,
        "Node": "/".join(filter(None, (pod.spec.node_name, status.host_ip))),
        "Start Time": when(status.start_time),
        "Labels": pairs(metadata.labels),
        "Annotations": pairs(metadata.annotations, ": "),
        "Status": status.phase,
    }
    if metadata.deletion_timestamp:
        grace = metadata.deletion_grace_period_seconds
        lines["Status"] = f"Terminating (until {when(metadata.deletion_timestamp)}, grace {grace}s)"
    if status.reason:
        lines["Reason"] = status.reason
    if status.message:
        lines["Message"] = status.message
    lines["IPs"] = ", ".join(each.ip for each in status.pod_ips) or NONE
    return lines


def when(time_text: str) -> str:
    """RFC 3339 as people write it, in their own time zone."""
    if not time_text:
        return NONE
    return f"{datetime.fromisoformat(time_text).astimezone():%a, %d %b %Y %H:%M:%S %z}"


def _containers(title: str, pod: Pod, *, init: bool) -> dict[str, Value]:
    containers = pod.spec.init_containers if init else pod.spec.containers
    status = pod.status or PodStatus()
    states = status.init_container_statuses if init else status.container_statuses
    known = {each.name: each for each in states}
    found = {c.name: describe_container(c, known.get(c.name)) for c in containers}
    return {title: found} if found else {}


def _conditions(status: PodStatus, width: int | None) -> Value:
    rows = [
        (each.type, each.status, ": ".join(filter(None, (each.reason, each.message))))
        for each in status.conditions
    ]
    if not rows:
        return NONE
    header: tuple[str, ...] = ("Type", "Status", "Why")
    if not any(why for *_, why in rows):
        return table(header[:2], [each[:2] for each in rows]).splitlines()
    return table(header, rows, width=width).splitlines()
