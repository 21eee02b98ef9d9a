"""The Job: how many pods, when again, and how it ends."""

from __future__ import annotations

from typing import Any

import pytest

from podrun.pod.when import rfc3339
from tests.unit.workloadsim import T0, World, a_job

_BACKOFF = ("True", "BackoffLimitExceeded", "Job has reached the specified backoff limit")
_DEADLINE = ("True", "DeadlineExceeded", "Job was active longer than specified deadline")
_ENOUGH = ("True", "CompletionsReached", "Reached expected number of succeeded pods")


def _world(**fields: Any) -> World:
    world = World(a_job(**fields))
    world.step()
    return world


def test_a_job_runs_one_pod_until_it_succeeds() -> None:
    world = _world()
    (view,) = world.live
    metadata = view.pod.metadata
    assert metadata.name.startswith("web-") and len(metadata.name) == len("web-") + 5
    assert metadata.labels == {
        "app": "web",
        "batch.kubernetes.io/controller-uid": "owner",
        "batch.kubernetes.io/job-name": "web",
        "controller-uid": "owner",
        "job-name": "web",
    }
    (owner,) = metadata.owner_references
    assert (owner.api_version, owner.kind, owner.name, owner.uid, owner.controller) == (
        "batch/v1", "Job", "web", "owner", True,
    )  # fmt: skip
    assert world.events == [("Normal", "SuccessfulCreate", f"Created pod: {metadata.name}")]
    world.now += 5
    world.ready()
    world.step()
    status = world.thing.status
    assert (status.active, status.ready, status.start_time) == (1, 1, rfc3339(T0))
    world.end("Succeeded")
    step = world.step()
    status = world.thing.status
    assert (status.active, status.succeeded, status.failed) == (0, 1, 0)
    assert world.condition("SuccessCriteriaMet") == world.condition("Complete") == _ENOUGH
    assert status.completion_time == rfc3339(world.now)
    assert step.events == (("Normal", "Completed", "Job completed"),)
    assert not step.delete and not step.remove and not status.uncounted_terminated_pods
    assert world.step().events == ()


def test_completions_and_parallelism() -> None:
    world = _world(completions=5, parallelism=2)
    assert len(world.live) == 2
    world.end("Succeeded")
    world.step()
    assert len(world.live) == 2
    world.end("Succeeded")
    world.step()
    assert len(world.live) == 1  # of five, four are done
    world.end("Succeeded")
    world.step()
    assert world.thing.status.succeeded == 5 and world.condition("Complete") == _ENOUGH


def test_a_queue_is_done_when_one_succeeded_and_the_others_ended() -> None:
    world = _world(parallelism=3)
    first, second, third = world.pods
    world.end("Succeeded", first)
    world.step()
    assert len(world.live) == 2 and world.condition("Complete") is None
    world.end("Failed", second)
    world.step()
    assert len(world.live) == 1  # nobody is sent after
    world.end("Succeeded", third)
    world.step()
    assert world.condition("Complete") == _ENOUGH
    assert (world.thing.status.succeeded, world.thing.status.failed) == (2, 1)


def test_nothing_to_complete_is_complete() -> None:
    world = _world(completions=0)
    assert world.pods == {} and world.condition("Complete") == _ENOUGH
    assert world.thing.status.start_time


def test_no_parallelism_no_pods() -> None:
    world = _world(parallelism=0)
    assert world.pods == {} and world.condition("Complete") is None


def test_failed_pods_are_replaced_ever_later_until_there_are_too_many() -> None:
    world = _world(backoff_limit=7)
    for delay in (10, 20, 40, 80, 160, 320, 360):
        world.end("Failed")
        step = world.step()
        assert not world.live and step.wake_at == world.now + delay
        world.now += delay - 1
        world.step()
        assert not world.live
        world.now += 1
        world.step()
        assert len(world.live) == 1
    world.end("Failed")
    step = world.step()
    assert step.events == (("Warning", *_BACKOFF[1:]),)
    assert world.condition("FailureTarget") == world.condition("Failed") == _BACKOFF
    status = world.thing.status
    assert (status.failed, status.active, status.completion_time) == (8, 0, "")
    assert len(world.pods) == 8  # kept, to be looked at


def test_a_success_ends_the_backing_off() -> None:
    world = _world(completions=3, parallelism=1)
    world.end("Failed")
    world.step()
    world.now += 10
    world.step()
    world.end("Succeeded")
    world.step()
    assert len(world.live) == 1
    world.now += 1
    world.end("Failed")
    assert world.step().wake_at == world.now + 10


def test_no_retry_at_all() -> None:
    world = _world(backoff_limit=0)
    world.end("Failed")
    world.step()
    assert world.condition("Failed") == _BACKOFF


def test_the_pods_that_still_run_go_when_the_job_fails_and_count_as_failed() -> None:
    world = _world(completions=3, parallelism=3, backoff_limit=0)
    first, *others = world.pods
    world.end("Failed", first)
    step = world.step()
    assert sorted(step.delete) == sorted(others)
    assert world.condition("FailureTarget") == _BACKOFF and world.condition("Failed") is None
    assert world.thing.status.failed == 3
    assert world.step().delete == ()
    world.release()
    world.step()
    assert world.condition("Failed") == _BACKOFF and world.thing.status.failed == 3


