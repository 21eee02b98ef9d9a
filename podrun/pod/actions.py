"""What policy can ask mechanism to do. Plain data: every action may be carried out twice."""

from __future__ import annotations

import msgspec


class Action(msgspec.Struct, frozen=True, tag=True):
    pass


class CreateSandbox(Action, frozen=True, tag=True):
    """Volumes, network, pause. ``attempt`` is 0 for the pod's first sandbox."""

    attempt: int


class StopSandbox(Action, frozen=True, tag=True):
    """End pause, give the network back. The pod's volumes stay."""


class PullImage(Action, frozen=True, tag=True):
    """Get the image for run ``attempt`` of ``name``, as its imagePullPolicy says: look whether it
    is there, or begin to pull it. Its end becomes a fact (``ContainerFacts.pull``, a trouble).
    """

    name: str
    attempt: int


class BackOffPull(Action, frozen=True, tag=True):
    """Tell that the failed pull for ``name`` is waited with (``pulling.back_off``)."""

    name: str


class StartContainer(Action, frozen=True, tag=True):
    """Create and start run ``attempt`` of ``name``; the run before it is moved to ``last``."""

    name: str
    attempt: int


class SignalContainer(Action, frozen=True, tag=True):
    """The graceful stop: the stop signal to the main process, once."""

    name: str
    signal: str  # "" means: the image's STOPSIGNAL, else SIGTERM
    why: str


class KillContainer(Action, frozen=True, tag=True):
    """SIGKILL to every process of the container."""

    name: str
    why: str


class RunHook(Action, frozen=True, tag=True):
    """Begin a lifecycle hook of the current run; its end becomes a fact (``Run.post_start``…).

    ``hook`` is postStart or preStop; it is given up after ``timeout`` seconds (None: never). Of a
    preStop hook ``why`` is what ``SignalContainer.why`` will be: with it the ending begins.
    """

    name: str
    hook: str
    timeout: float | None = None
    why: str = ""


class RestartAll(Action, frozen=True, tag=True):
    """Begin round ``number`` of all containers (``rounds.begin_round``)."""

    why: str
    number: int


class ResizeContainer(Action, frozen=True, tag=True):
    """Give the running container, and with it the pod, the cgroup figures of the spec."""

    name: str


class PassVerdict(Action, frozen=True, tag=True):
    """Record that policy ended the pod (see ``facts.Verdict``)."""

    reason: str
    message: str


class ReleasePod(Action, frozen=True, tag=True):
    """A deleted pod, all of it stopped: remove volumes, logs, records."""


class Plan(msgspec.Struct, frozen=True):
    """What is due now, in order, and when to look again (None: when something happens)."""

    actions: tuple[Action, ...] = ()
    wake_at: float | None = None
