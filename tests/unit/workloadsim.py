"""A machine without processes: it does what a controller says, and lets pods live and die."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from msgspec.structs import replace

from podrun.api import defaults_workload
from podrun.api.meta import LabelSelector, ObjectMeta
from podrun.api.pod import Container, Pod, PodSpec
from podrun.api.workload import (
    DaemonSet,
    DaemonSetSpec,
    Deployment,
    DeploymentSpec,
    Job,
    JobSpec,
    PodTemplateSpec,
)
from podrun.workload import daemonset, deployment, job
from podrun.workload.model import PodView, Step
from podrun.workload.pods import is_active
from podrun.workload.templates import hash_of, template_hash

T0 = 1_700_000_000.0
_STEPS: dict[str, Callable[..., Step[Any]]] = {
    "Job": job.step,
    "Deployment": deployment.step,
    "DaemonSet": daemonset.step,
}
_META = ObjectMeta(name="web", namespace="default", uid="owner", generation=1)
_SELECTOR = LabelSelector(match_labels={"app": "web"})


def template(image: str = "a", policy: str = "Always", **fields: Any) -> PodTemplateSpec:
    spec = PodSpec(containers=(Container(name="c", image=image),), restart_policy=policy, **fields)
    return PodTemplateSpec(metadata=ObjectMeta(labels={"app": "web"}), spec=spec)


def a_job(policy: str = "Never", **fields: Any) -> Job:
    spec = JobSpec(template=template(policy=policy), **fields)
    return defaults_workload.job(Job(metadata=_META, spec=spec))


def a_deployment(image: str = "a", **fields: Any) -> Deployment:
    spec = DeploymentSpec(template=template(image), selector=_SELECTOR, **fields)
    return defaults_workload.deployment(Deployment(metadata=_META, spec=spec))


def a_daemon_set(image: str = "a", **fields: Any) -> DaemonSet:
    spec = DaemonSetSpec(template=template(image), selector=_SELECTOR, **fields)
    return defaults_workload.daemon_set(DaemonSet(metadata=_META, spec=spec))


def suffixes(first: int = 0) -> Callable[[], str]:
    """Ends of names, none of them twice."""
    count = first

    def suffix() -> str:
        nonlocal count
        count += 1
        return f"{count:05}"

    return suffix


class World:
    """``pods`` by uid, which is their name; ``thing`` is the Job, Deployment or DaemonSet."""

    def __init__(self, thing: Any) -> None:
        self.thing = thing
        self.now = T0
        self.pods: dict[str, PodView] = {}
        self.events: list[tuple[str, str, str]] = []
        self.removed = False
        self._made = 0

    def ask(self) -> Step[Any]:
        pods = tuple(self.pods.values())
        return _STEPS[self.thing.kind](self.thing, pods, self.now, suffixes(self._made))

    def step(self, most: int = 1000) -> Step[Any]:
        """Ask, and carry out the first ``most`` parts of the answer: then the machine crashes."""
        step = self.ask()
        parts: list[Callable[[], None]] = [lambda: self._write(step.status)]
        parts += [lambda uid=uid: self.delete(uid) for uid in step.delete]  # type: ignore[misc]
        parts += [lambda pod=pod: self._create(pod) for pod in step.create]  # type: ignore[misc]
        for part in parts[:most]:
            part()
        if most >= len(parts):
            self.events += step.events
            self.removed = step.remove
        return step

    def _write(self, status: Any) -> None:
        self.thing = replace(self.thing, status=status)

    def _create(self, pod: Pod) -> None:
        name = pod.metadata.name
        assert name not in self.pods
        made = replace(pod, metadata=replace(pod.metadata, uid=name))
        self.pods[name] = PodView(pod=made, phase="Pending", created_at=self.now)
        self._made += 1

    # ── what happens to pods ────────────────────────────────────────────────────────────────────

    def change(self, uid: str, **fields: Any) -> None:
        self.pods[uid] = replace(self.pods[uid], **fields)

    def ready(self, *uids: str) -> None:
        """These, or all that are meant to run."""
        for uid in uids or [view.uid for view in self.live if view.ready_since is None]:
            self.change(uid, phase="Running", ready_since=self.now)

    def end(self, phase: str, *uids: str) -> None:
        for uid in uids or [view.uid for view in self.live]:
            self.change(uid, phase=phase, ready_since=None, finished_at=self.now)

    def delete(self, uid: str) -> None:
        if uid in self.pods:
            self.change(uid, deleting=True)

    def release(self, *uids: str) -> None:
        """These, or all that are being deleted, are gone."""
        for uid in uids or [uid for uid, view in self.pods.items() if view.deleting]:
            del self.pods[uid]

    def spec(self, **fields: Any) -> None:
        """The user applies another spec."""
        metadata = self.thing.metadata
        self.thing = replace(
            self.thing,
            metadata=replace(metadata, generation=metadata.generation + 1),
            spec=replace(self.thing.spec, **fields),
        )

    @property
    def live(self) -> list[PodView]:
        return [view for view in self.pods.values() if is_active(view)]

    @property
    def images(self) -> list[str]:
        return sorted(view.pod.spec.containers[0].image for view in self.live)

    @property
    def new(self) -> list[PodView]:
        mark = template_hash(self.thing.spec.template)
        return [view for view in self.live if hash_of(view) == mark]

    def settle(self, rounds: int = 60) -> None:
        """All goes well for so long: pods get ready, what is deleted goes, time passes."""
        for _ in range(rounds):
            step = self.step()
            self.release()
            if self.thing.kind != "Job":
                self.ready()
            self.now = max(self.now + 1, step.wake_at or 0.0)

    def condition(self, kind: str) -> tuple[str, str, str] | None:
        """Status, reason and message."""
        for each in self.thing.status.conditions:
            if each.type == kind:
                return each.status, each.reason, each.message
        return None

    def reasons(self) -> list[str]:
        return [reason for _, reason, _ in self.events]