@pytest.mark.parametrize(("limit", "restarts"), [(0, 1), (1, 1), (3, 3)])
def test_restarts_count_with_on_failure(limit: int, restarts: int) -> None:
    world = _world(policy="OnFailure", backoff_limit=limit)
    (uid,) = world.pods
    world.change(uid, phase="Running", restarts=restarts - 1)
    world.step()
    assert world.live
    world.change(uid, restarts=restarts)
    assert world.step().delete == (uid,)
    world.release()
    world.step()
    assert world.condition("Failed") == _BACKOFF


def test_restarts_of_a_container_with_a_policy_of_its_own_do_not() -> None:
    world = _world(policy="Never", backoff_limit=0)
    world.change(*world.pods, restarts=5)
    world.step()
    assert world.live


def test_a_pod_somebody_deletes_is_a_failure_and_counted_once() -> None:
    world = _world()
    (uid,) = world.pods
    world.delete(uid)
    world.step()
    assert world.thing.status.failed == 1
    assert len(world.live) == 1  # replaced at once, as upstream (TerminatingOrFailed)
    world.end("Failed", uid)
    world.step()
    world.release(uid)
    world.step()
    assert world.thing.status.failed == 1


def test_a_pod_deleted_after_its_success_stays_counted() -> None:
    world = _world(completions=2)
    (uid,) = world.pods
    world.end("Succeeded", uid)
    world.step()
    world.delete(uid)
    world.step()
    world.release(uid)
    world.step()
    assert world.thing.status.succeeded == 1 and world.thing.status.failed == 0


def test_the_deadline() -> None:
    world = _world(active_deadline_seconds=30)
    (uid,) = world.pods
    assert world.ask().wake_at == T0 + 30
    world.now += 30
    step = world.step()
    assert step.delete == (uid,) and world.condition("FailureTarget") == _DEADLINE
    world.release()
    assert world.step().events == (("Warning", *_DEADLINE[1:]),)
    assert world.thing.status.failed == 1


def test_suspended_from_the_start_and_resumed() -> None:
    world = _world(suspend=True, active_deadline_seconds=30)
    assert world.pods == {} and world.thing.status.start_time == ""
    assert world.condition("Suspended") == ("True", "JobSuspended", "Job suspended")
    assert world.events == [("Normal", "Suspended", "Job suspended")]
    world.now += 100
    world.spec(suspend=False)
    step = world.step()
    assert step.events[0] == ("Normal", "Resumed", "Job resumed")
    assert world.condition("Suspended") == ("False", "JobResumed", "Job resumed")
    assert len(world.live) == 1 and world.thing.status.start_time == rfc3339(world.now)


def test_suspended_while_it_runs_no_pod_counts_as_failed() -> None:
    world = _world(completions=4, parallelism=2, active_deadline_seconds=30, backoff_limit=0)
    first, second = world.pods
    world.spec(suspend=True)
    assert sorted(world.step().delete) == sorted((first, second))
    world.end("Failed", first)
    world.end("Succeeded", second)  # it was quick enough
    world.step()
    world.step()  # counted already
    assert world.thing.status.succeeded == 1
    world.now += 1000
    world.release()
    world.step()
    assert (world.thing.status.failed, world.thing.status.succeeded) == (0, 1)
    world.spec(suspend=False)
    world.step()
    assert len(world.live) == 2 and world.condition("FailureTarget") is None
    assert world.ask().wake_at == world.now + 30  # its clock began anew


def test_a_deletion_by_suspension_that_was_not_carried_out() -> None:
    world = _world(backoff_limit=0)
    (uid,) = world.pods
    world.spec(suspend=True)
    world.step(most=1)  # the status is written, the pod lives
    world.spec(suspend=False)
    world.step()
    world.end("Failed", uid)
    world.step()
    assert world.thing.status.failed == 1 and world.condition("Failed") == _BACKOFF


def test_less_parallelism_deletes_those_least_worth() -> None:
    world = _world(completions=9, parallelism=3)
    world.change(list(world.pods)[1], phase="Running", ready_since=world.now)
    world.spec(parallelism=1)
    world.step()
    assert len(world.live) == 1 and world.live[0].ready_since is not None
    world.release()
    world.step()
    assert world.thing.status.failed == 0


def test_time_to_live() -> None:
    world = _world(ttl_seconds_after_finished=10)
    world.end("Succeeded")
    step = world.step()
    assert not step.remove and step.wake_at == world.now + 10
    world.now += 10
    assert world.step().remove


def test_no_time_to_live() -> None:
    world = _world(ttl_seconds_after_finished=0)
    world.end("Succeeded")
    step = world.step()
    assert step.remove and step.events  # told before it goes


def test_what_is_over_stays_so() -> None:
    world = _world()
    world.end("Succeeded")
    world.step()
    before = world.thing.status
    world.spec(parallelism=5, suspend=True)
    world.pods.clear()
    step = world.step()
    assert (step.status, step.create, step.delete, step.wake_at) == (before, (), (), None)


def test_a_crowd_comes_in_bursts() -> None:
    world = _world(completions=120, parallelism=120)
    assert len(world.live) == 50
    world.step()
    world.step()
    assert len(world.live) == 120
