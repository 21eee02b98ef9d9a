"""What must hold for every Deployment, DaemonSet and Job, whatever happens to their pods."""

from __future__ import annotations

from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from podrun.api.workload import JobStatus, RollingUpdate, Strategy
from podrun.workload.job import is_over
from podrun.workload.model import PodView
from podrun.workload.pods import is_active, is_available, is_finished
from podrun.workload.rollout import limits
from podrun.workload.templates import hash_of, template_hash
from tests.unit.workloadsim import World, a_daemon_set, a_deployment, a_job, template

PICK = st.integers(min_value=0, max_value=99)
SHARES = st.sampled_from([0, 1, 2, "25%", "50%", "100%"])
REPLICAS = st.integers(min_value=0, max_value=6)
IMAGES = st.sampled_from(["a", "b", "c"])


class Machine(RuleBasedStateMachine):
    """Pods that get ready, fall, end and vanish; a controller that is asked, and may crash."""

    world: World

    def pick(self, which: int, views: list[PodView]) -> str | None:
        return views[which % len(views)].uid if views else None

    @rule(most=st.sampled_from([0, 1, 2, 3, 1000, 1000, 1000]))
    def step(self, most: int) -> None:
        first, second = self.world.ask(), self.world.ask()
        assert first == second  # it keeps nothing
        self.world.step(most)

    @rule(seconds=st.sampled_from([1, 5, 60, 700]))
    def time_passes(self, seconds: int) -> None:
        self.world.now += seconds

    @rule(which=PICK)
    def get_ready(self, which: int) -> None:
        waiting = [view for view in self.world.live if view.ready_since is None]
        uid = self.pick(which, waiting)
        if uid:
            self.world.ready(uid)

    @rule(which=PICK)
    def fall(self, which: int) -> None:
        uid = self.pick(which, [view for view in self.world.live if view.ready_since is not None])
        if uid:
            self.world.change(uid, ready_since=None)

    @rule(which=PICK)
    def fail(self, which: int) -> None:
        running = [view for view in self.world.pods.values() if not is_finished(view)]
        uid = self.pick(which, running)
        if uid:
            self.world.end("Failed", uid)

    @rule(which=PICK)
    def somebody_deletes(self, which: int) -> None:
        uid = self.pick(which, [view for view in self.world.pods.values() if not view.deleting])
        if uid:
            self.world.delete(uid)

    @invariant()
    def a_status_that_is_written_stays_until_something_happens(self) -> None:
        world = World(self.world.thing)
        world.now, world.pods = self.world.now, dict(self.world.pods)
        world.thing = type(world.thing)(
            metadata=world.thing.metadata, spec=world.thing.spec, status=world.ask().status
        )
        again = world.ask().status
        world.thing = type(world.thing)(
            metadata=world.thing.metadata, spec=world.thing.spec, status=again
        )
        assert world.ask().status == again


class DeploymentMachine(Machine):
    @initialize(
        replicas=REPLICAS, surge=SHARES, unavailable=SHARES, ready=st.sampled_from([0, 10]),
        recreate=st.booleans(),
    )  # fmt: skip
    def begin(
        self, replicas: int, surge: Any, unavailable: Any, ready: int, recreate: bool
    ) -> None:
        rolling = RollingUpdate(max_surge=surge, max_unavailable=unavailable)
        strategy = Strategy(type="RollingUpdate", rolling_update=rolling)
        if recreate:
            strategy = Strategy(type="Recreate")
        self.world = World(
            a_deployment(replicas=replicas, strategy=strategy, min_ready_seconds=ready)
        )

    @rule(replicas=REPLICAS)
    def scale(self, replicas: int) -> None:
        self.world.spec(replicas=replicas)

    @rule(image=IMAGES)
    def change_template(self, image: str) -> None:
        self.world.spec(template=template(image))

    @rule(paused=st.booleans())
    def pause(self, paused: bool) -> None:
        self.world.spec(paused=paused)

    @rule()
    def what_is_deleted_is_gone(self) -> None:
        self.world.release()

    def available(self, views: list[PodView]) -> int:
        seconds = self.world.thing.spec.min_ready_seconds
        return sum(is_available(view, seconds, self.world.now) for view in views)

    @invariant()
    def never_too_many_and_never_too_few(self) -> None:
        spec, step = self.world.thing.spec, self.world.ask()
        live = self.world.live
        left = [view for view in live if view.uid not in step.delete]
        assert set(step.delete) <= set(self.world.pods)
        if spec.strategy.type == "Recreate":
            self._one_template(left)
            return
        surge, unavailable = limits(spec.strategy.rolling_update, spec.replicas)
        after = len(left) + len(step.create)
        assert after <= max(spec.replicas + surge, len(live))
        least = min(spec.replicas - unavailable, self.available(live))
        assert self.available(left) >= least
        assert after >= min(spec.replicas - unavailable, len(live))

    def _one_template(self, left: list[PodView]) -> None:
        """But for a change that is taken back while the old pods end."""
        step, mark = self.world.ask(), template_hash(self.world.thing.spec.template)
        if step.create and not self.world.thing.spec.paused:
            running = [view for view in self.world.pods.values() if not is_finished(view)]
            assert {hash_of(view) for view in running} <= {mark}

    def teardown(self) -> None:
        if not hasattr(self, "world"):
            return
        self.world.spec(paused=False)
        self.world.settle()
        assert len(self.world.live) == len(self.world.new) == self.world.thing.spec.replicas
        status = self.world.thing.status
        assert status.available_replicas == self.world.thing.spec.replicas
        assert self.world.condition("Progressing")[1] == "NewReplicaSetAvailable"  # type: ignore[index]
        assert self.world.condition("Available")[0] == "True"  # type: ignore[index]


