"""``podrun describe`` of a Job, Deployment or DaemonSet: its pods, how far it is, what happened."""

from __future__ import annotations

from podrun.agent.objectevents import ObjectEvents
from podrun.agent.podstore import PodStore
from podrun.api.workload import DaemonSet, Deployment, Job
from podrun.cli.block import INDENT, NONE, Value
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
    values: dict[str, Value] = {}
    if not isinstance(thing, DaemonSet):
        values["Conditions"] = _conditions(thing, inner) or NONE
    return {
        **values,
        "Pods": _pods(reader, uid, inner) or NONE,
        "Events": event_lines(ObjectEvents(reader.paths).read(uid), inner) or NONE,
    }


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
