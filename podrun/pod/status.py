"""The status of a pod as ``kubectl get -o json`` shows it, computed from its facts."""

from __future__ import annotations

import msgspec

from podrun.api.pod import HostIP, Pod, PodIP, PodStatus
from podrun.pod.backoff import Settings, settings_for
from podrun.pod.conditions import conditions
from podrun.pod.container_status import container_status
from podrun.pod.facts import Facts
from podrun.pod.outcome import phase
from podrun.pod.resources import qos_class
from podrun.pod.runs import any_live
from podrun.pod.when import rfc3339


class NodeFacts(msgspec.Struct, frozen=True):
    """The node as a pod's status shows it; ``host_ips`` holds at most one address a family."""

    host_ips: tuple[str, ...] = ()
    name: str = ""


def status(
    pod: Pod, facts: Facts, now: float, node: NodeFacts, settings: Settings | None = None
) -> PodStatus:
    """``now`` decides only whether a container is still in its back-off."""
    settings = settings_for(pod, settings)
    reason, message = _verdict(pod, facts)
    ips = _pod_ips(pod, facts, node)
    # as upstream, where a pod that is not scheduled has no kubelet to report its containers
    inits, apps = ((), ()) if facts.unfit else (pod.spec.init_containers, pod.spec.containers)
    return PodStatus(
        phase=phase(pod, facts),
        conditions=conditions(pod, facts),
        reason=reason,
        message=message,
        host_ip=node.host_ips[0] if node.host_ips else "",
        host_ips=tuple(HostIP(ip=ip) for ip in node.host_ips),
        pod_ip=ips[0] if ips else "",
        pod_ips=tuple(PodIP(ip=ip) for ip in ips),
        start_time="" if facts.unfit else rfc3339(facts.accepted_at),
        init_container_statuses=tuple(
            container_status(pod, facts, container, now, settings) for container in inits
        ),
        container_statuses=tuple(
            container_status(pod, facts, container, now, settings) for container in apps
        ),
        qos_class=qos_class(pod),
    )


def present(
    pod: Pod, facts: Facts, now: float, node: NodeFacts, settings: Settings | None = None
) -> Pod:
    """``pod`` as it is shown: with its status, its node, and the time by which it must be gone."""
    metadata = pod.metadata
    if facts.deletion is not None:
        seconds = facts.deletion.grace_seconds
        metadata = msgspec.structs.replace(
            metadata,
            deletion_timestamp=rfc3339(facts.deletion.at + seconds),
            deletion_grace_period_seconds=seconds,
        )
    return msgspec.structs.replace(
        pod,
        metadata=metadata,
        spec=msgspec.structs.replace(pod.spec, node_name=pod.spec.node_name or node.name),
        status=status(pod, facts, now, node, settings),
    )


def _verdict(pod: Pod, facts: Facts) -> tuple[str, str]:
    # Like the terminal phase, shown once nothing of the pod runs any more (§3).
    if facts.verdict is not None and not any_live(pod, facts):
        return facts.verdict.reason, facts.verdict.message
    return "", ""


def _pod_ips(pod: Pod, facts: Facts, node: NodeFacts) -> tuple[str, ...]:
    sandbox = facts.sandbox
    if sandbox is None or sandbox.stopped_at is not None:
        return ()  # given back: it may be another pod's by now
    return node.host_ips if pod.spec.host_network else sandbox.ips