class DaemonSetMachine(Machine):
    @initialize(surge=st.booleans(), on_delete=st.booleans())
    def begin(self, surge: bool, on_delete: bool) -> None:
        rolling = RollingUpdate(max_surge=int(surge), max_unavailable=int(not surge))
        strategy = Strategy(type="RollingUpdate", rolling_update=rolling)
        if on_delete:
            strategy = Strategy(type="OnDelete")
        self.most = 1 + int(surge and not on_delete)
        self.world = World(a_daemon_set(update_strategy=strategy))

    @rule(image=IMAGES)
    def change_template(self, image: str) -> None:
        self.world.spec(template=template(image))

    @rule()
    def what_is_deleted_is_gone(self) -> None:
        self.world.release()

    @invariant()
    def never_more_than_one_beside_the_surge(self) -> None:
        step = self.world.ask()
        running = [view for view in self.world.pods.values() if not is_finished(view)]
        if self.most == 1 and step.create:
            assert not running
        mark = template_hash(self.world.thing.spec.template)
        assert not step.create or not any(hash_of(view) == mark for view in running)

    def teardown(self) -> None:
        if not hasattr(self, "world"):
            return
        self.world.settle()
        assert len(self.world.live) == 1
        if self.world.thing.spec.update_strategy.type == "RollingUpdate":
            assert self.world.new


class JobMachine(Machine):
    """``ends`` is how each pod was seen to end, first: it never forgets one, and has each once."""

    @initialize(
        completions=st.none() | st.integers(0, 5), parallelism=st.integers(1, 4),
        limit=st.integers(0, 8), deadline=st.sampled_from([None, None, 2000]),
    )  # fmt: skip
    def begin(
        self, completions: int | None, parallelism: int, limit: int, deadline: int | None
    ) -> None:
        self.ends: dict[str, str] = {}
        self.by_us: set[str] = set()
        self.world = World(
            a_job(
                completions=completions,
                parallelism=parallelism,
                backoff_limit=limit,
                active_deadline_seconds=deadline,
            )
        )

    @rule(most=st.sampled_from([0, 1, 2, 3, 1000, 1000, 1000]))
    def step(self, most: int) -> None:
        self.checked_step(most)

    def checked_step(self, most: int = 1000) -> None:
        world = self.world
        before = world.thing.status or JobStatus()
        going = {uid for uid, view in world.pods.items() if view.deleting}
        step = world.step(most)
        after = world.thing.status or JobStatus()
        assert after.succeeded >= before.succeeded and after.failed >= before.failed
        if most == 0 or is_over(before):
            return
        failing = any(each.type == "FailureTarget" for each in after.conditions)
        for uid, view in world.pods.items():
            self._see(uid, view, deleted=uid in going, failing=failing and uid in step.delete)
        if not failing:
            self.by_us |= set(step.delete)
        told = list(self.ends.values())
        assert after.succeeded == told.count("Succeeded")
        assert after.failed == told.count("Failed")

    def _see(self, uid: str, view: PodView, *, deleted: bool, failing: bool) -> None:
        failed = view.phase == "Failed" or deleted
        deleted_by_us = deleted and uid in self.by_us
        if uid in self.ends:
            return
        if view.phase == "Succeeded":
            self.ends[uid] = "Succeeded"
        elif failing or (failed and not deleted_by_us):
            self.ends[uid] = "Failed"

    @rule(which=PICK)
    def succeed(self, which: int) -> None:
        running = [view for view in self.world.pods.values() if not is_finished(view)]
        uid = self.pick(which, running)
        if uid:
            self.world.end("Succeeded", uid)

    @rule()
    def what_is_deleted_and_was_seen_is_gone(self) -> None:
        seen = set(self.ends) | self.by_us
        pods = list(self.world.pods.items())
        for uid in [uid for uid, view in pods if view.deleting and uid in seen]:
            self.world.release(uid)

    @rule(suspend=st.booleans())
    def suspend(self, suspend: bool) -> None:
        self.world.spec(suspend=suspend)

    @rule(parallelism=st.integers(0, 4))
    def change_parallelism(self, parallelism: int) -> None:
        self.world.spec(parallelism=parallelism)

    @precondition(lambda self: not is_over(self.world.thing.status or JobStatus()))
    @invariant()
    def never_too_many(self) -> None:
        spec, step = self.world.thing.spec, self.world.ask()
        left = [view for view in self.world.live if view.uid not in step.delete]
        if step.create:
            after = len(left) + len(step.create)
            assert after <= spec.parallelism and not spec.suspend
            if spec.completions is not None:
                assert step.status.succeeded + after <= spec.completions

    def teardown(self) -> None:
        if not hasattr(self, "world"):
            return
        self.world.spec(suspend=False, parallelism=2)
        for _ in range(40):
            self.checked_step()
            self.world.now = max(self.world.now + 1, self.world.ask().wake_at or 0.0)
            self.what_is_deleted_and_was_seen_is_gone()
            for view in self.world.live:
                self.world.end("Succeeded", view.uid)
        status = self.world.thing.status
        assert is_over(status) and not status.uncounted_terminated_pods
        assert not any(is_active(view) for view in self.world.pods.values())
        wanted = self.world.thing.spec.completions
        if any(each.type == "Complete" for each in status.conditions) and wanted is not None:
            assert status.succeeded >= wanted


_SETTINGS = settings(
    max_examples=40,
    stateful_step_count=30,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)
TestDeployment = DeploymentMachine.TestCase
TestDeployment.settings = _SETTINGS
TestDaemonSet = DaemonSetMachine.TestCase
TestDaemonSet.settings = _SETTINGS
TestJob = JobMachine.TestCase
TestJob.settings = _SETTINGS
