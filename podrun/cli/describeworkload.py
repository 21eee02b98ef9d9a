"""``podrun describe`` of a Job, Deployment or DaemonSet: its pods, how far it is, what happened."""

from __future__ import annotations

from podrun.agent.objectevents import ObjectEvents
from podrun.agent.podstore import PodStore
from podrun.api.workload import (
    DaemonSet,
    Deployment,
    DeploymentSpec,
    Job,
    PodTemplateSpec,
    Strategy,
)
from podrun.cli.block import INDENT, NONE, Value, pairs
from podrun.cli.describecontainer import describe_container
from podrun.cli.describevolume import describe_volume
from podrun.cli.eventtable import event_lines
from podrun.cli.objects import ObjectReader
from podrun.cli.table import table
from podrun.cli.width import columns
from podrun.pod.outcome import phase
from podrun.workload.ownership import owners


def describe_workload(
    reader: ObjectReader, thing: Job | Deployment | DaemonSet
) -> dict[str, Value]:
    width = columns()
    inner = None if width is None else width - len(INDENT)
    uid = thing.metadata.uid
    values = {**_wanted(thing), "Pod Template": _template(thing.spec.template)}
    if not isinstance(thing, DaemonSet):
        values["Conditions"] = _conditions(thing, inner) or NONE
    return {
        **values,
        "Pods": _pods(reader, uid, inner) or NONE,
        "Events": event_lines(ObjectEvents(reader.paths).read(uid), inner) or NONE,
    }


def _wanted(thing: Job | Deployment | DaemonSet) -> dict[str, Value]:
    if isinstance(thing, Job):
        job = thing.spec
        numbers = {
            "Parallelism": job.parallelism,
            "Completions": job.completions,
            "Backoff Limit": job.backoff_limit,
            "Active Deadline": _seconds(job.active_deadline_seconds),
            "TTL": _seconds(job.ttl_seconds_after_finished),
        }
        return {name: str(value) for name, value in numbers.items() if value is not None}
    spec = thing.spec
    selector = spec.selector.match_labels if spec.selector is not None else {}
    strategy = spec.strategy if isinstance(spec, DeploymentSpec) else spec.update_strategy
    return {"Selector": pairs(selector), "Strategy": _strategy(strategy or Strategy())}


def _seconds(value: int | None) -> str | None:
    return None if value is None else f"{value}s"


def _strategy(strategy: Strategy) -> str:
    rolling = strategy.rolling_update
    if rolling is None:
        return strategy.type
    limits = {"unavailable": rolling.max_unavailable, "surge": rolling.max_surge}
    found = [f"{value} max {name}" for name, value in limits.items() if value is not None]
    return ", ".join([strategy.type, *found])


def _template(template: PodTemplateSpec) -> dict[str, Value]:
    spec = template.spec
    found: dict[str, Value] = {"Labels": pairs(template.metadata.labels)}
    for title, containers in (
        ("Init Containers", spec.init_containers),
        ("Containers", spec.containers),
    ):
        if containers:
            found[title] = {each.name: describe_container(each, None) for each in containers}
    if spec.volumes:
        found["Volumes"] = {each.name: describe_volume(each) for each in spec.volumes}
    return found


def _conditions(thing: Job | Deployment, width: int | None) -> list[str]:
    conditions = thing.status.conditions if thing.status else ()
    rows = [
        (each.type, each.status, ": ".join(filter(None, (each.reason, each.message))))
        for each in conditions
    ]
    return table(("Type", "Status", "Reason"), rows, width=width).splitlines() if rows else []


def _pods(reader: ObjectReader, uid: str, width: int | None) -> list[str]:
    rows = [
        (each.key[1], phase(each.pod, each.facts))
        for each in PodStore(reader.paths).list()
        if uid in owners(each.pod)
    ]
    return table(("Name", "Phase"), rows, width=width).splitlines() if rows else []
