"""One pod of a workload: what ``logs job/count`` and ``exec deploy/web`` mean."""

from __future__ import annotations

import click

from podrun.agent.podstore import StoredPod
from podrun.api.kinds import DAEMON_SET, DEPLOYMENT, JOB, POD, Kind, kind_of
from podrun.cli.names import DEFAULT_NAMESPACE, parse_pod
from podrun.cli.pods import Reader, visible
from podrun.errors import NotFound, UsageError

WORKLOADS = (JOB, DEPLOYMENT, DAEMON_SET)


def find_pod(reader: Reader, named: str, namespace: str = "", *, tell: bool = True) -> StoredPod:
    """The pod of ``web`` or ``pod/web``, or one of those of ``deploy/web``; of several, stderr
    says which if the caller wants to ``tell``. Raises NotFound, and UsageError for other types."""
    kind, name = parse_target(named)
    if kind == POD:
        return reader.find(name, namespace)
    pods = _pods(reader, kind, namespace or DEFAULT_NAMESPACE, name)
    if not pods:
        raise NotFound(f"{kind.singular}/{name} has no pods", hint=f"podrun describe {named}")
    best = max(pods, key=_preference)
    if tell and len(pods) > 1:
        click.echo(f"Found {len(pods)} pods, using pod/{best.key[1]}", err=True)
    return best


def parse_target(named: str) -> tuple[Kind, str]:
    """Kind and name of a pod or a workload. Raises UsageError for other types."""
    prefix, slash, name = named.rpartition("/")
    kind = kind_of(prefix) if slash else None
    if kind not in WORKLOADS:
        return POD, parse_pod(named)
    if not name:
        raise UsageError(f"{named!r}: a name is missing", hint=f"write {prefix}/NAME")
    return kind, name


def _pods(reader: Reader, kind: Kind, namespace: str, name: str) -> list[StoredPod]:
    from podrun.agent.objectstore import ObjectStore
    from podrun.workload.ownership import owners

    uid = ObjectStore(reader.paths).find(kind, namespace, name).metadata.uid
    return [each for each in visible(reader.store.list()) if uid in owners(each.pod)]


def _preference(stored: StoredPod) -> tuple[bool, bool, bool, float]:
    """A pod that runs before one that has ended, and then the newest."""
    from podrun.pod.outcome import phase
    from podrun.pod.progress import is_ready

    pod, facts = stored.pod, stored.facts
    ready, runs = is_ready(pod, facts), phase(pod, facts) == "Running"
    return facts.deletion is None, runs, ready, facts.accepted_at
